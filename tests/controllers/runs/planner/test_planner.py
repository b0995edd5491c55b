"""Plans for a run: case by case, and along all its possible paths."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from controllers.runs import naming, run_status
from controllers.runs.api_constants import EventReason, Phase, Reason
from controllers.runs.planner import actions, observation, planner
from controllers.runs.planner.actions import Action
from controllers.runs.planner.observation import Claim
from controllers.runs.retries import MAX_DISRUPTIONS
from controllers.runs.runtimes.base import Code, Progress, RuntimeFault, Stage
from controllers.runs.work import work
from crds import hub
from tests.support import depth
from tests.support.run_world import NOW, RUNNING, World, observed, related, run


def said(status: dict[str, Any]) -> dict[str, str]:
    return {one["type"]: f"{one['status']} {one['reason']}" for one in status["conditions"]}


def test_run_is_submitted_and_succeeds() -> None:
    world = World()
    first = world.look()
    world.has_slot = True
    world.look()
    world.end(Stage.SUCCEEDED)
    world.look()

    assert first.wants_slot
    assert not world.has_slot
    assert ["Starting", "Succeeded"] == [one["phase"] for one in world.statuses]
    assert {
        "Accepted": "True Valid",
        "Admitted": "False SlotReleased",
        "Blocked": "False NotBlocked",
        "Cancelled": "False Completed",
        "Failed": "False Completed",
        "InProgress": "False Ended",
        "Succeeded": "True Completed",
    } == said(world.statuses[-1])
    assert [EventReason.SUBMITTED, EventReason.SUCCEEDED] == [one.reason for one in world.events]


def test_run_that_another_controller_started_is_not_executed_again() -> None:
    reference = {"name": "fix-job", "namespace": "team", "uid": "uid-of-job"}
    body = run({"retries": 3}, phase="Running", runtimeRef=reference)
    seen = observed(body)

    plan = planner.reconcile(seen, NOW)

    assert not observation.needs_progress(seen.run)
    assert plan.action is None
    assert plan.state is not None
    status = run_status.written(plan.state, seen.run, NOW)
    assert status is not None
    assert ("Failed", "StartedByOtherController") == (status["phase"], status["reason"])
    assert {"type": "Job", **reference} == status["runtimeRef"]
    assert "may still go on (fix-job)" in status["message"]
    assert status.keys().isdisjoint({"attempt", "attempts"})


def test_run_that_waits_for_its_turn_says_why_and_since_when_once() -> None:
    world = World()
    world.look()
    world.look()
    world.now += dt.timedelta(hours=1)
    world.look()

    (status,) = world.statuses
    assert {"blockedBy": "Agent", "since": "2026-11-28T12:00:00Z"} == status["queue"]
    assert "True ConcurrencyLimit" == said(status)["Blocked"]
    assert "True Valid" == said(status)["Accepted"]
    assert [EventReason.BLOCKED] == [one.reason for one in world.events]


def test_new_leader_goes_on_with_since_when_a_run_waits() -> None:
    seen = observed(
        run(
            phase="Pending",
            reason="ConcurrencyLimit",
            queue={"blockedBy": "Agent", "since": "2026-11-28T11:00:00Z"},
        ),
        blocked_by="Agent",
        blocked_since=NOW,
    )

    plan = planner.reconcile(seen, NOW)

    assert plan.state is not None
    assert plan.state.blocked_since == NOW - dt.timedelta(hours=1)


def test_missing_agent_is_waited_for() -> None:
    world = World()
    world.has_agent = False
    plan = world.look()
    world.has_agent = True
    after = world.look()

    assert not plan.wants_slot
    assert ("Pending", "MissingAgent") == (world.statuses[0]["phase"], world.statuses[0]["reason"])
    assert "False MissingAgent" == said(world.statuses[0])["Accepted"]
    assert after.wants_slot


def test_missing_agent_of_an_admitted_run_gives_the_slot_back_and_another_attempt_starts() -> None:
    world = World()
    world.look()
    world.has_slot, world.has_agent = True, False
    world.look()
    held = world.has_slot
    world.has_agent, world.has_slot = True, True
    world.look()

    assert not held
    assert {"uid-1/1": Stage.CANCELLED, "uid-1/2": Stage.PENDING} == world.stages
    assert 2 == world.statuses[-1]["attempt"]


@pytest.mark.parametrize(
    ("has_slot", "expected"), [(False, {}), (True, {"uid-1/1": Stage.CANCELLED})]
)
def test_run_that_was_cancelled_before_it_started_never_starts(
    *, has_slot: bool, expected: dict[str, Stage]
) -> None:
    world = World({"cancel": True})
    world.has_slot = has_slot
    world.look()

    assert "Cancelled" == world.phase
    assert expected == world.stages
    assert not world.has_slot


def test_cancelled_run_ends_when_its_work_has_ended() -> None:
    world = World()
    world.has_slot = True
    world.look()
    world.stages["uid-1/1"] = Stage.RUNNING
    world.look()
    world.ask(cancel=True)
    world.look()
    meanwhile = (world.phase, world.has_slot, world.stages["uid-1/1"])
    world.end(Stage.SUCCEEDED)
    world.look()

    assert ("Running", True, Stage.CANCELLING) == meanwhile
    assert ("Cancelled", False) == (world.phase, world.has_slot)
    assert "CancelRequested" == world.statuses[-1]["reason"]


def test_work_that_ended_before_it_was_cancelled_counts() -> None:
    world = World()
    world.has_slot = True
    world.look()
    world.end(Stage.SUCCEEDED)
    world.ask(cancel=True)
    world.look()

    assert "Succeeded" == world.phase


def test_suspended_run_waits_and_goes_on() -> None:
    world = World({"suspend": True})
    plan = world.look()
    world.ask(suspend=False)
    after = world.look()

    assert (False, "Suspended") == (plan.wants_slot, world.statuses[0]["reason"])
    assert after.wants_slot


def test_suspended_run_costs_nothing_while_it_waits() -> None:
    world = World({"suspend": True})
    plan = world.look()

    assert plan.requeue_after_seconds is None
    assert not observation.needs_inputs(world.view, has_slot=False)
    assert observation.needs_inputs(world.view, has_slot=True)


def test_run_that_takes_too_long_fails() -> None:
    world = World()
    world.has_slot = True
    world.look()
    world.stages["uid-1/1"] = Stage.RUNNING
    before = world.look()
    world.now += dt.timedelta(hours=1)
    world.look()
    world.end(Stage.SUCCEEDED)
    world.look()

    assert 3600 == before.requeue_after_seconds
    assert ("Failed", "TimedOut") == (world.phase, world.statuses[-1]["reason"])


def test_failed_attempt_is_tried_again_after_a_pause_that_survives_the_controller() -> None:
    world = World(retries=1)
    world.has_slot = True
    world.look()
    world.end(Stage.FAILED)
    world.look()
    waiting, held = world.statuses[-1], world.has_slot
    early = world.look()
    world.now += dt.timedelta(seconds=6)
    late = world.look()
    world.has_slot = True
    world.look()
    world.end(Stage.FAILED)
    world.look()

    assert ("Pending", "Retrying", "2026-11-28T12:00:05Z") == (
        waiting["phase"],
        waiting["reason"],
        waiting["nextAttemptTime"],
    )
    assert "False Retrying" == said(waiting)["InProgress"]
    assert not held
    assert (False, 5.0, True) == (early.wants_slot, early.requeue_after_seconds, late.wants_slot)
    assert {"uid-1/1": Stage.FAILED, "uid-1/2": Stage.FAILED} == world.stages
    assert [
        (number, "Failed", "Failed", naming.of_key(f"uid-1/{number}")) for number in (1, 2)
    ] == [
        (one["number"], one["phase"], one["reason"], one["jobRef"]["name"])
        for one in world.statuses[-1]["attempts"]
    ]
    assert ("Failed", 2) == (world.phase, world.statuses[-1]["attempt"])


def test_attempt_that_cannot_succeed_is_not_tried_again() -> None:
    seen = observed(
        run(**RUNNING),
        inputs=work.prepare(run(), related(agent=World(retries=3).agent), 1),
        progress=Progress(stage=Stage.FAILED, reason="RunnerFailed", code=Code.TERMINAL),
    )

    plan = planner.reconcile(seen, NOW)

    assert plan.state is not None
    assert (Phase.FAILED, "RunnerFailed") == (plan.state.phase, plan.state.reason)


def test_work_that_went_away_is_buried_before_the_run_fails() -> None:
    seen = observed(run(**RUNNING), has_slot=True, progress=Progress(stage=Stage.MISSING))
    buried = Progress(stage=Stage.CANCELLED, reason=Reason.JOB_MISSING)

    plan = planner.reconcile(seen, NOW)
    after = planner.reconcile(
        observed(run(**RUNNING), progress=buried), NOW + dt.timedelta(seconds=1)
    )

    assert Action.CANCEL is plan.action
    assert after.state is not None
    assert (Phase.FAILED, "JobMissing") == (after.state.phase, after.state.reason)


def test_run_whose_key_is_anothers_fails_before_anything_ran() -> None:
    world = World({"idempotencyKey": "deploy-1"})
    world.holder = "first"
    world.look()

    assert ("Failed", "Duplicate") == (world.phase, world.statuses[-1]["reason"])
    assert "True Duplicate" == said(world.statuses[-1])["Duplicate"]
    assert "'first'" in world.statuses[-1]["message"]
    assert {} == world.stages


def test_key_is_claimed_before_a_slot_is_asked_for() -> None:
    seen = observed(run({"idempotencyKey": "deploy-1"}))

    plan = planner.reconcile(seen, NOW)

    assert (Action.CLAIM, False) == (plan.action, plan.wants_slot)


def test_template_is_never_carried_out() -> None:
    world = World({"purpose": "Template"})
    plan = world.look()

    assert ("Template", False) == (world.phase, plan.wants_slot)
    assert [] == world.statuses[-1]["conditions"]


def test_run_that_was_changed_after_it_was_accepted_fails() -> None:
    world = World()
    world.has_slot = True
    world.look()
    world.stages["uid-1/1"] = Stage.RUNNING
    world.ask(implementation={"inline": {"text": "Something else."}})
    world.look()
    world.end(Stage.SUCCEEDED)
    world.look()

    assert ("Failed", "SpecImmutableViolation") == (world.phase, world.statuses[-1]["reason"])


@pytest.mark.parametrize(
    ("fault", "phase", "reason"),
    [
        (RuntimeFault(Code.RETRYABLE, "no answer"), "Pending", "Retrying"),
        (RuntimeFault(Code.QUOTA, "exceeded quota"), "Pending", "QuotaExceeded"),
    ],
)
def test_submission_that_may_work_later_keeps_the_slot_and_is_tried_again(
    fault: RuntimeFault, phase: str, reason: str
) -> None:
    plan = planner.reconcile(observed(run(), has_slot=True, fault=fault), NOW)

    assert plan.state is not None
    assert (phase, reason, 5.0) == (
        plan.state.phase,
        plan.state.reason,
        plan.requeue_after_seconds,
    )
    assert plan.state.next_attempt == NOW + dt.timedelta(seconds=5)


def test_pauses_between_submissions_double() -> None:
    failed = run(
        phase="Pending", attempt=0, runtimeRef={"extra": {"submitFailures": 3}}, reason="Retrying"
    )

    plan = planner.reconcile(
        observed(failed, has_slot=True, fault=RuntimeFault(Code.RETRYABLE, "no answer")), NOW
    )

    assert 40.0 == plan.requeue_after_seconds


def test_submission_that_never_works_is_buried_before_the_slot_is_freed() -> None:
    fault = RuntimeFault(Code.DENIED, "jobs.batch is forbidden")
    first = observed(run(), has_slot=True, fault=fault)
    buried = observed(run(), has_slot=True, fault=fault, progress=Progress(stage=Stage.CANCELLED))
    freed = observed(run(), fault=fault, progress=Progress(stage=Stage.CANCELLED))

    plans = [planner.reconcile(one, NOW) for one in (first, buried, freed)]

    assert [Action.CANCEL, Action.FREE, None] == [plan.action for plan in plans]
    assert plans[-1].state is not None
    assert (Phase.FAILED, "SubmitFailed") == (
        plans[-1].state.phase,
        plans[-1].state.reason,
    )


def test_status_that_says_that_a_run_ended_frees_no_slot() -> None:
    seen = observed(run(phase="Succeeded"), has_slot=True)

    assert actions.Plan() == planner.reconcile(seen, NOW)


@pytest.mark.parametrize(("failures", "expected"), [("x", 1), (-5, 1), (3, 4), (10**30, 1001)])
def test_forged_number_of_failures_is_bounded(failures: Any, expected: int) -> None:
    ref = {"name": "n", "extra": {"submitFailures": failures}}
    seen = observed(
        run(phase="Pending", runtimeRef=ref),
        has_slot=True,
        fault=RuntimeFault(Code.RETRYABLE, "no answer"),
    )

    plan = planner.reconcile(seen, NOW)

    assert plan.state is not None
    assert plan.state.ref is not None
    assert {"submitFailures": expected} == plan.state.ref.extra


def test_finalizer_is_there_before_what_kubernetes_does_not_collect_starts() -> None:
    plan = planner.reconcile(observed(run(), is_collected=False, has_slot=True), NOW)

    assert Action.ADD_FINALIZER is plan.action


def test_claim_is_believed_of_who_was_accepted_before() -> None:
    seen = observed(
        run(
            {"idempotencyKey": "deploy-1"},
            specHash=work.spec_hash(run({"idempotencyKey": "deploy-1"})),
        ),
        claim=Claim(is_mine=True),
    )

    assert planner.reconcile(seen, NOW).wants_slot


class Ways(RuleBasedStateMachine):
    """A run, with users, agents, runtimes and the clock acting in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(retries=1)
        self.ended: dict[str, Any] | None = None

    @rule()
    def look(self) -> None:
        self.world.look()

    @rule()
    def crash_after_one_action(self) -> None:
        seen = self.world.observe()
        plan = planner.reconcile(seen, self.world.now)
        if plan.action is Action.SUBMIT:
            assert seen.ref is not None
            self.world.stages.setdefault(seen.ref.key, Stage.PENDING)
        elif plan.action is not None:
            self.world.act(plan.action, seen)

    @precondition(lambda self: self.world.wants_slot)
    @rule()
    def admit(self) -> None:
        self.world.has_slot, self.world.wants_slot = True, False

    @precondition(lambda self: self.world.working)
    @rule(stage=strategies.sampled_from([Stage.SUCCEEDED, Stage.FAILED, Stage.RUNNING]))
    def progress(self, stage: Stage) -> None:
        if stage is Stage.RUNNING:
            for key in self.world.working:
                if self.world.stages[key] is Stage.PENDING:
                    self.world.stages[key] = stage
        else:
            self.world.end(stage)

    @precondition(lambda self: not self.world.is_over())
    @rule(has_agent=strategies.booleans())
    def change_agent(self, *, has_agent: bool) -> None:
        self.world.has_agent = has_agent

    @precondition(lambda self: not self.world.is_over())
    @rule(field=strategies.sampled_from(["cancel", "suspend"]), value=strategies.booleans())
    def ask(self, field: str, *, value: bool) -> None:
        self.world.ask(**{field: value})

    @rule(seconds=strategies.sampled_from([1, 10, 4000]))
    def wait(self, seconds: int) -> None:
        self.world.now += dt.timedelta(seconds=seconds)

    @invariant()
    def nothing_runs_without_a_slot(self) -> None:
        assert not self.world.working or self.world.has_slot

    @invariant()
    def one_attempt_runs_at_a_time(self) -> None:
        assert len(self.world.working) <= 1

    @invariant()
    def what_has_ended_stays_as_it_ended(self) -> None:
        if self.ended is not None:
            assert self.ended == self.world.body["status"]
        elif self.world.is_over():
            self.ended = self.world.body["status"]

    @invariant()
    def status_is_valid_and_without_contradiction(self) -> None:
        status = self.world.body.get("status")
        if status is None:
            return
        hub.agentrun.AgentRunStatus.model_validate(status)
        true = {one["type"] for one in status["conditions"] if one["status"] == "True"}
        assert len(true & {"InProgress", "Succeeded", "Failed", "Cancelled", "Blocked"}) <= 1
        assert (status["phase"] == "Pending") == ("Blocked" in true)
        assert (status["phase"] == "Running") == ({"InProgress", "Admitted"} <= true)

    def teardown(self) -> None:
        """Left alone, the run ends and its slot is freed."""
        world = self.world
        world.has_agent = True
        if world.view.spec.suspend:
            world.ask(suspend=False)
        for _ in range(20):
            world.look()
            world.now += dt.timedelta(seconds=400)
            if world.wants_slot:
                world.has_slot = True
            world.end(Stage.SUCCEEDED)
        assert world.is_over(), world.body.get("status")
        assert not world.has_slot


