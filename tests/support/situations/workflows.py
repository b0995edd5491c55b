"""Situations: steps, loops, and what they leave."""

import json
from typing import Any, Final

from tests.support.situations.given import (
    BOTH,
    BY_HAND,
    JOB,
    LOCAL,
    Given,
    report,
    reporting,
    retries,
)
from tests.support.situations.happenings import DeletePod, Says, Told, Until, ends, runs
from tests.support.situations.situation import (
    SUCCEEDED,
    Expected,
    Situation,
    failed,
    refused,
)

RESULT: Final = report(
    artifacts={"outputArtifacts": [{"name": "result", "path": "out/result.txt"}]}
)
LEAVES: Final = {
    "outputArtifacts": [{"name": "result", "path": "out/result.txt"}],
}


def workflow(*steps: dict[str, Any], parallelism: int = 1, **more: Any) -> dict[str, Any]:
    """A run of steps."""
    return {
        "runtime": {
            "type": "Workflow",
            "workflow": {"parallelism": parallelism, "steps": [*steps], **more},
        }
    }


def loop(condition: str, script: str, limit: int = 3, **control: Any) -> Given:
    """A run of one step that is repeated; a script writes the control file."""
    while_ = {"cel": condition, **({"control": control} if control else {})}
    step = {"name": "s", "loop": {"maxIterations": limit, "while": while_}}
    return Given(run=workflow(step), script=f"mkdir -p .agentrun; {script}")


def _control(text: str) -> str:
    return f"printf '%s' '{text}' > .agentrun/loop-control.json"


RETRIED: Final = {"name": "a", "retry": {"limit": 1, "backoff": {"base": "1s"}}}
SIDE_BY_SIDE: Final = workflow({"name": "a"}, {"name": "b"}, parallelism=2)
BAD_LUCK: Final = json.dumps({"status": "failed", "exitCode": 7, "error": "bad luck"})

STEPS: Final = (
    Situation(
        name="step-fails-beside-another",
        given=Given(pods=BY_HAND, run=SIDE_BY_SIDE),
        happens=(runs("a"), runs("b"), Until("Running"), ends(7, message=BAD_LUCK, step="b")),
        expected=failed(
            "WorkflowStepFailed",
            "b",
            status={
                "workflow": {
                    "steps": [{"name": "a", "phase": "Cancelled"}, {"name": "b", "phase": "Failed"}]
                }
            },
        ),
        runtimes=JOB,
    ),
    Situation(
        name="step-fails-beside-another-and-the-run-is-tried-again",
        given=Given(pods=BY_HAND, run=SIDE_BY_SIDE, agent=retries(1)),
        happens=(
            runs("a"),
            runs("b"),
            ends(7, message=BAD_LUCK, step="b"),
            Told("Retrying", "b"),
            runs("a"),
            runs("b"),
            ends(step="a"),
            ends(step="b"),
        ),
        expected=Expected(attempts=2),
        runtimes=JOB,
    ),
    Situation(
        name="step-is-tried-again",
        given=Given(
            pods=BY_HAND,
            run=workflow(RETRIED),
        ),
        happens=(runs("a"), ends(7, step="a"), runs("a"), ends(step="a")),
        expected=Expected(attempts=1, jobs=2),
        runtimes=JOB,
    ),
    Situation(
        name="step-takes-too-long",
        given=Given(pods=BY_HAND, run=workflow({"name": "a", "timeout": "2s"})),
        happens=(runs("a"),),
        expected=failed("WorkflowStepFailed|StepTimedOut", "a"),
        runtimes=JOB,
    ),
    Situation(
        name="step-is-oom-killed",
        given=Given(pods=BY_HAND, run=workflow({"name": "a"}, {"name": "b"})),
        happens=(runs("a"), ends(137, "OOMKilled", step="a")),
        expected=failed("WorkflowStepFailed", "memory"),
        runtimes=JOB,
    ),
    Situation(
        name="pod-of-a-step-is-deleted",
        given=Given(pods=BY_HAND, run=workflow(RETRIED)),
        happens=(runs("a"), Until("Running"), DeletePod("a"), runs("a"), ends(step="a")),
        runtimes=JOB,
    ),
    Situation(
        name="step-is-preempted",
        given=Given(pods=BY_HAND, run=workflow(RETRIED)),
        happens=(
            runs("a"),
            Until("Running"),
            ends(143, disruption="PreemptionByScheduler", step="a"),
            runs("a"),
            ends(step="a"),
        ),
        runtimes=JOB,
    ),
    Situation(
        name="artifacts-of-every-step-are-kept",
        given=Given(
            pods=reporting(0, RESULT),
            run=workflow({"name": "one"}, {"name": "two"}, {"name": "three"}),
            script="mkdir -p out; echo work > out/result.txt",
            provider=LEAVES,
        ),
        expected=Expected(
            status={
                "artifacts": [
                    {"name": f"{name}/result", "path": "out/result.txt"}
                    for name in ("one", "two", "three")
                ]
            }
        ),
        runtimes=BOTH,
    ),
    Situation(
        name="artifacts-of-steps-side-by-side-are-kept",
        given=Given(
            pods=reporting(0, RESULT),
            run=workflow({"name": "one"}, {"name": "two"}, parallelism=2),
            script="mkdir -p out; echo work > out/result.txt",
            provider=LEAVES,
        ),
        expected=Expected(status={"artifacts": [{"name": "one/result"}, {"name": "two/result"}]}),
        runtimes=BOTH,
    ),
    Situation(
        name="missing-artifacts-are-named",
        given=Given(
            pods=reporting(0, report(artifacts={"missingArtifacts": ["result"]})),
            provider=LEAVES,
        ),
        expected=Expected(status={"missingArtifacts": ["result"]}),
        runtimes=BOTH,
    ),
)

