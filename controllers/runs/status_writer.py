"""Writes statuses and Events of runs. Shell: writes."""

import asyncio
import datetime as dt
import logging
from collections.abc import Callable, Mapping
from typing import Final

from controllers import kube
from controllers.runs import naming, projections, run_status
from controllers.runs.api_constants import EventReason
from controllers.runs.caches import Caches
from controllers.runs.planner import observation
from controllers.runs.planner.actions import Event
from controllers.runs.runtimes.base import JSON

OBSERVED_SECONDS: Final = 2.0
# The error's text may differ each time, so Events are limited by time.
FAILURE_PAUSE: Final = dt.timedelta(seconds=30)
_log = logging.getLogger(__name__)


class StatusWriter:
    """Writes statuses against the version that they were decided on, and emits Events.

    Args:
        client: Writes statuses.
        caches: Observe the writes.
        recorder: Emits Events.
        leads: Whether this process may still write.
        now: Aware UTC time.
    """

    def __init__(
        self,
        client: kube.Client,
        caches: Caches,
        recorder: kube.Recorder,
        *,
        leads: Callable[[], bool],
        now: Callable[[], dt.datetime],
    ) -> None:
        self._client, self._caches, self._recorder = client, caches, recorder
        self._leads, self._now = leads, now
        self._reported: dict[str, dt.datetime] = {}
        """When a failure to reconcile was last reported, by the run's UID."""

    async def write(self, run: projections.Run, status: Mapping[str, JSON]) -> None:
        """Write as much of a status as the API server accepts.

        Data reported by a runner or a runtime must not keep its run from ending.
        """
        *shorter, last = run_status.shortened(status)
        for shortened in shorter:
            try:
                return await self._apply(run, shortened)
            except kube.ApiError as error:
                if not _is_content_refused(error):
                    raise
                _log.error(
                    "%s: status rejected, retrying without reported data: %s", run.key, error
                )
        return await self._apply(run, last)

    async def _apply(self, run: projections.Run, status: Mapping[str, JSON]) -> None:
        """Write a status against the version it was decided on, and wait until it is cached."""
        metadata = run.metadata
        body = {
            "metadata": {
                "name": metadata.name,
                "namespace": metadata.namespace,
                "uid": metadata.uid,
                "resourceVersion": metadata.resource_version,
            },
            "status": status,
        }
        # 5.9 instead of 6.7 ms of the API server's CPU: `run_status` builds the status, so fields
        # need no validation, and only the version of the response is used.
        written = await self._client.apply(
            projections.RUNS,
            body,
            field_manager=naming.MANAGER,
            subresource="status",
            force=True,
            answers_metadata=True,
            field_validation="Ignore",
        )
        try:
            async with asyncio.timeout(OBSERVED_SECONDS):
                await self._caches.runs.wait_for(written["metadata"]["resourceVersion"])
        except TimeoutError:
            _log.warning("%s: own write not observed within %.0f s", run.key, OBSERVED_SECONDS)

    async def report_failure(self, run: projections.Run, message: str) -> None:
        """Report a failure to reconcile in the run's status and by an Event."""
        uid, now = run.metadata.uid, self._now()
        last = self._reported.get(uid)
        is_recent = last is not None and now < last + FAILURE_PAUSE
        if observation.is_ended(run) or is_recent or not self._leads():
            return
        self._reported[uid] = now
        namespace, name = run.key
        try:
            whole = await self._client.get(projections.RUNS, name, namespace=namespace)
            if whole["metadata"]["resourceVersion"] != run.metadata.resource_version:
                return  # changed meanwhile, so it is reconciled again anyway
            status = run_status.troubled(whole.get("status") or {}, run, message, now)
            await self._apply(run, status)
        except kube.KubeError as error:
            _log.warning("%s: reporting the failure failed: %s", run.key, error)
            return
        note = message[: run_status.MAX_MESSAGE]
        self.emit(run, Event(EventReason.RECONCILE_FAILED, note, is_warning=True))

    def emit(self, run: projections.Run, event: Event) -> None:
        """Emit an Event about a run."""
        self._recorder.event(
            kube.regarding_of(run, projections.RUNS),
            type="Warning" if event.is_warning else "Normal",
            reason=event.reason,
            action="Reconcile",
            note=event.note,
        )

    def forget(self, uid: str) -> None:
        """Drop the state of a run."""
        self._reported.pop(uid, None)


def _is_content_refused(error: kube.ApiError) -> bool:
    """Return whether a shorter status may be accepted: it violates the schema, or is too large."""
    return isinstance(error, kube.InvalidError) or "too large" in str(error).lower()