TestWays = Ways.TestCase
TestWays.settings = settings(max_examples=depth.draws(100), stateful_step_count=40, deadline=None)


def test_status_that_says_the_same_is_not_written_again() -> None:
    world = World()
    world.look()
    world.look()
    plan = world.look()

    assert plan.state is not None
    assert run_status.written(plan.state, world.view, NOW + dt.timedelta(days=1)) is None


def test_history_keeps_the_latest_attempts_with_their_exit_codes() -> None:
    known = [{"number": number, "reason": "RunnerFailed"} for number in range(1, 25)]
    body = run(**{**RUNNING, "attempt": 25, "attempts": known})
    report = {"status": "failed", "exitCode": 3, "error": "the tests fail"}
    failed = Progress(stage=Stage.FAILED, reason="RunnerFailed", message="x", runner=report)
    seen = observed(body, progress=failed)

    plan = planner.reconcile(seen, NOW)

    assert plan.state is not None
    written = run_status.written(plan.state, seen.run, NOW)
    assert written is not None
    assert list(range(6, 26)) == [one["number"] for one in written["attempts"]]
    assert ("RunnerFailed", 3) == (
        written["attempts"][-1]["reason"],
        written["attempts"][-1]["exitCode"],
    )


def test_time_in_a_queue_does_not_count() -> None:
    body = run(**RUNNING)
    agent = {"spec": {"providerRef": {"name": "shell"}, "runDefaults": {"timeout": "1h"}}}
    found = work.prepare(body, related(agent=agent), 1)
    late, started = NOW + dt.timedelta(hours=3), NOW + dt.timedelta(hours=2, minutes=30)
    held = Progress(stage=Stage.PENDING, reason="JobSuspended", message="a queue", is_held=True)
    let_go = Progress(stage=Stage.RUNNING, started=started)

    plans = [
        planner.reconcile(observed(body, inputs=found, progress=progress), late)
        for progress in (held, let_go, Progress(stage=Stage.RUNNING))
    ]

    assert [None, None, Action.CANCEL] == [plan.action for plan in plans]
    assert [None, 1800.0, None] == [plan.requeue_after_seconds for plan in plans]


