"""Rejections by a cluster: of a Job, of its tombstones, of its status."""

import contextlib
import dataclasses
import datetime as dt
from typing import Any

import pytest

from controllers import kube, ledger
from controllers.kube import errors
from controllers.runs import caches, naming, projections, reconciler, run_status
from controllers.runs.references import work_records
from controllers.runs.runtimes import base
from controllers.runs.runtimes.base import Code, Progress, Ref, RuntimeFault, Stage, Work
from controllers.runs.runtimes.jobs import job, job_objects
from controllers.runs.slots import reaper, slot_allocator
from crds.admission import settings
from tests.support import run_world
from tests.support.run_world import NOW

KEY = "uid-1/1"
DENIED = (
    'jobs.batch "run-x" is forbidden: ValidatingAdmissionPolicy "images" with binding "images" '
    "denied request: images must come from example.com"
)


def refusal(code: int, message: str, *causes: str) -> kube.ApiError:
    details = {"causes": [{"reason": one} for one in causes]}
    return errors.from_status({"code": code, "message": message, "details": details})


def work(**spec: Any) -> Work:
    return Work(
        namespace="team",
        run="fix",
        uid="uid-1",
        attempt=1,
        spec={"agentRef": {"name": "coder"}, **spec},
        provider={"workload": {"image": "example.com/runner:1"}},
        run_json={},
        runner_json={},
        pods=settings.Pods(image="example.com/operator:1"),
    )


class Cluster:
    """Has pods and no Job, and rejects Jobs."""

    def __init__(self, refused: dict[str, kube.ApiError], *pods: str) -> None:
        self.refused, self.pods, self.events = refused, [*pods], list[kube.JSON]()
        self.jobs: dict[str, kube.JSON] = {}

    async def create(self, _: kube.Resource, body: kube.JSON) -> kube.JSON:
        """Reject by image, or accept."""
        image = body["spec"]["template"]["spec"]["containers"][0]["image"]
        if image in self.refused:
            raise self.refused[image]
        self.jobs[body["metadata"]["name"]] = body
        return body

    async def get(self, _: kube.Resource, name: str, **__: Any) -> kube.JSON:
        """Return an accepted object."""
        if name not in self.jobs:
            raise refusal(404, "not found")
        return self.jobs[name]

    async def list(self, resource: kube.Resource, **_: Any) -> kube.Listing:
        """Return the pods, or the Jobs."""
        labels = {naming.RUN_LABEL: "uid-1"}
        pods = [
            {
                "metadata": {"name": name, "namespace": "team", "uid": name, "labels": labels},
                "status": {"phase": "Running"},
            }
            for name in self.pods
        ]
        listed = {projections.PODS: pods, kube.EVENTS: self.events}
        return kube.Listing(tuple(listed.get(resource, self.jobs.values())), "7")

    async def delete(self, _: kube.Resource, name: str, **__: Any) -> kube.JSON:
        """Delete a pod."""
        self.pods.remove(name)
        return {}


def runtime(cluster: Cluster) -> tuple[job.JobRuntime, Ref]:
    client: Any = cluster
    found = job.JobRuntime(client, kube.Store(), kube.Store({"job": lambda _: []}))
    return found, found.ref(KEY, work())


ALL = ("example.com/runner:1", "example.com/operator:1")


# --------------------------------------------------------------------------- tombstones


def test_tombstone_looks_like_the_job_to_policies_and_never_has_pods() -> None:
    piece = work(workload={"resources": {"limits": {"cpu": "1"}}})
    whole = job_objects.job(KEY, piece)
    first, second = job_objects.tombstones(KEY, piece)

    pod, original = first["spec"]["template"]["spec"], whole["spec"]["template"]["spec"]
    container, own = pod["containers"][0], original["containers"][0]
    assert {**whole["metadata"]["labels"], naming.TOMBSTONE_LABEL: "true"} == first["metadata"][
        "labels"
    ]
    assert first["metadata"]["labels"] == first["spec"]["template"]["metadata"]["labels"]
    assert {name: own[name] for name in ("name", "image", "resources", "securityContext")} == (
        container
    )
    assert original["securityContext"] == pod["securityContext"]
    assert (True, 0) == (first["spec"]["suspend"], first["spec"]["parallelism"])
    assert "ownerReferences" not in first["metadata"]
    assert "example.com/operator:1" == second["spec"]["template"]["spec"]["containers"][0]["image"]


def test_tombstone_of_work_of_which_nothing_is_known_has_an_image() -> None:
    bare = dataclasses.replace(work(), provider={}, pods=settings.Pods())
    (only,) = job_objects.tombstones(KEY, bare)

    assert job_objects.NO_IMAGE == only["spec"]["template"]["spec"]["containers"][0]["image"]


