"""The process that listens and supervises workers. Shell: processes and sockets.

A worker that dies is replaced; the socket stays open meanwhile, so no connection is refused.
Health and metrics have their own listener here, which reviews cannot delay.
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

from certs import expiry_report
from controllers.process import health_endpoints
from schemagen import Api
from webhooks.observe import metrics
from webhooks.server.worker import SettingsError, Stamps, WorkerConfig, facts_of, stamps_of

MAX_BACKOFF_SECONDS: Final = 5.0
# A worker reports every second. One that misses this deadline twice in a row is stopped (SIGSTOP)
# or hangs; after the machine slept, its pending reports are read on the second attempt.
MAX_SILENT_SECONDS: Final = 5.0
MAX_SILENCES: Final = 2
# A worker that lived this long started successfully.
SETTLED_SECONDS: Final = 10.0

# For glibc: return the memory of large bodies to the system instead of keeping it fragmented.
MALLOC: Final = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": str(4 * 1024 * 1024)}

log = structlog.get_logger("webhooks")


class StartError(Exception):
    """No worker could be started."""


class SilentError(Exception):
    """A worker stopped reporting."""


class Supervisor:
    """The workers of a listener.

    Args:
        config: Configuration of each worker.
        listener: The listening socket that they share.
        workers: Number of workers.
        api: Validates the settings.
    """

    def __init__(
        self,
        config: WorkerConfig,
        listener: socket.socket,
        *,
        workers: int,
        api: Api,
    ) -> None:
        self._config, self._listener, self._api = config, listener, api
        self.checks: list[Callable[[], str]] = []
        """Further readiness checks: each returns a reason, or an empty string."""
        self._workers = workers
        self._metrics = metrics.Collector()
        self._stamps: Stamps | None = None
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._is_ready = asyncio.Event()
        self._is_stopping = False

    async def start(self) -> None:
        """Start the workers and wait until all of them serve.

        Raises:
            StartError: A worker ended before that.
        """
        self._tasks = [asyncio.create_task(self._keep_running()) for _ in range(self._workers)]
        ready = asyncio.create_task(self._is_ready.wait())
        await asyncio.wait([ready, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            raise StartError("a worker ended before it was ready; see its output")

    async def stop(self) -> None:
        """Drain and stop every worker."""
        self._is_stopping = True
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        _, late = await asyncio.wait(self._tasks, timeout=self._config.drain_seconds + 5)
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        if late:
            await asyncio.wait(late)

    def reload(self) -> None:
        """Let every worker reload its files."""
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGHUP)

    def served(self) -> set[str]:
        """Return the fingerprints of the certificates that workers serve."""
        return {snapshot.get("leaf", "") for snapshot in self._metrics.live.values()}

    def show(self, certificates: Callable[[], expiry_report.Status | None]) -> None:
        """Add the certificate status to the metrics."""
        self._metrics.certificates = certificates

    def unready(self) -> str:
        """Return why the server is not ready; empty if it is."""
        if self._is_stopping:
            return "draining"
        if not self._metrics.live:
            return "no worker is serving"
        return next(filter(None, (check() for check in (*self.checks, self._expired))), "")

    def _expired(self) -> str:
        """Return a reason while a worker has not yet reloaded a replaced, expired certificate."""
        now = time.time()
        is_expired = any(
            snapshot.get("leaf_not_after", now) < now for snapshot in self._metrics.live.values()
        )
        return "a worker serves a certificate that has expired" if is_expired else ""

    async def _keep_running(self) -> None:
        backoff = 0.1
        while True:
            started = time.monotonic()
            code = await self._run()
            if self._is_stopping or not self._is_ready.is_set():
                return
            lived = time.monotonic() - started
            backoff = 0.1 if lived > SETTLED_SECONDS else min(backoff * 2, MAX_BACKOFF_SECONDS)
            log.warning("worker ended", code=code, restart_seconds=backoff)
            await asyncio.sleep(backoff)

    async def _run(self) -> int:
        """Run a worker until it ends; return its exit code."""
        ours, theirs = socket.socketpair()
        with theirs:
            descriptors = (self._listener.fileno(), theirs.fileno())
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "webhooks.server.worker"),
                *(msgspec.json.encode(self._current_config()).decode(), *map(str, descriptors)),
                pass_fds=descriptors,
                env={**MALLOC, **os.environ},
            )
        self._processes[process.pid] = process
        reader, writer = await asyncio.open_connection(sock=ours, limit=16 * 1024 * 1024)
        try:
            async for line in self._lines(reader):
                self._receive(process.pid, orjson.loads(line))
        except SilentError:
            log.warning("worker stopped reporting, replacing it", pid=process.pid)
            process.kill()
        except (OSError, ValueError) as error:
            log.warning("invalid report from a worker", reason=str(error))
        finally:
            writer.close()
        code = await process.wait()
        del self._processes[process.pid]
        self._metrics.ended(process.pid)
        return code

    async def _lines(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        """Yield a worker's reports until it ends."""
        seconds = None  # starting is not limited
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
                silences += not self._is_stopping  # a draining worker reports at its end
        raise SilentError

    def _current_config(self) -> WorkerConfig:
        """Return the configuration with the last valid settings."""
        stamps = stamps_of(self._config)
        if stamps != self._stamps:
            self._stamps = stamps
            self._remember_settings()
        return self._config

    def _remember_settings(self) -> None:
        if self._config.settings is None:
            return
        with contextlib.suppress(SettingsError):
            facts = facts_of(pathlib.Path(self._config.settings), self._api)
            settings = dict(facts.settings)
            self._config = msgspec.structs.replace(self._config, last_settings=settings)

    def _receive(self, pid: int, snapshot: Mapping[str, Any]) -> None:
        self._current_config()  # once a second, to keep the last valid settings
        self._metrics.live[pid] = snapshot
        if len(self._metrics.live) == self._workers:
            self._is_ready.set()

    def health(self, host: str, port: int) -> contextlib.AbstractAsyncContextManager[str]:
        """Serve ``/livez``, ``/readyz`` and ``/metrics`` inside the context; yields the URL."""
        registry = prometheus_client.CollectorRegistry()
        registry.register(self._metrics)
        return health_endpoints.listening(host, port, registry, self.unready)


def usable_processors() -> int:
    """Return the number of processors this process may use."""
    return len(os.sched_getaffinity(0))
