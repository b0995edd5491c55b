"""AgentRuns carried out as Jobs on a real control plane, from their creation to their end."""

import asyncio
import json
import pathlib
from typing import Any

import pytest

from controllers import devcluster, kube, ledger
from controllers.runs import naming, projections
from controllers.runs.slots import slot_allocator
from controllers.runs.work import work_reader
from tests.support import accounts, run_platform
from tests.support.run_platform import Place, eventually, new_manager, new_place, running
from tests.support.situations import trials
from tests.support.situations.table import SITUATIONS

pytestmark = pytest.mark.e2e


@pytest.fixture
async def place(served_cluster: devcluster.Cluster, client: accounts.Admin) -> Place:
    return await new_place(served_cluster, client, seconds="0.3")


@pytest.fixture
async def endless(served_cluster: devcluster.Cluster, client: accounts.Admin) -> Place:
    return await new_place(served_cluster, client, seconds="never")


def conditions(status: kube.JSON) -> dict[str, str]:
    return {one["type"]: f"{one['status']} {one['reason']}" for one in status["conditions"]}


async def test_run_becomes_a_job_and_succeeds(place: Place) -> None:
    await place.agent()
    async with running(new_manager(place)):
        run = await place.run("fix", parameters=[{"name": "repo", "value": "example/shop"}])
        status = await place.until("fix")
        await eventually(place.slots, {})

    (job,) = await place.jobs("fix")
    uid = run["metadata"]["uid"]
    name = naming.of_key(f"{uid}/1")
    read = await files_of(place, "fix")
    assert ("Succeeded", "Completed", 1) == (status["phase"], status["reason"], status["attempt"])
    assert {
        "Accepted": "True Valid",
        "Admitted": "False SlotReleased",
        "Blocked": "False NotBlocked",
        "Cancelled": "False Completed",
        "Failed": "False Completed",
        "InProgress": "False Ended",
        "Succeeded": "True Completed",
    } == conditions(status)
    assert {"type": "Job", "name": name, "namespace": place.namespace} == {
        key: status["runtimeRef"][key] for key in ("type", "name", "namespace")
    }
    assert (name, uid) == (job["metadata"]["name"], job["metadata"]["labels"][naming.RUN_LABEL])
    assert "example/shop" == read["repository"]
    assert {"name": "fix", "uid": uid, "namespace": place.namespace} == read["agentRun"]
    reasons = await place.events("fix")
    assert ["Submitted", "Succeeded"] == [one for one in reasons if one != "Started"]


async def test_agent_that_fails_is_tried_again_as_its_agent_says(
    served_cluster: devcluster.Cluster, client: accounts.Admin
) -> None:
    report = json.dumps({"status": "failed", "exitCode": 3, "error": "the tests fail"})
    place = await new_place(served_cluster, client, seconds="0.1", exit_code="3", message=report)
    backoff = {"base": "1s", "max": "1s", "jitterPercent": 0}
    await place.agent(runDefaults={"retry": {"limit": 1, "backoff": backoff}})
    async with running(new_manager(place)):
        await place.run("fix")
        status = await place.until("fix")

    assert ("Failed", "RunnerFailed", "the tests fail", 2) == (
        status["phase"],
        status["reason"],
        status["message"],
        status["attempt"],
    )
    assert ("Failed", 3) == (status["runner"]["status"], status["runner"]["exitCode"])
    assert 2 == len(await place.jobs("fix"))
    # The second submission counts up the first one's series.
    assert ["Submitted", "Retrying", "Failed"] == [
        one for one in await place.events("fix") if one not in {"Started", "Blocked"}
    ]


async def test_run_waits_for_its_turn_and_says_for_what(endless: Place) -> None:
    await endless.agent()
    async with running(new_manager(endless, limits=ledger.Limits(agent=1))):
        await endless.run("first")
        await endless.until("first", "Running")
        await endless.run("second")
        waiting = await endless.until("second", "Pending")
        await endless.change("first", cancel=True)
        ended = await endless.until("first")
        started = await endless.until("second", "Running")

    assert "Agent" == waiting["queue"]["blockedBy"]
    assert "True ConcurrencyLimit" == conditions(waiting)["Blocked"]
    assert "Cancelled" == ended["phase"]
    assert "queue" not in started


async def test_waiting_runs_whose_work_is_not_kept_start_in_their_turn(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_reader, "MAX_WORK_BYTES", 0)
    await place.agent()
    names = ["one", "two", "three"]
    async with running(new_manager(place, limits=ledger.Limits(0, 0, 1))):
        for name in names:
            await place.run(name, parameters=[{"name": "repo", "value": name}])
        endings = [await place.until(name) for name in names]

    assert [(one["phase"], one["attempt"]) for one in endings] == [("Succeeded", 1)] * 3
    read = [await files_of(place, name) for name in names]
    assert [one["parameters"]["repo"] for one in read] == names


