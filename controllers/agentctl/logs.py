"""What ``agentctl run logs`` does: shows the logs of a run's pods. Shell: the cluster, stdout."""

import asyncio
import contextlib
import dataclasses
import pathlib
import sys
from collections.abc import AsyncIterator
from typing import Final, Protocol, Self

from controllers import kube
from controllers.agentctl import podlogs, session, wait, workspacelogs
from controllers.agentctl.exits import Exit
from controllers.agentctl.podlogs import Pod, Which
from controllers.runs import views
from controllers.runs.words import ENDED

# A connection of which nothing came for so long is made anew: it may be a dead one.
_SILENCE_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 1.0
# Its container never started, or the pod went meanwhile.
_NO_LOG: Final = frozenset({400, 404})


class Source(Protocol):
    """Where logs come from."""

    place: str
    """For who is told that there are none."""

    async def show(self, run: views.Run) -> bool:
        """Show what there is; whether there was a log."""

    async def follow(self, run: views.Run) -> None:
        """Go on with what there is; never waits for more."""

    async def finish(self, run: views.Run) -> bool:
        """Show all that is left, now that the run has ended; whether there was a log."""


def run(
    cluster: session.Cluster, which: Which, folder: pathlib.Path | None, *, follows: bool
) -> Exit:
    """Show logs; the exit code."""

    async def work(client: kube.Client) -> Exit:
        found = await client.get(views.RUNS, which.name, namespace=which.namespace)
        run = views.of(views.Run, found)
        here = folder or workspacelogs.folder_of(run, cluster.workspaces())
        async with contextlib.AsyncExitStack() as stack:
            source: Source
            if here is not None:
                source = workspacelogs.Workspaces(here, which, _write)
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
            found = await client.get(views.RUNS, which.name, namespace=which.namespace)
        session.complain(
            f"expected logs of run {which.namespace}/{which.name} in {source.place}, got none:",
            *(f"  {line}" for line in podlogs.known(found)),
        )
        return Exit.NOT_AS_WISHED

    return session.run(cluster, work)


async def _until_ended(client: kube.Client, run: views.Run, source: Source) -> views.Run:
    """Show what comes until the run has ended, or was deleted; the run as it was then."""
    uid = run.metadata.uid
    async with contextlib.aclosing(wait.followed(client, run)) as states:
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
    """A pod whose log is followed."""

    pod: Pod
    task: asyncio.Task[None]


class Pods:
    """Logs of the pods of a run's Jobs.

    Args:
        client: May read pods, their logs, and Jobs.
        run: Whose pods.
        which: Of its attempts and steps.
    """

    place = "its pods"

    def __init__(self, client: kube.Client, run: views.Run, which: Which) -> None:
        self._client, self._which = client, which
        self._selection = kube.Selection(
            namespace=run.metadata.namespace, labels=podlogs.selector(run)
        )
        self._attempts: dict[str, int | None] = {}
        # Who follows sees later attempts as well, unless one was asked for.
        self._first = which.attempt or run.status.attempt or 1
        self._store: kube.Store[Pod] = kube.Store()
        self._reflector = kube.Reflector(
            client, views.PODS, Pod, self._store, selection=self._selection
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

    async def show(self, run: views.Run) -> bool:
        """Show the logs one after the other, the oldest pod's first."""
        listed = await self._client.list(
            views.PODS, namespace=self._selection.namespace, labels=self._selection.labels
        )
        pods = podlogs.in_order(views.each(Pod, listed.items))
        chosen = [pod async for pod in self._chosen(run, pods)]
        has_shown = False
        for pod in chosen:
            try:
                text = await self._client.body(podlogs.request(pod))
            except kube.ApiError as error:
                if error.code not in _NO_LOG:
                    raise
                session.say(f"pod {pod.metadata.name}: {error}")
                continue
            _write(podlogs.prefixed(text, self._step(pod)))
            has_shown = True
        return has_shown

    async def follow(self, run: views.Run) -> None:
        """Follow the logs of all pods that have started."""
        if self._following is None:
            self._following = asyncio.create_task(self._reflector.run())
            # Without waiting, a run that has ended already would seem to have none.
            await self._reflector.synced.wait()
        pods = podlogs.in_order(self._store)
        async for pod in self._chosen(run, pods):
            if pod.metadata.uid not in self._streams:
                task = asyncio.create_task(self._stream(pod))
                self._streams[pod.metadata.uid] = _Stream(pod, task)
        for stream in self._streams.values():
            if stream.task.done():
                stream.task.result()

    async def finish(self, run: views.Run) -> bool:
        """Follow the logs to their ends."""
        await self.follow(run)
        await asyncio.gather(*(stream.task for stream in self._streams.values()))
        return bool(self._streams)

    async def _chosen(self, run: views.Run, pods: list[Pod]) -> AsyncIterator[Pod]:
        known = podlogs.attempt_by_job(run)
        for pod in pods:
            if not pod.has_started or (self._which.step and pod.step != self._which.step):
                continue
            attempt = known.get(pod.job) or await self._attempt(pod)
            is_wanted = attempt == self._first or not self._which.attempt
            if attempt is not None and is_wanted and attempt >= self._first:
                yield pod

    async def _attempt(self, pod: Pod) -> int | None:
        """The attempt of a workflow's pod, as its Job says."""
        if pod.job not in self._attempts:
            found = None
            with contextlib.suppress(kube.NotFoundError):
                job = await self._client.get(views.JOBS, pod.job, namespace=pod.metadata.namespace)
                found = podlogs.attempt_of(job)
            self._attempts[pod.job] = found
        return self._attempts[pod.job]

    def _step(self, pod: Pod) -> str:
        return "" if self._which.step else pod.step

    async def _stream(self, pod: Pod) -> None:
        """Show a pod's log as it comes, across broken connections, until its container ends."""
        cursor, step = podlogs.Cursor(), self._step(pod)

        def show(line: bytes) -> None:
            text = cursor.take(line)
            if text is not None:
                _write(podlogs.prefixed(text + b"\n", step))

        while True:
            request = podlogs.request(pod, follows=True, is_timed=True, since=cursor.resume())
            # What breaks off, or ends within a line, is gone on with, or read to its end, below.
            with contextlib.suppress(kube.UnreachableError, kube.NotFoundError):
                async for line in self._client.lines(request, silence_seconds=_SILENCE_SECONDS):
                    show(line)
            if await self._is_over(pod):
                break
            await asyncio.sleep(_PAUSE_SECONDS)
        request = podlogs.request(pod, is_timed=True, since=cursor.resume())
        with contextlib.suppress(kube.NotFoundError):
            rest = await self._client.body(request)
            for line in rest.removesuffix(b"\n").split(b"\n") if rest else ():
                show(line)

    async def _is_over(self, pod: Pod) -> bool:
        metadata = pod.metadata
        try:
            found = await self._client.get(views.PODS, metadata.name, namespace=metadata.namespace)
        except kube.NotFoundError:
            return True
        return views.of(Pod, found).is_over
