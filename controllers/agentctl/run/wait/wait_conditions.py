"""The conditions of ``agentctl run wait``, and a run's state in a line. Pure."""

import dataclasses
import datetime as dt
from typing import Literal, TypeAlias

from controllers import kube
from controllers.agentctl import durations
from controllers.agentctl.exits import Exit
from controllers.runs import projections
from controllers.runs.api_constants import ENDED, IN_FLIGHT, Phase

Target: TypeAlias = Literal["succeeded", "ended", "running"]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The result of a wait.

    Attributes:
        code: 0 if the run reached the desired state.
        text: The run's state, or what happened to it.
    """

    code: Exit
    text: str


def verdict(run: projections.Run | None, uid: str, wish: Target) -> Verdict | None:
    """Return the result of the wait; None to keep waiting.

    Args:
        run: The last observed state; None if it was deleted.
        uid: Of the run that is waited for.
        wish: The desired state.
    """
    if run is None or run.metadata.uid != uid:
        return Verdict(Exit.UNSATISFIED, "was deleted")
    phase = run.status.phase
    if Phase.TEMPLATE in {phase, run.spec.purpose}:
        return Verdict(Exit.WRONG, "is a Template, which is never executed: submit a run")
    if phase in ENDED:
        is_wished = phase == Phase.SUCCEEDED or wish == "ended"
        return Verdict(Exit.OK if is_wished else Exit.UNSATISFIED, outcome(run))
    if wish == "running" and phase == Phase.RUNNING:
        return Verdict(Exit.OK, outcome(run))
    return None


def outcome(run: projections.Run) -> str:
    """Format phase, reason and message."""
    status = run.status
    reason = f" ({status.reason})" if status.reason else ""
    message = f": {status.message}" if status.message else ""
    return f"{status.phase or Phase.PENDING}{reason}{message}"


def state_line(run: projections.Run, now: dt.datetime | None) -> str:
    """Format the state of a run that has not ended, in a line.

    Args:
        run: The last observed state.
        now: For the time in the state; None omits it, so that the line changes only with the run.
    """
    status, parts = run.status, []
    if not status.phase:
        return "Pending: no controller has reconciled the run yet"
    if status.queue is not None and status.queue.blocked_by:
        parts.append(f"blocked by the {status.queue.blocked_by.lower()}'s limit")
        parts += _since(status.queue.since, now)
    elif status.phase in IN_FLIGHT:
        parts += [f"attempt {status.attempt}"] if status.attempt > 1 else []
        parts += _since(status.start_time, now)
        parts += [status.message] if status.message else []
    else:
        parts += [status.message] if status.message else []
    if status.next_attempt_time:
        parts.append(f"the next attempt at {status.next_attempt_time}")
    reason = f" ({status.reason})" if status.reason else ""
    return f"{status.phase}{reason}{': ' if parts else ''}{', '.join(parts)}"


def _since(text: str, now: dt.datetime | None) -> list[str]:
    if now is None:
        return [f"since {text}"] if text else []
    return [f"for {durations.since(kube.time_of(text), now)}"] if text else []