async def test_name_is_taken_by_what_has_the_operators_image_where_the_runs_is_denied() -> None:
    cluster = Cluster({"example.com/runner:1": refusal(422, DENIED)})
    found, ref = runtime(cluster)

    await found.cancel(ref)

    assert [naming.of_key(KEY)] == [*cluster.jobs]
    assert "" == (await found.status(ref)).unreserved


@pytest.mark.parametrize(
    "error",
    [
        refusal(422, DENIED),
        refusal(403, "exceeded quota: q, requested: count/jobs.batch=1"),
        refusal(400, 'admission webhook "k" denied the request: no'),
        refusal(418, "a webhook may answer anything"),
        refusal(500, 'failed calling webhook "k": connection refused'),
    ],
    ids=lambda error: str(error.code),
)
async def test_attempt_whose_name_cannot_be_taken_is_over_and_says_so(
    error: kube.ApiError,
) -> None:
    found, ref = runtime(Cluster(dict.fromkeys(ALL, error)))

    await found.cancel(ref)
    progress = await found.status(ref)

    assert (Stage.CANCELLED, str(error)) == (progress.stage, progress.unreserved)


async def test_server_that_is_down_is_asked_again_for_the_name() -> None:
    error = refusal(503, "etcdserver: leader changed")
    found, ref = runtime(Cluster(dict.fromkeys(ALL, error)))

    with pytest.raises(RuntimeFault) as caught:
        await found.cancel(ref)

    assert Code.RETRYABLE is caught.value.code
    assert Stage.MISSING is (await found.status(ref)).stage


async def test_job_that_is_no_longer_ours_is_over_once_its_pods_are() -> None:
    cluster = Cluster({}, "run-x-1")
    found, ref = runtime(cluster)
    cluster.jobs[ref.name] = {"metadata": {"name": ref.name, "namespace": "team"}}

    before = await found.status(ref)
    cluster.pods.clear()
    after = await found.status(ref)

    assert [Stage.PENDING, Stage.CANCELLED] == [before.stage, after.stage]
    assert "got another owner" in after.message


async def test_pods_that_outlive_their_job_are_waited_for_and_ended_by_a_cancellation() -> None:
    """The first call is for the name: ending the work was not requested."""
    cluster = Cluster({}, "run-x-1")
    found, ref = runtime(cluster)

    stages = [(await found.status(ref)).stage]
    for _ in range(2):
        await found.cancel(ref)
        progress = await found.status(ref)
        stages.append(progress.stage)

    assert [Stage.MISSING, Stage.PENDING, Stage.CANCELLED] == stages
    assert ([naming.of_key(KEY)], []) == ([*cluster.jobs], cluster.pods)


# ------------------------------------------------------------------------------ the slot


def reaping(cluster: Cluster, clock: list[dt.datetime]) -> reaper.Reaper:
    async def sleep(_: float) -> None:
        return

    client: Any = cluster
    return reaper.Reaper(
        client,
        NoRecords(client, "home"),
        {},
        namespace=None,
        with_jobs=True,
        epoch=2,
        now=lambda: clock[0],
        sleep=sleep,
    )


class NoRecords(work_records.Records):
    """Has no records of work outside the cluster."""

    async def read(self, key: str) -> work_records.Record | None:
        """Return None."""
        del key
        return None


SLOT = ledger.Slot("team", "coder", 1, 0.0, "fix", 1)
LATER = NOW + dt.timedelta(seconds=base.HELD_SECONDS)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (refusal(422, DENIED), [False, False, True]),
        (refusal(403, "being terminated", "NamespaceTerminating"), [True, True, True]),
        (refusal(404, "no such namespace"), [True, True, True]),
    ],
    ids=["denied", "namespace goes", "namespace gone"],
)
async def test_slot_is_held_until_no_creation_can_land_any_more(
    error: kube.ApiError, expected: list[bool]
) -> None:
    clock = [NOW]
    found = reaping(Cluster({job_objects.NO_IMAGE: error}), clock)

    over = []
    for now in (NOW, LATER - dt.timedelta(seconds=1), LATER):
        clock[0] = now
        over.append(await found.is_over("uid-1", SLOT))

    assert expected == over


class Held:
    """A ledger in which the first attempt holds a slot."""

    async def change(self, decide: Any) -> Any:
        """Decide on it."""
        return decide(ledger.Ledger({"uid-1": SLOT}))[1]


async def test_attempt_waits_quietly_while_the_slot_of_the_one_before_is_held() -> None:
    woken: list[kube.Key] = []
    book: Any = Held()

    async def survey() -> ledger.Ledger:
        return ledger.Ledger()

    found = slot_allocator.SlotAllocator(book, ledger.Limits(), survey, woken.append, epoch=1)
    for attempt in (2, 1):
        found.ask(ledger.Candidate("uid-1", "team", "coder", run="fix", attempt=attempt))
        await found._admit()  # noqa: SLF001 - one round of its loop
        assert [kube.Key("team", "fix")] * (attempt == 1) == woken