async def files_of(place: Place, name: str) -> Any:
    """The run.json of a run's Job."""
    (job,) = await place.jobs(name)
    namespace, name = job["metadata"]["namespace"], job["metadata"]["name"]
    files = await place.client.get(kube.CONFIG_MAPS, name, namespace=namespace)
    return json.loads(files["data"]["run.json"])


async def test_slots_that_come_back_to_a_full_cluster_are_gathered(place: Place) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await run_platform.hurried(seconds)

    await place.agent()
    async with running(new_manager(place, limits=ledger.Limits(0, 0, 1), sleep=sleep)):
        for name in ("one", "two"):
            await place.run(name)
            await place.until(name, "Running", "Succeeded")
        await place.until("two")

    pauses = {slot_allocator.GATHER_SECONDS, slot_allocator.FULL_GATHER_SECONDS}
    gathered = [one for one in slept if one in pauses]
    assert gathered[0] == slot_allocator.GATHER_SECONDS
    assert slot_allocator.FULL_GATHER_SECONDS in gathered


async def test_cancelled_run_leaves_a_suspended_job_and_no_pod(endless: Place) -> None:
    await endless.agent()
    async with running(new_manager(endless)):
        await endless.run("fix")
        await endless.until("fix", "Running")
        await endless.change("fix", cancel=True)
        status = await endless.until("fix")
        await eventually(endless.slots, {})

    (job,) = await endless.jobs("fix")
    pods = await endless.client.list(projections.PODS, namespace=endless.namespace)
    assert ("Cancelled", "CancelRequested") == (status["phase"], status["reason"])
    assert job["spec"]["suspend"]
    assert [] == [*pods.items]


async def test_slot_of_a_deleted_run_is_free_when_nothing_of_it_runs(endless: Place) -> None:
    await endless.agent()
    async with running(new_manager(endless, limits=ledger.Limits(agent=1))):
        run = await endless.run("first")
        await endless.until("first", "Running")
        await endless.client.delete(projections.RUNS, "first", namespace=endless.namespace)
        await endless.run("second")
        await endless.until("second", "Running")
        slots = await endless.slots()

    names = {job["metadata"]["name"] for job in await endless.jobs()}
    assert ["second"] == [slot.run for slot in slots.values()]
    # Its name stays taken, by a tombstone: a late creation cannot start it.
    assert naming.of_key(f"{run['metadata']['uid']}/1") in names


async def test_run_waits_for_an_agent_that_is_not_there_yet(place: Place) -> None:
    async with running(new_manager(place)):
        await place.run("fix")
        waiting = await place.until("fix", "Pending")
        await place.agent()
        await place.until("fix", "Succeeded")

    assert "True MissingAgent" == conditions(waiting)["Blocked"]


async def test_two_runs_with_one_key_are_one_run(place: Place) -> None:
    await place.agent()
    async with running(new_manager(place)):
        await asyncio.gather(
            *(place.run(name, idempotencyKey="deploy-1") for name in ("one", "two"))
        )
        both = {name: await place.until(name) for name in ("one", "two")}

    (loser,) = [name for name, status in both.items() if status["phase"] == "Failed"]
    assert {"Succeeded", "Failed"} == {status["phase"] for status in both.values()}
    assert "Duplicate" == both[loser]["reason"]
    assert [] == await place.jobs(loser)


async def test_second_run_with_a_claimed_key_is_refused_naming_the_first(place: Place) -> None:
    await place.agent()
    async with running(new_manager(place)):
        await place.run("one", idempotencyKey="deploy-1")
        await place.until("one")
        with pytest.raises(kube.InvalidError) as refused:
            await place.run("two", idempotencyKey="deploy-1")
        await place.run("other", idempotencyKey="deploy-2")

    (cause,) = refused.value.causes
    assert ("FieldValueDuplicate", "spec.idempotencyKey") == (cause.reason, cause.field)
    assert "used by run 'one'" in cause.message


async def test_run_that_takes_too_long_fails(endless: Place) -> None:
    await endless.agent(runDefaults={"timeout": "2s"})
    async with running(new_manager(endless)):
        await endless.run("fix")
        status = await endless.until("fix")

    assert ("Failed", "TimedOut") == (status["phase"], status["reason"])


