"""The work of runs is read again only if it changed, and cached as far as it fits."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from controllers import kube
from controllers.runs import caches, projections
from controllers.runs.api_constants import Reason
from controllers.runs.work import work, work_reader
from controllers.runs.work.work_reader import WorkReader
from crds.admission import settings
from tests.support import run_world


class Client:
    """Has one run, and counts its reads."""

    def __init__(self, whole: dict[str, Any]) -> None:
        self.whole, self.reads = whole, 0

    async def get(self, *_: Any, **__: Any) -> dict[str, Any]:
        """The run."""
        self.reads += 1
        return self.whole


def opened(
    whole: dict[str, Any], operator: Callable[[], settings.Settings] = settings.Settings
) -> tuple[WorkReader, projections.Run, Client]:
    """A reader with caches of a run's referenced objects."""
    client: Any = Client(whole)
    queue: kube.Queue[kube.Key] = kube.Queue()
    known = caches.Caches(client, queue)
    for store, spec in (
        (known.agents, run_world.AGENT["spec"]),
        (known.providers, run_world.PROVIDER["spec"]),
    ):
        raw = msgspec.Raw(msgspec.json.encode(spec))
        name = "coder" if store is known.agents else "shell"
        metadata = kube.Metadata(name=name, namespace="team", resource_version="2")
        store.put(projections.Whole(metadata=metadata, spec=raw))
    return WorkReader(client, known, operator), projections.of(projections.Run, whole), client


async def reads_of_three(text: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Return how often a running run is read, and how much of it is cached."""
    monkeypatch.setattr(work_reader, "MAX_WORK_BYTES", 100_000)
    running = {"phase": "Running", "attempt": 1, "startTime": "2026-11-28T12:00:00Z"}
    whole = run_world.run({"implementation": {"inline": {"text": text}}}, **running)
    reader, run, client = opened(whole)
    for _ in range(3):
        seen = await reader.inputs(run, needs_work=True)
        assert seen.work.run_json["prompt"] == text  # type: ignore[union-attr]
    return client.reads, reader.cached_bytes


async def test_work_that_fits_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads, kept = await reads_of_three("Mend it.", monkeypatch)

    assert 1 == reads
    assert 0 < kept < 5_000


async def test_work_that_does_not_fit_is_read_whenever_it_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (3, 0) == await reads_of_three("x" * 100_000, monkeypatch)


async def test_changed_settings_count_for_work_that_was_kept() -> None:
    given = [settings.read({"pods": {"runAsUser": uid}}) for uid in (1, 2)]
    reader, run, client = opened(run_world.run({"workload": {"image": "runner"}}), lambda: given[0])

    first = await reader.inputs(run, needs_work=True)
    del given[0]
    second = await reader.inputs(run, needs_work=True)
    given[0] = settings.read({"policy": {"images": {"allowed": []}}})
    third = await reader.inputs(run, needs_work=True)

    assert isinstance(first, work.Ready)
    assert isinstance(second, work.Ready)
    assert [1, 2] == [one.work.pods.run_as_user for one in (first, second)]
    assert isinstance(third, work.Refused)
    assert Reason.IMAGE_NOT_ALLOWED is third.reason
    assert 3 == client.reads


def memory(
    name: str, *, is_ready: bool | None, since: int = 0, health: dict[str, str] | None = None
) -> projections.Whole:
    """A default Memory, with a Ready condition unless that is unknown."""
    spec = {
        "type": "Redis",
        "isDefault": True,
        "connection": {"secretKeyRef": {"name": name}},
        "health": health or {},
    }
    condition = kube.Condition(type="Ready", status=str(is_ready), message="away")
    return projections.Whole(
        metadata=kube.Metadata(
            name=name, namespace="team", creation_timestamp=f"2026-11-28T12:00:0{since}Z"
        ),
        spec=msgspec.Raw(msgspec.json.encode(spec)),
        status=projections.ReadinessStatus(() if is_ready is None else (condition,)),
    )


async def inputs_with(*memories: projections.Whole, **status: Any) -> work.Inputs:
    """The inputs of a run in a namespace with Memories."""
    reader, run, _ = opened(run_world.run({"workload": {"image": "runner"}}, **status))
    for one in memories:
        reader._caches.memories.put(one)  # noqa: SLF001 - as its reflector does
    return await reader.inputs(run, needs_work=True)


async def test_run_without_a_reference_uses_the_oldest_default_memory() -> None:
    found = await inputs_with(
        memory("a", is_ready=True, since=2), memory("b", is_ready=True, since=1)
    )

    assert isinstance(found, work.Ready)
    assert {"name": "b"} == found.work.run_json["memory"]["connectionRef"]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({}, work.Waiting),
        ({"onUnavailable": "Wait"}, work.Waiting),
        ({"onUnavailable": "Fail"}, work.Refused),
        ({"onUnavailable": "Ignore"}, work.Ready),
    ],
)
async def test_memory_decides_about_runs_while_it_is_away(
    policy: dict[str, str], expected: type[work.Inputs]
) -> None:
    found = await inputs_with(memory("a", is_ready=False, health=policy))

    assert isinstance(found, expected)
    if not isinstance(found, work.Ready):
        assert Reason.MEMORY_NOT_READY is found.reason
        assert "'a'" in found.message


async def test_run_in_flight_goes_on_without_its_memory() -> None:
    running = {"phase": "Running", "attempt": 1, "startTime": "2026-11-28T12:00:00Z"}

    assert isinstance(await inputs_with(memory("a", is_ready=False), **running), work.Ready)


async def test_run_starts_if_nothing_is_known_of_its_memory() -> None:
    assert isinstance(await inputs_with(memory("a", is_ready=None)), work.Ready)