LOOPS: Final = tuple(
    Situation(name=f"loop-{name}", given=given, expected=expected, runtimes=LOCAL)
    for name, given, expected in (
        ("to-its-limit", loop("control.go", _control('{"go": true}')), SUCCEEDED),
        ("that-ends", loop("control.go", _control('{"go": false}')), SUCCEEDED),
        (
            "of-a-missing-member",
            loop("control.more", _control("{}")),
            failed("WorkflowStepFailed", "control.more"),
        ),
        (
            "of-no-boolean",
            loop("control.n", _control('{"n": 1}')),
            failed("WorkflowStepFailed", "expected true or false"),
        ),
        (
            "of-a-number",
            loop("control.n + 1", _control('{"n": 1}')),
            refused("expected a condition of type bool, got type int"),
        ),
        (
            "that-cannot-be-read",
            loop("control.n >", _control('{"n": 1}')),
            refused("Syntax error"),
        ),
        (
            "of-an-unknown-name",
            loop("result.n < 3", _control('{"n": 1}')),
            refused("undeclared reference to 'result.n'"),
        ),
        ("missing-control-stops", loop("control.go", "true"), SUCCEEDED),
        (
            "missing-control-fails",
            loop("control.go", "true", onMissing="Fail"),
            failed("WorkflowStepFailed", "control file"),
        ),
        ("invalid-control-stops", loop("control.go", _control("[1")), SUCCEEDED),
        (
            "invalid-control-fails",
            loop("control.go", _control("[1"), onInvalid="Fail"),
            failed("WorkflowStepFailed", "expected a JSON object"),
        ),
        (
            "control-of-a-list-fails",
            loop("control.go", _control("[1]"), onInvalid="Fail"),
            failed("WorkflowStepFailed"),
        ),
        (
            "control-elsewhere",
            loop(
                "control.go",
                "printf '%s' '{\"go\": true}' > go-on.json",
                path="/workspace/go-on.json",
                onMissing="Fail",
            ),
            Expected(status={"workflow": {"steps": [{"loop": {"completedIterations": 3}}]}}),
        ),
        (
            "control-is-a-folder",
            loop("control.go", "mkdir .agentrun/loop-control.json", onInvalid="Fail"),
            failed("WorkflowStepFailed"),
        ),
        (
            "control-is-huge",
            loop(
                "control.go",
                "head -c 9000000 /dev/zero > .agentrun/loop-control.json",
                onInvalid="Fail",
            ),
            failed("WorkflowStepFailed"),
        ),
        (
            "control-is-no-utf-8",
            loop(
                "control.go",
                'printf \'{"a": "\\377"}\' > .agentrun/loop-control.json',
                onInvalid="Fail",
            ),
            failed("WorkflowStepFailed"),
        ),
        (
            "without-end",
            loop(
                "control.l.all(a, control.l.all(b, control.l.all(c, control.l.all(d, a > 0))))",
                _control('{"l": [1,2,3,4,5,6,7,8,9,10,1,2,3,4,5,6,7,8,9,10,1,2,3,4,5,6,7,8]}'),
            ),
            failed("WorkflowStepFailed"),
        ),
    )
)

CLAIM: Final = {"persistentVolumeClaim": {"claimName": "shop"}}
TWO: Final = ({"name": "one"}, {"name": "two"})
MEETS: Final = "if test -e made; then echo found; else echo alone; touch made; fi"

FOLDERS: Final = (
    Situation(
        name="steps-share-a-workspace",
        given=Given(run=workflow(*TWO, workspace=CLAIM), script=MEETS),
        happens=(Until("Succeeded"), Says(("run", "logs", "run"), ("alone", "found"), 0)),
        expected=SUCCEEDED,
        runtimes=LOCAL,
    ),
    Situation(
        name="steps-share-a-claim",
        given=Given(run=workflow(*TWO, workspace=CLAIM, parallelism=2)),
        expected=SUCCEEDED,
        runtimes=JOB,
    ),
    Situation(
        name="workspace-outside-its-claim",
        given=Given(run=workflow(*TWO, workspace={**CLAIM, "subPath": "../x"})),
        expected=refused("expected a relative path without .."),
    ),
)

SITUATIONS: Final = (*STEPS, *LOOPS, *FOLDERS)