async def test_steps_run_one_after_the_other(place: Place) -> None:
    await place.agent()
    steps = [{"name": "implement"}, {"name": "review"}]
    async with running(new_manager(place)):
        await place.run("fix", runtime={"type": "Workflow", "workflow": {"steps": steps}})
        status = await place.until("fix")

    jobs = await place.jobs("fix")
    first, second = status["workflow"]["steps"]
    assert "Succeeded" == status["phase"], status
    assert ["implement", "review"] == [job["metadata"]["labels"][naming.STEP_LABEL] for job in jobs]
    assert ("Succeeded", "Succeeded") == (first["phase"], second["phase"])
    assert first["completionTime"] <= second["startTime"]
    assert [first["jobRef"]["name"], second["jobRef"]["name"]] == [
        job["metadata"]["name"] for job in jobs
    ]


async def test_step_is_repeated_while_its_condition_holds(
    served_cluster: devcluster.Cluster, client: accounts.Admin
) -> None:
    report = json.dumps({"status": "succeeded", "exitCode": 0, "loopControl": {"left": 3}})
    place = await new_place(served_cluster, client, seconds="0.1", message=report)
    await place.agent()
    loop = {"maxIterations": 5, "while": {"cel": "iteration < control.left"}}
    steps = [{"name": "implement", "loop": loop}]
    async with running(new_manager(place)):
        await place.run("fix", runtime={"type": "Workflow", "workflow": {"steps": steps}})
        status = await place.until("fix")

    (step,) = status["workflow"]["steps"]
    assert "Succeeded" == status["phase"], status
    assert (3, "ConditionFalse") == (
        step["loop"]["completedIterations"],
        step["loop"]["stopReason"],
    )
    assert 3 == len(await place.jobs("fix"))


async def test_cancelled_workflow_starts_no_further_step(endless: Place) -> None:
    await endless.agent()
    steps = [{"name": "implement"}, {"name": "review"}]
    async with running(new_manager(endless)):
        await endless.run("fix", runtime={"type": "Workflow", "workflow": {"steps": steps}})
        await endless.until("fix", "Running")
        await endless.change("fix", cancel=True)
        status = await endless.until("fix")

    assert "Cancelled" == status["phase"], status
    assert 1 == len(await endless.jobs("fix"))


async def test_ledger_that_was_lost_is_rebuilt_of_what_runs(endless: Place) -> None:
    await endless.agent()
    async with running(new_manager(endless, limits=ledger.Limits(agent=2))):
        for name in ("one", "two"):  # the pause in which late creations land is a short one here
            await endless.run(name)
            await endless.until(name, "Running")
        await endless.run("three")
        await endless.until("three", "Pending")
        before = await endless.slots()
        await endless.client.delete(kube.CONFIG_MAPS, "run-ledger", namespace=endless.home)
        await endless.run("four")
        waiting = await endless.until("four", "Pending")

        async def rebuilt() -> set[str]:
            try:
                return {*await endless.slots()}
            except kube.NotFoundError:
                return set()

        await eventually(rebuilt, {*before})

    assert 2 == len(before)
    assert "Agent" == waiting["queue"]["blockedBy"]


async def test_next_controller_goes_on_where_the_last_one_stopped(place: Place) -> None:
    await place.agent()
    async with running(new_manager(place, "one", limits=ledger.Limits(agent=3))):
        for number in range(8):
            await place.run(f"run-{number}")
        await asyncio.sleep(1)
    async with running(new_manager(place, "two", limits=ledger.Limits(agent=3))):
        phases = [(await place.until(f"run-{number}"))["phase"] for number in range(8)]
        await eventually(place.slots, {})

    assert ["Succeeded"] * 8 == phases
    assert 8 == len(await place.jobs())


# Of `make prove-situations`, at the same time.
SAMPLE = {
    "job-denied (job, deleted at 0)",
    "job-deleted (job, cancelled at 3)",
    "pod-lost-status-unknown (job, away at 2)",
    "pod-waits-ImagePullBackOff (job, ends)",
    "process-kills-its-runner (local, ends)",
    "report-deep (job, ends)",
}


async def test_sample_of_situations_ends_as_documented_and_leaves_nothing(
    served_cluster: devcluster.Cluster, tmp_path: pathlib.Path
) -> None:
    chosen = [one for one in trials.trials(SITUATIONS) if str(one) in SAMPLE]
    async with trials.opened(served_cluster, tmp_path) as bench:
        wrong = await asyncio.gather(*(bench.attempt(one) for one in chosen))

    found = {str(one): each for one, each in zip(chosen, wrong, strict=True)}
    assert {name: [] for name in SAMPLE} == found
