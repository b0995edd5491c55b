"""Implements ``agentctl run logs``: prints the logs of a run's pods. Shell: the cluster, stdout."""

import asyncio
import contextlib
import dataclasses
import pathlib
import sys
from collections.abc import AsyncIterator
from typing import Final, Protocol, Self

from controllers import kube
from controllers.agentctl import session
from controllers.agentctl.exits import Exit
from controllers.agentctl.run.logs import pod_logs, workspace_logs
from controllers.agentctl.run.logs.pod_logs import LogSelection, Pod
from controllers.agentctl.run.wait import wait
from controllers.runs import projections
from controllers.runs.api_constants import ENDED

# A connection silent for this long is replaced: it may be dead.
_SILENCE_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 1.0
# The container never started, or the pod was deleted meanwhile.
_NO_LOG: Final = frozenset({400, 404})


class Source(Protocol):
    """A source of logs."""

    place: str
    """Where it looks for logs, for error messages."""

    async def show(self, run: projections.Run) -> bool:
        """Print the available logs; return whether there were any."""

    async def follow(self, run: projections.Run) -> None:
        """Continue with the available logs; never waits for more."""

    async def finish(self, run: projections.Run) -> bool:
        """Print the rest after the run has ended; return whether there were any logs."""


def run(
    cluster: session.Cluster, which: LogSelection, folder: pathlib.Path | None, *, follows: bool
) -> Exit:
    """Print logs; return the exit code."""

    async def work(client: kube.Client) -> Exit:
        value = await client.get(projections.RUNS, which.name, namespace=which.namespace)
        run = projections.of(projections.Run, value)
        here = folder or workspace_logs.folder_of(run, cluster.workspaces())
        async with contextlib.AsyncExitStack() as stack:
            source: Source
            if here is not None:
                source = workspace_logs.Workspaces(here, which, _write)
            else:
                source = await stack.enter_async_context(Pods(client, run, which))
            if follows:
                run = await _until_ended(client, run, source)
                has_shown = await source.finish(run)
            else:
                has_shown = await source.show(run)
        if has_shown:
            return Exit.OK
        with contextlib.suppress(kube.NotFoundError):
            value = await client.get(projections.RUNS, which.name, namespace=which.namespace)
        session.complain(
            f"expected logs of run {which.namespace}/{which.name} in {source.place}, got none:",
            *(f"  {line}" for line in pod_logs.known(value)),
        )
        return Exit.UNSATISFIED

    return session.run(cluster, work)


async def _until_ended(
    client: kube.Client, run: projections.Run, source: Source
) -> projections.Run:
    """Print logs until the run has ended or was deleted; return its last observed state."""
    uid = run.metadata.uid
    async with contextlib.aclosing(wait.watch_run(client, run)) as states:
        async for state in states:
            if state is None or state.metadata.uid != uid:
                break
            run = state
            await source.follow(run)
            if run.status.phase in ENDED:
                break
    return run


def _write(text: bytes) -> None:
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


@dataclasses.dataclass
class _Stream:
    """A pod whose log is being followed."""

    pod: Pod
    task: asyncio.Task[None]


