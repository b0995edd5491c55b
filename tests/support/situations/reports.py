"""Situations: whatever a runner or an agent leaves behind is data."""

import json
import shlex
from collections.abc import Iterator
from typing import Any, Final

from tests.support.situations.given import JOB, LOCAL, Given, report, reporting
from tests.support.situations.situation import SUCCEEDED, Expected, Situation, failed

CANCELLED: Final = Expected(phase="Cancelled", reason="RunnerCancelled")
DEEP: Final = "[" * 2000 + "]" * 2000


def _artifacts(value: Any) -> str:
    return report(artifacts={"outputArtifacts": value})


# The termination message, the exit code, and what must come of it.
MESSAGES: Final = (
    ("plain-text-and-a-failure", "Segmentation fault (core dumped)", 1, failed("RunnerFailed")),
    ("plain-text-and-a-success", "All done", 0, SUCCEEDED),
    ("succeeded-with-exit-code-1", report(), 1, failed("RunnerFailed", "exit code 1")),
    (
        "failed-with-exit-code-0",
        report(status="failed", exitCode=3, error="I failed"),
        0,
        failed("RunnerFailed", "I failed"),
    ),
    ("cancelled-with-exit-code-0", report(status="cancelled", exitCode=143), 0, CANCELLED),
    ("artifacts-of-a-number", _artifacts(5), 0, SUCCEEDED),
    ("artifacts-of-a-boolean", _artifacts(True), 0, SUCCEEDED),  # noqa: FBT003 - data
    ("artifacts-of-a-text", _artifacts("abc"), 0, SUCCEEDED),
    ("artifacts-of-lists", _artifacts([[[]], None, 5, {"name": ["x"]}]), 0, SUCCEEDED),
    ("artifacts-of-a-long-name", _artifacts([{"name": "n" * 3000, "key": "k"}]), 0, SUCCEEDED),
    (
        "artifacts-of-one-name",
        _artifacts([{"name": "a", "path": "x"}, {"name": "a", "path": "y"}]),
        0,
        SUCCEEDED,
    ),
    ("artifacts-not-an-object", report(artifacts=[1]), 0, SUCCEEDED),
    ("brackets", "[" * 4096, 0, SUCCEEDED),
    ("deep", '{"status": "succeeded", "x": ' + DEEP + "}", 0, SUCCEEDED),
    ("deep-control", '{"status": "succeeded", "loopControl": ' + DEEP + "}", 0, SUCCEEDED),
    (
        "big-numbers",
        '{"status": "succeeded", "n": 123456789012345678901234567890, "f": 1e308}',
        0,
        Expected(phase="Succeeded", reason="Completed"),
    ),
    ("numbers-beyond-floats", '{"status": "succeeded", "f": 1e999}', 0, SUCCEEDED),
    (
        "control-characters",
        '{"status": "failed", "exitCode": 1, "error": "a\\u0000b\\u0007\\ud83d\\ude00"}',
        1,
        failed("RunnerFailed"),
    ),
    ("lone-surrogates", '{"status": "succeeded", "x": "\\ud83d"}', 0, SUCCEEDED),
    (
        "keys-that-are-fields",
        report(extra={"a": 1}, phase="Failed", startTime="x", completionTime=5),
        0,
        SUCCEEDED,
    ),
    ("keys-twice", '{"status": "failed", "status": "succeeded"}', 0, SUCCEEDED),
    (
        "times-of-another-kind",
        report(startedAt="yesterday", finishedAt="2026-13-40T00:00:00Z"),
        0,
        SUCCEEDED,
    ),
    (
        "times-at-the-ends",
        report(startedAt="0001-01-01T00:00:00Z", finishedAt="9999-12-31T23:59:59Z"),
        0,
        SUCCEEDED,
    ),
    (
        "cut-json",
        json.dumps({"status": "failed", "exitCode": 2, "error": "x" * 5000})[:4096],
        2,
        failed("RunnerFailed", "2"),
    ),
    ("status-of-a-list", report(status=["succeeded"]), 0, SUCCEEDED),
    ("status-unknown", report(status="hibernated"), 0, SUCCEEDED),
    ("status-null", '{"status": null, "exitCode": null}', 0, SUCCEEDED),
    ("null", "null", 0, SUCCEEDED),
    ("nothing-at-all", "", 3, failed("RunnerFailed", "3")),
    (
        "a-bad-spec",
        report(status="failed", exitCode=65, error="no such adapter"),
        65,
        failed("RunnerFailed", "no such adapter"),
    ),
)


def _of_pods() -> Iterator[Situation]:
    """An image with a runner of its own leaves a termination message."""
    for name, message, code, expected in MESSAGES:
        yield Situation(
            name=f"report-{name}",
            given=Given(pods=reporting(code, message)),
            expected=expected,
            runtimes=JOB,
        )


def _of_processes() -> Iterator[Situation]:
    """An agent writes over its runner's status, and ends the runner so that it stays."""
    for name, message, _, _ in MESSAGES:
        if "\x00" in message:
            continue
        script = f"printf %s {shlex.quote(message)} > .agent/status.json; kill -9 $PPID; sleep 60"
        reason = "Failed", "RunnerFailed"
        if name == "cancelled-with-exit-code-0":
            reason = "Cancelled", "RunnerCancelled"
        yield Situation(
            name=f"report-{name}-of-a-killed-runner",
            given=Given(script=script),
            expected=Expected(phase=reason[0], reason=reason[1]),
            runtimes=LOCAL,
        )


SITUATIONS: Final = (*_of_pods(), *_of_processes())
