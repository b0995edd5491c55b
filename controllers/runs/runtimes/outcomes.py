"""How work ended: by what ended, and by what its runner reported. One rule for all runtimes. Pure.

A run has succeeded where nothing says otherwise: neither its end (exit code, a workflow's status,
an endpoint's phase) nor its report. docs/runs.md has the table.
"""

import dataclasses
import signal
from collections.abc import Mapping
from typing import Final

from controllers.runs.runtimes.base import JSON, Code, Stage
from controllers.runs.words import Reason

RUNNER_FAILED: Final = "RunnerFailed"
# Exit codes of the agent-runner for a bad spec (sysexits.h, docs/runner.md): the same next time.
_BAD_SPEC: Final = frozenset({64, 65, 78})
# A shell's, a container runtime's and the runner's code for a process that a signal ended.
_SIGNALLED: Final = 128


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a process or a pod ended, as the system says that ran it.

    Attributes:
        exit_code: Of the process; minus a signal's number if that ended it; None is not known.
        reason: A word for what is not the program's own doing: OOMKilled, Evicted; or empty.
        message: What the system says to that.
        is_disruption: Whether it was taken away, whatever it did: another attempt is no repetition.
    """

    exit_code: int | None = None
    reason: str = ""
    message: str = ""
    is_disruption: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the work ended.

    Attributes:
        stage: SUCCEEDED, FAILED or CANCELLED.
        reason: A word for what is no success.
        message: For people.
        code: Of a failure: whether another attempt may help.
    """

    stage: Stage
    reason: str = ""
    message: str = ""
    code: Code | None = None


def stage(ended: Stage, said: Mapping[str, JSON], exit_code: int | None = None) -> Stage:
    """The rule.

    Args:
        ended: How it ended, report apart.
        said: The report, as ``reports.runner`` reads it.
        exit_code: Of the process; where there is none, the report's counts.
    """
    if ended is Stage.CANCELLED or said.get("status") == "Cancelled":
        return Stage.CANCELLED
    code = said.get("exitCode") if exit_code is None else exit_code
    is_failure = ended is Stage.FAILED or said.get("status") == "Failed" or bool(code)
    return Stage.FAILED if is_failure else Stage.SUCCEEDED


def of_process(end: End, said: Mapping[str, JSON], *, is_cancelled: bool = False) -> Outcome:
    """How a process's work ended.

    Args:
        end: Of the process, or of the pod that it was in.
        said: The report, as ``reports.runner`` reads it; empty is none.
        is_cancelled: Whether it was told to end.
    """
    if end.reason and (end.exit_code or end.exit_code is None):
        # Whoever took it away also told the runner to end, which reports that it was cancelled.
        return _failed(end, said)
    ended = Stage.SUCCEEDED if _is_success(end, said) else Stage.FAILED
    found = stage(ended, said, end.exit_code)
    if is_cancelled and str(found) != said.get("status"):
        found = Stage.CANCELLED
    return _outcome(found, end, said)


def of_report(said: Mapping[str, JSON]) -> Outcome:
    """How work ended that the system calls a success, and of which nobody saw a process."""
    return _outcome(stage(Stage.SUCCEEDED, said), End(), said)


def _outcome(found: Stage, end: End, said: Mapping[str, JSON]) -> Outcome:
    match found:
        case Stage.SUCCEEDED:
            return Outcome(stage=found)
        case Stage.CANCELLED:
            message = str(said.get("error") or "")
            return Outcome(stage=found, reason=Reason.RUNNER_CANCELLED, message=message)
        case _:
            return _failed(end, said)


def _is_success(end: End, said: Mapping[str, JSON]) -> bool:
    return end.exit_code == 0 or (end.exit_code is None and said.get("status") == "Succeeded")


def _failed(end: End, said: Mapping[str, JSON]) -> Outcome:
    code = said.get("exitCode") if end.exit_code is None else end.exit_code
    is_hopeless = not end.reason and (code in _BAD_SPEC or said.get("exitCode") in _BAD_SPEC)
    return Outcome(
        stage=Stage.FAILED,
        reason=end.reason or RUNNER_FAILED,
        message=_message(end, said),
        code=Code.TERMINAL if is_hopeless else Code.RETRYABLE,
    )


def _message(end: End, said: Mapping[str, JSON]) -> str:
    error = str(said.get("error") or "")
    if end.message:
        return f"{end.message} The runner reported: {error}" if error else end.message
    if error:
        return error
    if not said:
        how = "" if end.exit_code is None else f" with {exit_text(end.exit_code)}"
        return f"The runner ended{how}, and left no report."
    if end.exit_code == 0:
        return "The runner reported a failure, though it ended with exit code 0."
    if said.get("status") == "Succeeded" and end.exit_code:
        return f"The runner reported a success, though it ended with {exit_text(end.exit_code)}."
    code = said.get("exitCode") if end.exit_code is None else end.exit_code
    return "The agent failed." if code is None else f"The agent ended with {exit_text(code)}."


def exit_text(code: int) -> str:
    """An exit code, with the signal that it stands for."""
    if -signal.NSIG < code < 0:
        return f"signal {-code}{_named(-code)}"
    return f"exit code {code}{_named(code - _SIGNALLED)}"


def _named(number: int) -> str:
    try:
        return f" ({signal.Signals(number).name})"
    except ValueError:
        return ""
