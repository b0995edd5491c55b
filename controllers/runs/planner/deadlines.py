"""Deadlines of an attempt. Pure."""

import datetime as dt

from controllers import kube
from controllers.runs.api_constants import Phase
from controllers.runs.planner.observation import Observed
from controllers.runs.runtimes.base import Stage
from controllers.runs.work import work


def end_deadline(seen: Observed) -> dt.datetime | None:
    """Return the attempt's deadline; None while a queue suspends the attempt."""
    started = kube.time_of(seen.run.status.start_time)
    progress = seen.progress
    if not isinstance(seen.inputs, work.Ready) or started is None:
        return None
    if progress is not None and progress.is_held:
        return None
    if progress is not None and progress.started is not None:
        started = max(started, progress.started)
    seconds = seen.inputs.work.timeout_seconds
    return started + dt.timedelta(seconds=seconds) if seconds else None


def start_deadline(seen: Observed) -> dt.datetime | None:
    """Return the start deadline of a pod; None while its Job may have no pod."""
    is_waiting = seen.progress is not None and seen.progress.stage is Stage.PENDING
    begun = seen.progress.started if is_waiting and seen.progress is not None else None
    return start_deadline_after(seen, begun) if begun is not None else None


def start_deadline_after(seen: Observed, begun: dt.datetime | None) -> dt.datetime | None:
    """Return the start deadline for a start time; None if the attempt has run, or has no limit."""
    is_starting = seen.run.status.phase == Phase.STARTING
    if not is_starting or begun is None or not isinstance(seen.inputs, work.Ready):
        return None
    seconds = seen.inputs.work.start_timeout_seconds
    return begun + dt.timedelta(seconds=seconds) if seconds else None
