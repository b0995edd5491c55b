"""A lost ledger is rebuilt from lists of the API server, whatever they contain."""

from typing import Any

import pytest

from controllers import kube, ledger
from controllers.runs import naming, projections
from controllers.runs.references import work_records
from controllers.runs.runtimes.base import Code, Progress, Ref, RuntimeFault, Stage
from controllers.runs.slots import reaper
from tests.support.run_world import NOW, run


class Cluster:
    """Lists the given objects by kind."""

    def __init__(self, **listed: list[dict[str, Any]]) -> None:
        self.listed = listed

    async def list(self, resource: kube.Resource, **_: Any) -> kube.Listing:
        """The objects of a kind."""
        return kube.Listing(tuple(self.listed.get(resource.plural, ())), "7")


def surveyor(cluster: Any, kept: work_records.Records | None = None) -> reaper.Reaper:
    async def sleep(_: float) -> None:
        return

    return reaper.Reaper(
        cluster,
        kept or work_records.Records(cluster, "home"),
        {},
        namespace=None,
        with_jobs=True,
        epoch=2,
        now=lambda: NOW,
        sleep=sleep,
    )


def named(name: str, body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "metadata": {**body["metadata"], "name": name, "uid": f"uid-{name}"}}


def slot(name: str, attempt: int, agent: str = "coder") -> ledger.Slot:
    return ledger.Slot("team", agent, 0, NOW.timestamp(), name, attempt)


async def test_survey_finds_the_slots_of_runs_that_cannot_be_read() -> None:
    poison = named("poison", run({"priority": "high"}, phase="Running", attempt=2))
    odd = named("odd", run({"agentRef": []}, phase="Running", attempt="x"))
    starting = named("starting", run({"priority": "high"}))
    waiting = named("waiting", run(phase="Pending"))
    job = {
        "kind": "Job",
        "metadata": {"name": "j", "labels": {naming.RUN_LABEL: "uid-starting"}},
    }
    unreadable = {"kind": "Job", "metadata": {"name": "k"}, "status": {"active": "x"}}
    cluster = Cluster(agentruns=[poison, odd, starting, waiting], jobs=[job, unreadable])

    found = await surveyor(cluster).survey()

    assert {
        "uid-poison": slot("poison", 2),
        "uid-odd": slot("odd", 0, agent=""),
        "uid-starting": slot("starting", 1),
    } == found.slots


def test_one_unreadable_object_of_a_list_is_passed_over() -> None:
    listed = [named("a", run()), named("b", run({"priority": "high"})), named("c", run())]

    assert ["a", "c"] == [one.metadata.name for one in projections.each(projections.Run, listed)]


class Outside:
    """A runtime with configured progress."""

    def __init__(self, *stages: Stage | RuntimeFault) -> None:
        self.stages, self.cancelled = [*stages], list[str]()

    async def cancel(self, ref: Ref) -> None:
        """Record the cancellation."""
        self.cancelled.append(ref.key)

    async def status(self, ref: Ref) -> Progress:
        """Return the progress."""
        stage = self.stages.pop(0)
        if isinstance(stage, RuntimeFault):
            raise stage
        return Progress(stage=stage, ref=ref)


class Kept(work_records.Records):
    """Records in memory."""

    def __init__(self, *kept: work_records.Record) -> None:
        self.kept = {one.key: one for one in kept}

    async def read(self, key: str) -> work_records.Record | None:
        """Return a record."""
        return self.kept.get(key)

    async def remove(self, key: str) -> None:
        """Remove a record."""
        del self.kept[key]

    async def every(self) -> tuple[work_records.Record, ...]:
        """Return all records."""
        return tuple(self.kept.values())


RECORD = work_records.Record(type="Custom", key="uid-a/2", run_namespace="team", run="a")
AWAY = RuntimeFault(Code.RETRYABLE, "nobody answers")


class Runs:
    """Has one run, or none, and no Jobs."""

    def __init__(self, body: dict[str, Any] | None) -> None:
        self.body = body

    async def get(self, *_: Any, **__: Any) -> dict[str, Any]:
        """The run."""
        if self.body is None:
            raise kube.NotFoundError({"message": "no such run"})
        return self.body


