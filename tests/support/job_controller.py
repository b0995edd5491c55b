"""A Job controller without pods, for an API server that has none: Jobs end after a while."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from controllers import kube
from controllers.runs import projections

_LONG_SECONDS = 10**7


class JobController:
    """Ends Jobs, and suspends those that are to be suspended.

    Args:
        client: Of the cluster.
        clock: For timestamps.
        kind: Of the condition in which Jobs end: Complete or Failed.
        seconds: How long they run.
    """

    def __init__(
        self, client: kube.Client, clock: Any, kind: str = "Complete", seconds: float = 60.0
    ) -> None:
        self._client, self._clock, self._kind, self._seconds = client, clock, kind, seconds
        self._running: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Follow the Jobs."""
        events = self._client.watch(
            projections.JOBS, timeout_seconds=_LONG_SECONDS, silence_seconds=_LONG_SECONDS
        )
        async with contextlib.aclosing(events), asyncio.TaskGroup() as group:
            async for event in events:
                if event.type not in {"ADDED", "MODIFIED"}:
                    continue
                uid = event.object["metadata"]["uid"]
                is_known = uid in self._running
                if event.object["spec"].get("suspend"):
                    if is_known:
                        self._running.pop(uid).cancel()
                    if not event.object.get("status", {}).get("conditions"):
                        group.create_task(self._write(event.object, self._suspended))
                elif not is_known:
                    self._running[uid] = group.create_task(self._work(event.object))

    async def _work(self, body: kube.JSON) -> None:
        await self._write(body, lambda now: {"active": 1, "ready": 1, "startTime": now})
        await asyncio.sleep(self._seconds)
        await self._write(body, self._ended)

    def _ended(self, now: str) -> kube.JSON:
        condition = {"type": self._kind, "status": "True", "lastTransitionTime": now}
        if self._kind == "Failed":
            condition["reason"] = "BackoffLimitExceeded"
        return {"active": 0, "ready": 0, "completionTime": now, "conditions": [condition]}

    @staticmethod
    def _suspended(now: str) -> kube.JSON:
        condition = {"type": "Suspended", "status": "True", "lastTransitionTime": now}
        return {"active": 0, "ready": 0, "conditions": [condition]}

    async def _write(self, body: kube.JSON, status: Callable[[str], kube.JSON]) -> None:
        metadata, now = body["metadata"], kube.time_text(self._clock.now())
        with contextlib.suppress(kube.NotFoundError):
            await self._client.patch(
                projections.JOBS,
                metadata["name"],
                {"status": status(now)},
                namespace=metadata["namespace"],
                subresource="status",
            )