async def test_pods_that_outlived_their_job_are_ended_with_their_run() -> None:
    cluster = Cluster({}, "run-x-1")
    found = reaping(cluster, [NOW])

    over = [await found.is_over("uid-1", SLOT) for _ in range(2)]

    assert ([False, True], []) == (over, cluster.pods)


def a_job(number: int, *, ended: bool = True, ttl: str = "600") -> projections.Job:
    key = f"uid-1/{number}"
    notes = {naming.KEY_ANNOTATION: key, naming.TTL_ANNOTATION: ttl}
    said = [{"type": "Complete", "status": "True"}] if ended else []
    metadata = {"name": naming.of_key(key), "namespace": "team", "uid": key, "annotations": notes}
    return projections.of(projections.Job, {"metadata": metadata, "status": {"conditions": said}})


class Patched:
    """Records patches."""

    def __init__(self) -> None:
        self.patches: list[tuple[str, Any]] = []

    async def patch(self, _: Any, name: str, changes: Any, **__: Any) -> None:
        """Record the patch."""
        self.patches.append((name, changes["spec"]))


@pytest.mark.parametrize(
    ("current", "expected"),
    [(None, [1, 2]), (2, [1]), (1, [])],
    ids=["the run ended", "the first attempt failed", "nobody has looked"],
)
async def test_job_gets_its_ttl_once_its_outcome_is_written_down(
    current: int | None, expected: list[int]
) -> None:
    """Its own TTL would delete the Job with its outcome while the controller is down."""
    cluster: Any = Patched()
    listed = [a_job(1), a_job(2), a_job(3, ended=False), a_job(4, ttl="0"), a_job(5, ttl="soon")]
    assert "ttlSecondsAfterFinished" not in job_objects.job(KEY, work())["spec"]

    given = await reaping(cluster, [NOW]).expire(listed[: 2 if current else 5], lambda _: current)

    names = [naming.of_key(f"uid-1/{number}") for number in expected]
    assert [(name, {"ttlSecondsAfterFinished": 600}) for name in names] == cluster.patches
    assert len(expected) == given


def owned(version: int, *, ended: bool = False, ttl: int | None = None) -> projections.Job:
    body = job_objects.job(KEY, work())
    body["metadata"] |= {"uid": "job-uid", "resourceVersion": str(version)}
    body["spec"]["ttlSecondsAfterFinished"] = ttl
    said = [{"type": "Complete", "status": "True"}] if ended else []
    return projections.of(projections.Job, {**body, "status": {"conditions": said}})


async def test_job_that_is_deleted_as_it_ends_has_ended_as_it_did() -> None:
    client: Any = Cluster({})
    followed = caches.Caches(client, kube.Queue())
    found = job.JobRuntime(
        client, followed.jobs, followed.pods, followed.deleted_pods, followed.deleted_jobs
    )
    gone = owned(1, ended=True)

    followed._job_changed(kube.Change(gone.key, gone, None))  # noqa: SLF001 - as a reflector tells

    assert Stage.SUCCEEDED is (await found.status(found.ref(KEY, work()))).stage


async def test_job_that_completed_and_went_while_nobody_looked_has_succeeded() -> None:
    """The Job controller's Event reports completion; the name is reserved anyway."""
    cluster = Cluster({})
    cluster.events.append({"reason": "Completed"})
    found, ref = runtime(cluster)

    before = await found.status(ref)
    await found.cancel(ref)
    after = await found.status(ref)

    assert [Stage.MISSING, Stage.SUCCEEDED] == [before.stage, after.stage]
    assert [ref.name] == [*cluster.jobs]


async def test_ttl_that_somebody_else_gave_a_job_is_taken_away_until_it_has_ended() -> None:
    cluster: Any = Patched()
    found, ref = runtime(cluster)

    for one in (owned(1, ttl=0), owned(2)):
        found._jobs.put(one)  # noqa: SLF001 - as a reflector does
        await found.status(ref)

    assert [(ref.name, {"ttlSecondsAfterFinished": None})] == cluster.patches


# ------------------------------------------------------------- what keeps us from going on


def test_trouble_is_said_beside_all_that_was_said_before() -> None:
    workflow = {"phase": "Running", "steps": []}
    before: dict[str, Any] = {
        "phase": "Running",
        "attempt": 2,
        "workflow": workflow,
        "reason": "Running",
    }
    before["conditions"] = [{"type": "Accepted", "status": "True"}, {"type": "Theirs"}]
    view = projections.of(projections.Run, run_world.run(**before))

    found = run_status.troubled(before, view, "the server said no", NOW)

    said = {one["type"]: (one["status"], one.get("message")) for one in found["conditions"]}
    assert ("Running", "ReconcileFailed", "the server said no", 2, workflow) == tuple(
        found[name] for name in ("phase", "reason", "message", "attempt", "workflow")
    )
    assert {"Accepted": ("True", None), "ReconcileFailed": ("True", "the server said no")} == said