class Pods:
    """Logs of the pods of a run's Jobs.

    Args:
        client: Has access to pods, their logs, and Jobs.
        run: Owner of the pods.
        which: Selects attempts and steps.
    """

    place = "its pods"

    def __init__(self, client: kube.Client, run: projections.Run, which: LogSelection) -> None:
        self._client, self._which = client, which
        self._selection = kube.Selection(
            namespace=run.metadata.namespace, labels=pod_logs.selector(run)
        )
        self._attempts: dict[str, int | None] = {}
        # Following includes later attempts, unless an attempt was selected.
        self._first = which.attempt or run.status.attempt or 1
        self._store: kube.Store[Pod] = kube.Store()
        self._reflector = kube.Reflector(
            client, projections.PODS, Pod, self._store, selection=self._selection
        )
        self._following: asyncio.Task[None] | None = None
        self._streams: dict[str, _Stream] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        tasks = [stream.task for stream in self._streams.values()]
        if self._following is not None:
            tasks.append(self._following)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def show(self, run: projections.Run) -> bool:
        """Print the logs one after the other, those of the oldest pod first."""
        listed = await self._client.list(
            projections.PODS, namespace=self._selection.namespace, labels=self._selection.labels
        )
        pods = pod_logs.in_order(projections.each(Pod, listed.items))
        chosen = [pod async for pod in self._chosen(run, pods)]
        has_shown = False
        for pod in chosen:
            try:
                text = await self._client.body(pod_logs.request(pod))
            except kube.ApiError as error:
                if error.code not in _NO_LOG:
                    raise
                session.say(f"pod {pod.metadata.name}: {error}")
                continue
            _write(pod_logs.prefixed(text, self._step(pod)))
            has_shown = True
        return has_shown

    async def follow(self, run: projections.Run) -> None:
        """Follow the logs of all started pods."""
        if self._following is None:
            self._following = asyncio.create_task(self._reflector.run())
            # Otherwise a run that has already ended would seem to have no pods.
            await self._reflector.synced.wait()
        pods = pod_logs.in_order(self._store)
        async for pod in self._chosen(run, pods):
            if pod.metadata.uid not in self._streams:
                task = asyncio.create_task(self._stream(pod))
                self._streams[pod.metadata.uid] = _Stream(pod, task)
        for stream in self._streams.values():
            if stream.task.done():
                stream.task.result()

    async def finish(self, run: projections.Run) -> bool:
        """Follow the logs to their ends."""
        await self.follow(run)
        await asyncio.gather(*(stream.task for stream in self._streams.values()))
        return bool(self._streams)

    async def _chosen(self, run: projections.Run, pods: list[Pod]) -> AsyncIterator[Pod]:
        known = pod_logs.attempt_by_job(run)
        for pod in pods:
            if not pod.has_started or (self._which.step and pod.step != self._which.step):
                continue
            attempt = known.get(pod.job) or await self._attempt(pod)
            is_wanted = attempt == self._first or not self._which.attempt
            if attempt is not None and is_wanted and attempt >= self._first:
                yield pod

    async def _attempt(self, pod: Pod) -> int | None:
        """Return the attempt of a workflow's pod, from its Job."""
        if pod.job not in self._attempts:
            attempt = None
            with contextlib.suppress(kube.NotFoundError):
                job = await self._client.get(
                    projections.JOBS, pod.job, namespace=pod.metadata.namespace
                )
                attempt = pod_logs.attempt_of(job)
            self._attempts[pod.job] = attempt
        return self._attempts[pod.job]

    def _step(self, pod: Pod) -> str:
        return "" if self._which.step else pod.step

    async def _stream(self, pod: Pod) -> None:
        """Follow a pod's log across broken connections until its container ends."""
        cursor, step = pod_logs.Cursor(), self._step(pod)

        def show(line: bytes) -> None:
            text = cursor.take(line)
            if text is not None:
                _write(pod_logs.prefixed(text + b"\n", step))

        while True:
            request = pod_logs.request(pod, follows=True, is_timed=True, since=cursor.resume())
            # After a disconnect, or an end within a line, the log is resumed or read to its end
            # below.
            with contextlib.suppress(kube.UnreachableError, kube.NotFoundError):
                async for line in self._client.lines(request, silence_seconds=_SILENCE_SECONDS):
                    show(line)
            if await self._is_over(pod):
                break
            await asyncio.sleep(_PAUSE_SECONDS)
        request = pod_logs.request(pod, is_timed=True, since=cursor.resume())
        with contextlib.suppress(kube.NotFoundError):
            rest = await self._client.body(request)
            for line in rest.removesuffix(b"\n").split(b"\n") if rest else ():
                show(line)

    async def _is_over(self, pod: Pod) -> bool:
        metadata = pod.metadata
        try:
            value = await self._client.get(
                projections.PODS, metadata.name, namespace=metadata.namespace
            )
        except kube.NotFoundError:
            return True
        return projections.of(Pod, value).is_over
