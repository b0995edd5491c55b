"""The controller's memory for users' data is bounded, or as small as its text."""

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers import kube
from controllers.kube.watch.projections import Decoder
from controllers.runs import caches, projections, reconciler
from controllers.runs.api_constants import Reason
from controllers.runs.references import work_records
from controllers.runs.runtimes.jobs import job
from controllers.runs.work import work
from crds.admission import settings
from tests.support import run_world

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 99) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner),
)


@given(st.lists(VALUES, min_size=1))
def test_memory_of_a_value_is_not_underestimated_by_much(value: Any) -> None:
    text = msgspec.json.encode(value)
    tracemalloc.start()
    kept = [msgspec.json.decode(text) for _ in range(10)]
    took, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert took / len(kept) < 8 * kube.memory_bytes(value) + 200


def test_agent_of_many_small_parts_is_kept_as_its_text() -> None:
    spec = {"providerRef": {"name": "p"}, "env": [{"name": "a"}] * 20_000}
    body = {"metadata": {"name": "a", "namespace": "team", "resourceVersion": "3"}, "spec": spec}
    line = json.dumps({"type": "ADDED", "object": body}).encode()
    decoder = Decoder(projections.Whole)
    tracemalloc.start()
    seen = decoder.event(line, "")
    took, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert seen is not None
    assert seen.object is not None
    assert ("p", spec) == (seen.object.provider, seen.object.decoded())
    assert took < 1.2 * len(line)


@pytest.mark.parametrize("spec", ['{"providerRef":7}', '{"providerRef":{"name":[]}}', "[]", "{}"])
def test_agent_without_a_readable_provider_names_none(spec: str) -> None:
    line = f'{{"type":"ADDED","object":{{"metadata":{{"name":"a"}},"spec":{spec}}}}}'
    seen = Decoder(projections.Whole).event(line.encode(), "")

    assert seen is not None
    assert seen.object is not None
    assert "" == seen.object.provider


class Client:
    """Has one run, and counts its reads."""

    def __init__(self, whole: dict[str, Any]) -> None:
        self.whole, self.reads = whole, 0

    async def get(self, *_: Any, **__: Any) -> dict[str, Any]:
        """The run."""
        self.reads += 1
        return self.whole


class Admitter:
    """Holds a slot for each run."""

    def holds(self, *_: Any) -> bool:
        """Always."""
        return True

    def blocked(self, _: str) -> None:
        """Never."""

    def withdraw(self, _: str) -> None:
        """Do nothing."""


def opened(
    whole: dict[str, Any], operator: Callable[[], settings.Settings] = settings.Settings
) -> tuple[reconciler.Interpreter, projections.Run, Client]:
    """An interpreter with caches of a run and its referenced objects."""
    client: Any = Client(whole)
    queue: kube.Queue[kube.Key] = kube.Queue()
    known = caches.Caches(client, queue)
    run = projections.of(projections.Run, whole)
    known.runs.put(run)
    for store, spec in (
        (known.agents, run_world.AGENT["spec"]),
        (known.providers, run_world.PROVIDER["spec"]),
    ):
        raw = msgspec.Raw(msgspec.json.encode(spec))
        name = "coder" if store is known.agents else "shell"
        metadata = kube.Metadata(name=name, namespace="team", resource_version="2")
        store.put(projections.Whole(metadata=metadata, spec=raw))
    jobs: Any = job.JobRuntime(client, known.jobs, known.pods)
    admitter: Any = Admitter()
    found = reconciler.Interpreter(
        client,
        known,
        {"Job": jobs},
        admitter,
        client,
        records=work_records.Records(client, "home"),
        settings=operator,
    )
    return found, run, client


async def reads_of_three_looks(text: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Return how often a running run is read, and how much of it is cached."""
    monkeypatch.setattr(reconciler, "MAX_WORK_BYTES", 100_000)
    running = {"phase": "Running", "attempt": 1, "startTime": "2026-11-28T12:00:00Z"}
    whole = run_world.run({"implementation": {"inline": {"text": text}}}, **running)
    found, run, client = opened(whole)
    for _ in range(3):
        seen = await found._inputs(run, needs_work=True)  # noqa: SLF001 - what is kept is its own
        assert seen.work.run_json["prompt"] == text  # type: ignore[union-attr]
    return client.reads, found._work_bytes  # noqa: SLF001 - likewise


async def test_work_that_fits_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads, kept = await reads_of_three_looks("Mend it.", monkeypatch)

    assert 1 == reads
    assert 0 < kept < 5_000


async def test_work_that_does_not_fit_is_read_whenever_it_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (3, 0) == await reads_of_three_looks("x" * 100_000, monkeypatch)


async def test_changed_settings_count_for_work_that_was_kept() -> None:
    given = [settings.read({"pods": {"runAsUser": uid}}) for uid in (1, 2)]
    found, run, client = opened(run_world.run({"workload": {"image": "runner"}}), lambda: given[0])

    first = await found._inputs(run, needs_work=True)  # noqa: SLF001 - likewise
    del given[0]
    second = await found._inputs(run, needs_work=True)  # noqa: SLF001 - likewise
    given[0] = settings.read({"policy": {"images": {"allowed": []}}})
    third = await found._inputs(run, needs_work=True)  # noqa: SLF001 - likewise

    assert isinstance(first, work.Ready)
    assert isinstance(second, work.Ready)
    assert [1, 2] == [one.work.pods.run_as_user for one in (first, second)]
    assert isinstance(third, work.Refused)
    assert Reason.IMAGE_NOT_ALLOWED is third.reason
    assert 3 == client.reads
