"""What ``agentctl run wait`` waits for, whether it came, and how a run stands. Pure."""

import dataclasses
import datetime as dt
from typing import Literal, TypeAlias

from controllers import kube
from controllers.agentctl import times
from controllers.agentctl.exits import Exit
from controllers.runs import views
from controllers.runs.words import ENDED, IN_FLIGHT, Phase

Wish: TypeAlias = Literal["succeeded", "ended", "running"]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """There is nothing more to wait for.

    Attributes:
        code: 0 where it came as wished.
        text: How the run stands, or what became of it.
    """

    code: Exit
    text: str


def verdict(run: views.Run | None, uid: str, wish: Wish) -> Verdict | None:
    """Whether the waiting is over; None if it goes on.

    Args:
        run: As it was seen last; None if it is not there.
        uid: Of the run that is waited for.
        wish: What for.
    """
    if run is None or run.metadata.uid != uid:
        return Verdict(Exit.NOT_AS_WISHED, "was deleted")
    phase = run.status.phase
    if Phase.TEMPLATE in {phase, run.spec.purpose}:
        return Verdict(Exit.WRONG, "is a Template, which is never carried out: submit a run")
    if phase in ENDED:
        is_wished = phase == Phase.SUCCEEDED or wish == "ended"
        return Verdict(Exit.OK if is_wished else Exit.NOT_AS_WISHED, outcome(run))
    if wish == "running" and phase == Phase.RUNNING:
        return Verdict(Exit.OK, outcome(run))
    return None


def outcome(run: views.Run) -> str:
    """Phase, reason and message."""
    status = run.status
    reason = f" ({status.reason})" if status.reason else ""
    message = f": {status.message}" if status.message else ""
    return f"{status.phase or Phase.PENDING}{reason}{message}"


def standing(run: views.Run, now: dt.datetime | None) -> str:
    """How a run that goes on stands, in a line.

    Args:
        run: As it was seen last.
        now: For how long it has been so; None leaves that out, so that the line stays the same
            while the run does.
    """
    status, parts = run.status, []
    if not status.phase:
        return "Pending: no controller has looked at it yet"
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
    return [f"for {times.since(kube.time_of(text), now)}"] if text else []