def test_run_whose_job_could_still_be_created_says_that_its_slot_is_held() -> None:
    body = run({"cancel": True}, **RUNNING)
    gone = Progress(stage=Stage.CANCELLED, reason="JobMissing", unreserved="no Jobs today")

    plan = planner.reconcile(observed(body, progress=gone), NOW)

    assert plan.state is not None
    assert plan.state.message == (
        "The run was cancelled. Its slot is held for 35 s, until no in-flight request can create "
        "its Job, because its name could not be reserved: no Jobs today"
    )


# ------------------------------------------------------------- what never ran, what was taken away


@pytest.mark.parametrize(
    ("attempts", "retries", "expected"),
    [
        ("DDDF", 0, 1),
        ("FF", 1, 2),
        ("DDDDFF", 1, 6),
        ("FDDF", 1, 4),
        ("DFDF", 1, 4),
        ("D" * 30, 1, MAX_DISRUPTIONS + 2),
    ],
)
def test_attempt_that_was_taken_away_uses_up_no_retry(
    attempts: str, retries: int, expected: int
) -> None:
    world = World(retries=retries)
    for each in attempts:
        world.has_slot = True
        world.now += dt.timedelta(hours=1)
        world.look()
        world.is_disruption = each == "D"
        world.end(Stage.FAILED)
        world.look()

    assert ("Failed", expected) == (world.phase, world.view.status.attempt)


def test_number_of_attempts_taken_away_is_told_in_the_status() -> None:
    world = World(retries=1)
    world.has_slot = True
    world.look()
    world.is_disruption = True
    world.end(Stage.FAILED)
    world.look()
    world.look()

    assert ("Pending", "Retrying", 1) == (
        world.phase,
        world.statuses[-1]["reason"],
        world.statuses[-1]["disruptions"],
    )
    assert world.statuses[-1]["message"].startswith("Attempt 1 of 3 failed")