def reaping(body: dict[str, Any] | None, kept: Kept, runtime: Outside) -> reaper.Reaper:
    async def sleep(_: float) -> None:
        return

    cluster: Any = Runs(body)
    runtimes: Any = {"Custom": runtime}
    return reaper.Reaper(
        cluster,
        kept,
        runtimes,
        namespace=None,
        with_jobs=False,
        epoch=2,
        now=lambda: NOW,
        sleep=sleep,
    )


@pytest.mark.parametrize(
    "body",
    [
        None,
        named("a", run(phase="Succeeded", attempt=2)),
        named("a", run(phase="Running", attempt=7)),
        {"metadata": {"uid": "another"}},
    ],
)
async def test_slot_is_held_until_the_work_of_its_record_has_ended(body: Any) -> None:
    """Whether the run was deleted, has ended, or has another attempt."""
    kept, runtime = Kept(RECORD), Outside(AWAY, Stage.RUNNING, Stage.CANCELLED)
    found = reaping(body, kept, runtime)

    over = [await found.is_over("uid-a", slot("a", 2)) for _ in range(3)]

    assert [False, False, True] == over
    assert ["uid-a/2"] * 3 == runtime.cancelled
    assert {} == kept.kept


@pytest.mark.parametrize("body", [run(phase="Running", attempt=2), run(phase="Pending", attempt=1)])
async def test_slot_of_the_attempt_that_a_run_is_about_is_not_the_reapers(body: Any) -> None:
    runtime = Outside()

    assert not await reaping(named("a", body), Kept(RECORD), runtime).is_over("uid-a", slot("a", 2))
    assert [] == runtime.cancelled


async def test_slot_without_a_record_is_free_once_an_operator_removed_it() -> None:
    assert await reaping(None, Kept(), Outside()).is_over("uid-a", slot("a", 2))


async def test_work_that_nobody_looks_after_is_ended_before_it_is_forgotten() -> None:
    live = work_records.Record(type="Custom", key="uid-b/1", run_namespace="team", run="b")
    kept, runtime = Kept(RECORD, live), Outside(Stage.RUNNING, Stage.SUCCEEDED)
    found = reaping(None, kept, runtime)

    left = []
    for _ in range(2):
        await found.sweep_records(lambda record: record.run == "b")
        left.append(sorted(kept.kept))

    assert [["uid-a/2", "uid-b/1"], ["uid-b/1"]] == left


class Abandoned(Runs):
    """Has Jobs of a run, and records deletions."""

    def __init__(self, body: dict[str, Any] | None, *jobs: dict[str, Any]) -> None:
        super().__init__(body)
        self.jobs, self.deleted = [*jobs], list[tuple[str, str]]()

    async def list(self, resource: kube.Resource, **_: Any) -> kube.Listing:
        """Return the Jobs."""
        return kube.Listing(tuple(self.jobs if resource is projections.JOBS else ()), "7")

    async def delete(self, _: kube.Resource, name: str, *, uid: str, **__: Any) -> None:
        """Record the deletion."""
        self.deleted.append((name, uid))


def working_job(name: str, **metadata: Any) -> dict[str, Any]:
    labels = {naming.RUN_LABEL: "uid-a"}
    return {
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": "team",
            "uid": f"uid-{name}",
            "labels": labels,
            **metadata,
        },
    }


@pytest.mark.parametrize(
    ("body", "deleted"),
    [
        (None, [("abandoned", "uid-abandoned")]),
        (named("a", run(phase="Failed", attempt=2)), []),
    ],
)
async def test_jobs_that_a_deleted_run_left_are_deleted_if_nobody_owns_them(
    body: Any, deleted: list[tuple[str, str]]
) -> None:
    """Garbage collection deletes owned ones; existing runs decide themselves."""
    owned = {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "o", "uid": "o"}]}
    cluster: Any = Abandoned(
        body,
        working_job("abandoned"),
        working_job("owned", **owned),
        working_job("ending", deletionTimestamp="2026-01-01T00:00:00Z"),
    )

    assert not await surveyor(cluster, Kept()).is_over("uid-a", slot("a", 2))
    assert deleted == cluster.deleted