class Broken:
    """A runtime that always fails."""

    type = "Job"
    is_collected = True
    is_external = False

    def __init__(self, error: Exception) -> None:
        self.error = error

    def ref(self, key: str, piece: Work) -> Ref:
        """Named after its key."""
        return Ref(type="Job", key=key, work=piece, name=key)

    async def status(self, _: Ref) -> Progress:
        """Fail."""
        raise self.error


class Written:
    """Has a run, and records applied statuses and Events."""

    def __init__(self, whole: kube.JSON) -> None:
        self.whole, self.statuses, self.told = whole, list[kube.JSON](), list[tuple[str, str]]()
        self.refused: dict[str, kube.ApiError] = {}

    async def get(self, *_: Any, **__: Any) -> kube.JSON:
        """The run."""
        return self.whole

    async def apply(self, _: Any, body: kube.JSON, **__: Any) -> kube.JSON:
        """Record a status, unless it contains rejected data."""
        for name, error in self.refused.items():
            if name in body["status"]:
                raise error
        self.statuses.append(body["status"])
        return {"metadata": {"resourceVersion": "1"}}

    def event(self, *_: Any, reason: str, note: str, **__: Any) -> None:
        """Record an Event."""
        self.told.append((reason, note))


class Nobody:
    """An allocator without slots and queue."""

    def holds(self, *_: Any) -> bool:
        """Never."""
        return False

    def blocked(self, _: str) -> None:
        """Never."""

    def withdraw(self, _: str) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    "error",
    [RuntimeFault(Code.TERMINAL, "no way"), ValueError("no way"), refusal(404, "no way")],
    ids=["fault", "bug", "something else is missing"],
)
async def test_whatever_keeps_us_from_going_on_is_said_on_the_run_once(error: Exception) -> None:
    whole = run_world.run({"suspend": True}, phase="Running", attempt=1, observedGeneration=1)
    cluster: Any = Written(whole)
    known = caches.Caches(cluster, kube.Queue())
    known.runs.replace([projections.of(projections.Run, whole)], resource_version="1")
    broken, nobody, kept = Broken(error), Nobody(), work_records.Records(cluster, "home")
    made: Any = broken, nobody
    found = reconciler.Reconciler(
        cluster, known, {"Job": made[0]}, made[1], cluster, records=kept, now=lambda: NOW
    )

    for _ in range(2):
        with contextlib.suppress(ValueError, kube.NotFoundError):
            await found.reconcile(kube.Key("team", "fix"))

    assert [("ReconcileFailed", "no way")] == cluster.told
    assert [("Running", "no way")] == [(one["phase"], one["message"]) for one in cluster.statuses]


class Reporting(Broken):
    """Reports the end of work with a report."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    async def status(self, _: Ref) -> Progress:
        """Return that it has ended."""
        return self.progress


TOO_LARGE = {"code": 500, "message": "etcdserver: request is too large"}


@pytest.mark.parametrize(
    ("refused", "left"),
    [
        ({}, {"runner", "workflow"}),
        ({"runner": kube.InvalidError({"code": 422, "message": "no"})}, {"workflow"}),
        ({"runner": kube.ApiError(TOO_LARGE)}, {"workflow"}),
        ({"workflow": kube.ApiError(TOO_LARGE)}, set()),
    ],
    ids=["taken", "invalid", "too large", "workflow too large"],
)
async def test_what_was_reported_does_not_keep_a_run_from_ending(
    refused: dict[str, kube.ApiError], left: set[str]
) -> None:
    whole = run_world.run(phase="Running", attempt=1, observedGeneration=1)
    cluster: Any = Written(whole)
    cluster.refused = refused
    known = caches.Caches(cluster, kube.Queue())
    known.runs.replace([projections.of(projections.Run, whole)], resource_version="1")
    progress = Progress(
        stage=Stage.SUCCEEDED, runner={"status": "succeeded"}, workflow={"phase": "Succeeded"}
    )
    made: Any = Reporting(progress), Nobody()
    found = reconciler.Reconciler(
        cluster,
        known,
        {"Job": made[0]},
        made[1],
        cluster,
        records=work_records.Records(cluster, "home"),
        now=lambda: NOW,
    )

    await found.reconcile(kube.Key("team", "fix"))

    (status,) = cluster.statuses
    assert ("Succeeded", left) == (status["phase"], status.keys() & {"runner", "workflow"})
