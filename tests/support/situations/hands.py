"""Situations: what others do to what belongs to a run, and to the controller's own things."""

from typing import Any, Final

from controllers.runs import projections
from tests.support.situations.given import BOTH, BY_HAND, ENDLESS, JOB, Given, retries
from tests.support.situations.happenings import (
    Change,
    Delete,
    DeleteFiles,
    DeleteJob,
    DeletePod,
    Leave,
    LoseLedger,
    PatchJob,
    Pause,
    PodMetadata,
    Return,
    Says,
    Stays,
    TakeJobName,
    Told,
    Until,
    ends,
    runs,
)
from tests.support.situations.situation import SUCCEEDED, Expected, Situation, failed

GIVEN: Final = Given(pods=BY_HAND)
RETRIED: Final = Given(pods=BY_HAND, agent=retries(1))
OLD: Final[dict[str, Any]] = {"version": "v1alpha1", "pods": BY_HAND, "agent": retries(1, "3s")}

SITUATIONS: Final = (
    Situation(
        name="job-deleted",
        given=GIVEN,
        happens=(runs(), Until("Running", "Running"), DeleteJob()),
        expected=failed("JobMissing"),
        runtimes=JOB,
    ),
    Situation(
        name="job-deleted-of-a-run-with-retries",
        given=RETRIED,
        happens=(
            runs(),
            Until("Running", "Running"),
            DeleteJob("Foreground"),
            Until("Starting"),
            runs(),
            ends(),
        ),
        expected=Expected(attempts=2, events=(("Retrying", "JobMissing"), ("Succeeded", ""))),
        runtimes=JOB,
    ),
    Situation(
        name="job-given-up-by-its-owner",
        given=GIVEN,
        happens=(
            runs(),
            Until("Running", "Running"),
            PatchJob({"metadata": {"ownerReferences": None}}),
            ends(),
        ),
        expected=Expected(phase="Failed", reason="JobMissing"),
        runtimes=JOB,
    ),
    Situation(
        name="job-without-our-annotations",
        given=GIVEN,
        happens=(
            runs(),
            Until("Running", "Running"),
            PatchJob({"metadata": {"annotations": {"agents.proompteng.ai/key": None}}}),
            ends(),
        ),
        expected=Expected(phase="Failed", reason="JobMissing"),
        runtimes=JOB,
    ),
    Situation(
        name="job-is-told-to-have-no-pods",
        given=GIVEN,
        happens=(
            runs(),
            Until("Running", "Running"),
            PatchJob({"spec": {"parallelism": 0}}),
            Stays(2),
            PatchJob({"spec": {"parallelism": 1}}),
            runs(),
            ends(),
        ),
        runtimes=JOB,
    ),
    Situation(
        name="job-name-is-taken",
        given=Given(run={"suspend": True}),
        happens=(Until("Pending", "Suspended"), TakeJobName(), Change({"suspend": False})),
        expected=failed("SubmitFailed", "another owner"),
        runtimes=JOB,
    ),
    Situation(
        name="files-of-the-job-are-deleted",
        given=GIVEN,
        happens=(runs(), Until("Running", "Running"), DeleteFiles(), ends()),
        runtimes=JOB,
    ),
    Situation(
        name="job-and-pod-labelled-by-others",
        given=GIVEN,
        happens=(
            runs(),
            PatchJob({"metadata": {"labels": {"queue": "x"}, "annotations": {"a/b": "c"}}}),
            PodMetadata({"labels": {"queue": "x"}}),
            ends(),
        ),
        runtimes=JOB,
    ),
    Situation(
        name="job-ends-while-nobody-looks",
        given=GIVEN,
        happens=(runs(), Until("Running", "Running"), Leave(), ends(), Pause(3), Return()),
        expected=SUCCEEDED,
        runtimes=JOB,
    ),
    Situation(
        name="job-of-another-ttl-ends-while-nobody-looks",
        given=GIVEN,
        happens=(
            runs(),
            Until("Running", "Running"),
            PatchJob({"spec": {"ttlSecondsAfterFinished": 1}}),
            Pause(3),
            Leave(),
            ends(),
            Pause(3),
            Return(),
        ),
        expected=SUCCEEDED,
        runtimes=JOB,
    ),
    Situation(
        name="job-goes-at-once-when-it-ends",
        given=GIVEN,
        happens=(
            runs(),
            PatchJob({"spec": {"ttlSecondsAfterFinished": 0}}),
            ends(),
        ),
        expected=SUCCEEDED,
        runtimes=JOB,
    ),
    Situation(
        name="pod-deleted-while-nobody-looks",
        given=RETRIED,
        happens=(
            runs(),
            Until("Running", "Running"),
            Leave(),
            DeletePod(),
            Return(),
            Until("Starting"),
            runs(),
            ends(),
        ),
        runtimes=JOB,
    ),
    Situation(
        name="agent-deleted-while-it-runs",
        given=Given(pods=BY_HAND, has_room_beside=False),
        happens=(runs(), Until("Running", "Running"), Delete(projections.AGENTS, "coder"), ends()),
        runtimes=JOB,
    ),
    Situation(
        name="provider-deleted-before-the-run-starts",
        given=Given(run={"suspend": True}, has_room_beside=False),
        happens=(
            Until("Pending", "Suspended"),
            Delete(projections.PROVIDERS, "provider"),
            Change({"suspend": False}),
            Until("Pending", "MissingProvider", "provider"),
            Change({"cancel": True}),
        ),
        expected=Expected(phase="Cancelled", reason="CancelRequested"),
        runtimes=BOTH,
    ),
    Situation(
        name="ledger-deleted",
        given=GIVEN,
        happens=(runs(), Until("Running", "Running"), LoseLedger(), ends()),
        runtimes=JOB,
    ),
    Situation(
        name="ledger-of-nonsense",
        given=GIVEN,
        happens=(
            runs(),
            Until("Running", "Running"),
            LoseLedger({"ledger.json": "[[["}),
            ends(),
        ),
        runtimes=JOB,
    ),
    Situation(
        name="attempts-are-remembered",
        given=RETRIED,
        happens=(
            runs(),
            ends(137, "OOMKilled"),
            Told("Retrying", "OOMKilled"),
            Until("Starting"),
            runs(),
            ends(3),
            Until("Failed", "RunnerFailed"),
            Says(("run", "history", "run"), ("OOMKilled", "137", "RunnerFailed", "3"), 0),
        ),
        expected=failed(
            "RunnerFailed",
            attempts=2,
            jobs=2,
            events=(("Retrying", "OOMKilled"),),
            status={
                "attempts": [
                    {"reason": "OOMKilled", "exitCode": 137},
                    {"reason": "RunnerFailed", "exitCode": 3},
                ]
            },
        ),
        runtimes=JOB,
    ),
    *(
        Situation(
            name=f"run-of-v1alpha1-{'applied' if is_applied else 'created'}",
            given=Given(**OLD, run={"runtime": {"type": "job"}}, is_applied=is_applied),
            happens=(
                runs(),
                ends(3),
                Until("Pending", "Retrying"),
                Until("Starting"),
                runs(),
                Until("Running", "Running"),
                ends(),
            ),
            expected=Expected(attempts=2),
            runtimes=JOB,
        )
        for is_applied in (False, True)
    ),
    Situation(
        name="timeout-of-what-runs",
        given=Given(pods=ENDLESS, script="sleep 300", agent={"runDefaults": {"timeout": "3s"}}),
        expected=failed("TimedOut"),
        runtimes=BOTH,
    ),
)
