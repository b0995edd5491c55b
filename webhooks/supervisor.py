"""The process that listens and lets workers accept. Shell: processes and sockets.

A worker that dies is replaced; the socket stays open all the while, so that no connection is
refused. Health and metrics have a listener of their own here, which no review can keep waiting.
"""

import asyncio
import contextlib
import os
import pathlib
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import msgspec
import orjson
import prometheus_client
import structlog

from certs import monitor
from schemagen import Api
from webhooks import metrics, probes
from webhooks.worker import (
    Orders,
    SettingsError,
    Stamps,
    facts_of,
    stamps_of,
)

LONGEST_PAUSE_SECONDS: Final = 5.0
# A worker reports every second. One that has not for so long, twice in a row, is stopped (SIGSTOP)
# or hangs; after a sleep of the machine, what it wrote is read the second time.
MAX_SILENT_SECONDS: Final = 5.0
MAX_SILENCES: Final = 2
# A worker that lived this long did not fail to start.
SETTLED_SECONDS: Final = 10.0

# For glibc: give what large bodies took back to the system, instead of keeping it in pieces.
MALLOC: Final = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": str(4 * 1024 * 1024)}

log = structlog.get_logger("webhooks")


class StartError(Exception):
    """No worker could be started; says what to look at."""


class SilentError(Exception):
    """A worker reports nothing any more."""


class Supervisor:
    """The workers of one listener.

    Args:
        orders: What each worker does.
        listener: The socket that they accept from.
        workers: How many.
        api: Judges the settings.
    """

    def __init__(
        self,
        orders: Orders,
        listener: socket.socket,
        *,
        workers: int,
        api: Api,
    ) -> None:
        self._orders, self._listener, self._api = orders, listener, api
        self.checks: list[Callable[[], str]] = []
        """Each says why the server is not ready for a reason of another, or nothing."""
        self._workers = workers
        self._counted = metrics.Collector()
        self._seen: Stamps | None = None
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._is_ready = asyncio.Event()
        self._is_stopping = False

    async def start(self) -> None:
        """Start the workers, and wait until all of them serve.

        Raises:
            StartError: if one ends before.
        """
        self._tasks = [asyncio.create_task(self._keep_running()) for _ in range(self._workers)]
        ready = asyncio.create_task(self._is_ready.wait())
        await asyncio.wait([ready, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            raise StartError("a worker ended before it served; its output says why")

    async def stop(self) -> None:
        """Let every worker drain and end."""
        self._is_stopping = True
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        _, late = await asyncio.wait(self._tasks, timeout=self._orders.drain_seconds + 5)
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        if late:
            await asyncio.wait(late)

    def reload(self) -> None:
        """Let every worker read its files again."""
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGHUP)

    def served(self) -> set[str]:
        """The fingerprints of the leaves that workers serve."""
        return {one.get("leaf", "") for one in self._counted.live.values()}

    def show(self, certificates: Callable[[], monitor.Status | None]) -> None:
        """Show what is known of the certificates among the metrics."""
        self._counted.certificates = certificates

    def unready(self) -> str:
        """Why no new call should be sent here; nothing if one may."""
        if self._is_stopping:
            return "draining"
        if not self._counted.live:
            return "no worker serves"
        return next(filter(None, (check() for check in (*self.checks, self._expired))), "")

    def _expired(self) -> str:
        """Whether a worker has not yet taken up what replaced an expired certificate."""
        now = time.time()
        is_expired = any(
            one.get("leaf_not_after", now) < now for one in self._counted.live.values()
        )
        return "a worker serves a certificate that has expired" if is_expired else ""

    async def _keep_running(self) -> None:
        pause = 0.1
        while True:
            started = time.monotonic()
            code = await self._run()
            if self._is_stopping or not self._is_ready.is_set():
                return
            lived = time.monotonic() - started
            pause = 0.1 if lived > SETTLED_SECONDS else min(pause * 2, LONGEST_PAUSE_SECONDS)
            log.warning("worker ended", code=code, restart_seconds=pause)
            await asyncio.sleep(pause)

    async def _run(self) -> int:
        """One worker from its start to its end; its exit code."""
        ours, theirs = socket.socketpair()
        with theirs:
            descriptors = (self._listener.fileno(), theirs.fileno())
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "webhooks.worker"),
                *(msgspec.json.encode(self._current_orders()).decode(), *map(str, descriptors)),
                pass_fds=descriptors,
                env={**MALLOC, **os.environ},
            )
        self._processes[process.pid] = process
        reader, writer = await asyncio.open_connection(sock=ours, limit=16 * 1024 * 1024)
        try:
            async for line in self._lines(reader):
                self._heard(process.pid, orjson.loads(line))
        except SilentError:
            log.warning("worker silent, replacing it", pid=process.pid)
            process.kill()
        except (OSError, ValueError) as error:
            log.warning("worker not understood", reason=str(error))
        finally:
            writer.close()
        code = await process.wait()
        del self._processes[process.pid]
        self._counted.ended(process.pid)
        return code

    async def _lines(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        """What a worker reports, until it ends."""
        seconds = None  # it may take its time to start
        while line := await self._line(reader, seconds):
            yield line
            seconds = MAX_SILENT_SECONDS

    async def _line(self, reader: asyncio.StreamReader, seconds: float | None) -> bytes:
        silences = 0
        while silences < MAX_SILENCES:
            try:
                async with asyncio.timeout(seconds):
                    return await reader.readline()
            except TimeoutError:
                silences += not self._is_stopping  # one that drains reports at its end
        raise SilentError

    def _current_orders(self) -> Orders:
        """The orders, with settings as they could be read last."""
        stamps = stamps_of(self._orders)
        if stamps != self._seen:
            self._seen = stamps
            self._remember_settings()
        return self._orders

    def _remember_settings(self) -> None:
        if self._orders.settings is None:
            return
        with contextlib.suppress(SettingsError):
            facts = facts_of(pathlib.Path(self._orders.settings), self._api)
            settings = dict(facts.settings)
            self._orders = msgspec.structs.replace(self._orders, last_settings=settings)

    def _heard(self, pid: int, snapshot: Mapping[str, Any]) -> None:
        self._current_orders()  # once a second: what is broken later was good now
        self._counted.live[pid] = snapshot
        if len(self._counted.live) == self._workers:
            self._is_ready.set()

    def health(self, host: str, port: int) -> contextlib.AbstractAsyncContextManager[str]:
        """Serve ``/livez``, ``/readyz`` and ``/metrics`` inside the context; its value: where."""
        registry = prometheus_client.CollectorRegistry()
        registry.register(self._counted)
        return probes.listening(host, port, registry, self.unready)


def usable_processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))
