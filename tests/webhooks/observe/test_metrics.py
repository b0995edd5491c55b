"""Counters of workers are summed, and Prometheus can read them."""

import asyncio
import json
import pathlib
from collections.abc import Awaitable

import prometheus_client
import pytest

import crds
from certs import expiry_report
from schemagen import canonical
from webhooks import answers, routing
from webhooks.observe.metrics import Collector, Counts, LabelValues

DATA = pathlib.Path(__file__).parents[2] / "data"
CONVERSION = DATA / "conversion/pass/up-everything-has-a-place.json"
REVIEW = DATA / "admission/pass/v1alpha1-workflow-without-steps-gets-one.json"
DROPPED = 'kubewright_conversion_dropped_bytes_total{verdict="converted",version="v1beta1"}'
OBJECTS = 'kubewright_conversion_objects_total{verdict="converted",version="v1beta1"}'


def shown(collector: Collector) -> dict[str, float]:
    """Every sample by its name and labels, as Prometheus reads them."""
    registry = prometheus_client.CollectorRegistry()
    registry.register(collector)
    lines = prometheus_client.generate_latest(registry).decode().splitlines()
    samples = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in samples}


async def _awaited(answer: Awaitable[answers.Answer]) -> answers.Answer:
    return await answer


def converted(prompt: str) -> Counts:
    """Counters of a worker that converted a run with a prompt that only v1alpha1 can hold."""
    review = json.loads(CONVERSION.read_text())
    review["request"]["objects"][0]["spec"]["systemPrompt"] = prompt
    answer = routing.answer(routing.routes(crds.api)["/convert"], json.dumps(review).encode())
    if not isinstance(answer, answers.Answer):  # much takes turns with others
        answer = asyncio.run(_awaited(answer))
    counts = Counts(LabelValues.of(crds.api))
    counts.add(answers.request_log("/convert", answer, 0.0003, 100))
    return counts


def test_certificate_says_for_how_long_it_is_valid() -> None:
    collector = Collector(now=lambda: 1_000.0)
    collector.live = {
        1: {"leaf_not_after": 1_500.0, "reload_failures": 1},
        2: {"leaf_not_after": 1_200.0},
    }
    collector.certificates = lambda: expiry_report.Status(
        leaf_not_after=1_200.0, authority_not_after=9_000.0, reload_failures=2
    )

    samples = {
        name: value
        for name, value in shown(collector).items()
        if name.startswith(("kubewright_certificate", "kubewright_reload"))
    }

    assert {
        "kubewright_certificate_not_after_seconds": 1_200.0,
        "kubewright_certificate_remaining_seconds": 200.0,
        "kubewright_certificate_authority_not_after_seconds": 9_000.0,
        "kubewright_reload_failures": 3.0,
    } == samples


# Text that can be compressed to half of its size at best.
LONG = "".join(canonical.digest(number) for number in range(30_000))


@pytest.mark.parametrize(("prompt", "least"), [("short", 0), (LONG, len(LONG))])
def test_residue_without_room_is_counted(prompt: str, least: int) -> None:
    collector = Collector()

    collector.live[1] = converted(prompt).snapshot()

    assert least <= shown(collector)[DROPPED] <= least + 1000 * (least > 0)


def test_worker_that_ended_still_counts_and_is_not_kept_itself() -> None:
    collector = Collector()
    for pid in range(3):
        collector.live[pid] = converted("short").snapshot()
        collector.ended(pid)
    collector.live[9] = converted("short").snapshot()

    found = shown(collector)

    assert [4.0, 1.0] == [found[OBJECTS], found["kubewright_webhook_workers"]]
    assert [9] == [*collector.live]


def test_latency_is_a_histogram_whose_buckets_add_up() -> None:
    collector = Collector()
    collector.live[1] = converted("short").snapshot()

    found = shown(collector)

    name = "controller_runtime_webhook_latency_seconds_bucket"
    assert [0.0, 1.0, 1.0] == [
        found[f'{name}{{le="{bound}",webhook="/convert"}}']
        for bound in ("0.00025", "0.0005", "+Inf")
    ]


def test_nothing_was_done_yet() -> None:
    assert 0.0 == shown(Collector())["kubewright_webhook_workers"]


@pytest.mark.parametrize("member", ["kind", "version", "operation"])
def test_words_of_a_body_make_no_new_labels(member: str) -> None:
    review = json.loads(REVIEW.read_text())
    counts = Counts(LabelValues.of(crds.api))
    path = routing.routes(crds.api)["/validate"]
    for number in range(50):
        request = review["request"]
        owner = request if member == "operation" else request["kind"]
        owner[member] = f"{number}" * 1_000
        answer = routing.answer(path, json.dumps(review).encode())
        assert isinstance(answer, answers.Answer)
        counts.add(answers.request_log("/validate", answer, 0.0003, 100))

    (row,) = counts.snapshot()["reviews"]
    labels = dict(zip(["kind", "operation", "version"], row, strict=False))
    known = {"kind": "AgentRun", "operation": "CREATE", "version": "v1alpha1"}
    assert known | {member: "other"} == labels
    assert 50 == row[-1]


def test_wanted_versions_that_there_are_not_make_no_new_labels() -> None:
    review = json.loads(CONVERSION.read_text())
    counts = Counts(LabelValues.of(crds.api))
    for number in range(50):
        review["request"]["desiredAPIVersion"] = f"agents.proompteng.ai/v{number}"
        answer = routing.answer(routing.routes(crds.api)["/convert"], json.dumps(review).encode())
        assert isinstance(answer, answers.Answer)
        counts.add(answers.request_log("/convert", answer, 0.0003, 100))

    assert {"other", "v1"} >= {row[0] for row in counts.snapshot()["conversions"]}


def test_long_words_of_a_body_are_not_kept() -> None:
    review = json.loads(REVIEW.read_text())
    review["request"] |= {"uid": "u" * 1_000, "name": "n" * 1_000}

    answer = routing.answer(routing.routes(crds.api)["/validate"], json.dumps(review).encode())

    assert isinstance(answer, answers.Answer)
    assert answer.info is not None
    assert [257, 257] == [len(answer.info.uid), len(answer.info.name)]
