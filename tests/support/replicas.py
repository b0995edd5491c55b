"""Replicas of ``webhooks serve`` behind a balancer of connections, as a Service has them."""

import asyncio
import collections
import contextlib
import itertools
import json
import os
import pathlib
import signal
import sys
import time
from collections.abc import AsyncIterator

import aiohttp

from tests.support import processes

MAX_START_SECONDS = 180.0
MAX_STOP_SECONDS = 60.0
PROBE_SECONDS = 1.0  # a kubelet's timeoutSeconds unless told otherwise
FAILURES = 3  # a kubelet's failureThreshold unless told otherwise


class Replica:
    """A running server."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, health: str) -> None:
        self.process, self.port, self.health = process, port, health

    def workers(self) -> list[int]:
        """The ids of its worker processes."""
        return processes.children_of(self.process.pid)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes."""
        for pid in processes.family_of(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill_a_worker(self) -> None:
        """End one of its workers without warning."""
        with contextlib.suppress(ProcessLookupError, IndexError):
            os.kill(self.workers()[0], signal.SIGKILL)

    async def is_ready(self, session: aiohttp.ClientSession) -> bool:
        """What a kubelet would find."""
        try:
            async with session.get(f"{self.health}/readyz") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def stop(self) -> int:
        """SIGTERM, and wait; the exit code."""
        self.process.terminate()
        async with asyncio.timeout(MAX_STOP_SECONDS):
            return await self.process.wait()


async def started(directory: pathlib.Path, name: str, *options: str) -> Replica:
    """A replica that serves; its log is ``NAME.log``."""
    log = directory / f"{name}.log"
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "webhooks", "serve", "crds:api", "--port", "0"),
            *options,
            stdout=asyncio.subprocess.PIPE,
            stderr=file,
        )
    assert process.stdout is not None
    async with asyncio.timeout(MAX_START_SECONDS):
        line = await process.stdout.readline()
    if not line.startswith(b"serving "):
        raise RuntimeError(f"expected {name} to serve, got {log.read_text()[-2000:]}")
    lines = [json.loads(one) for one in log.read_text().splitlines() if one.startswith("{")]
    (health,) = [one["url"] for one in lines if one.get("event") == "health and metrics"]
    return Replica(process, int(line.rsplit(b":", 1)[1]), health)


class Balancer:
    """Gives each new connection to the next ready replica; established ones stay where they are.

    Readiness is asked for a few times a second, where a kubelet asks every ten seconds. As with a
    kubelet a replica is out after some failed probes in succession, so one that a busy machine
    delays stays in; it is out at once when it is deleted, or when its process has ended.
    """

    POLL_SECONDS = 0.2

    def __init__(self) -> None:
        self.replicas: list[Replica] = []
        self._ready: list[Replica] = []
        self._failures: collections.Counter[Replica] = collections.Counter()
        self._turn = itertools.count()
        self._pipes: set[asyncio.Task[None]] = set()
        self.is_listening = False

    @contextlib.asynccontextmanager
    async def listening(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
        """Accept connections inside the context; its value is the port."""
        server = await asyncio.start_server(self._accept, host, port)
        polling = asyncio.create_task(self._poll())
        self.is_listening = True
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            polling.cancel()
            server.close()
            pipes = [*self._pipes]
            for one in pipes:
                one.cancel()
            await asyncio.gather(*pipes, return_exceptions=True)

    async def all_ready(self) -> None:
        """Wait until every replica takes connections."""
        while {*self.replicas} != {*self._ready}:  # noqa: ASYNC110 - replicas are processes
            await asyncio.sleep(self.POLL_SECONDS)

    async def all_steady(self, seconds: float) -> None:
        """Wait until every replica has said for so long that it is ready."""
        timeout = aiohttp.ClientTimeout(total=MAX_START_SECONDS)
        since = time.monotonic()
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while time.monotonic() - since < seconds:
                if not all([await one.is_ready(session) for one in self.replicas]):
                    since = time.monotonic()
                await asyncio.sleep(self.POLL_SECONDS)
        await self.all_ready()

    def take_out(self, replica: Replica) -> None:
        """No new connection to a replica that is being deleted."""
        self.replicas.remove(replica)
        self._ready = [one for one in self._ready if one is not replica]

    async def _poll(self) -> None:
        timeout = aiohttp.ClientTimeout(total=PROBE_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                found = [one for one in [*self.replicas] if await self._takes_calls(one, session)]
                self._ready = [one for one in found if one in self.replicas]
                await asyncio.sleep(self.POLL_SECONDS)

    async def _takes_calls(self, replica: Replica, session: aiohttp.ClientSession) -> bool:
        if await replica.is_ready(session):
            self._failures[replica] = 0
            return True
        self._failures[replica] += 1
        was_ready = replica in self._ready and replica.process.returncode is None
        return was_ready and self._failures[replica] < FAILURES

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ready = self._ready
        if not ready:
            writer.close()
            return
        replica = ready[next(self._turn) % len(ready)]
        try:
            there = await asyncio.open_connection("127.0.0.1", replica.port)
        except OSError:
            writer.close()
            return
        for pair in ((reader, there[1]), (there[0], writer)):
            task = asyncio.create_task(_pipe(*pair))
            self._pipes.add(task)
            task.add_done_callback(self._pipes.discard)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on, and the end of them."""
    try:
        with contextlib.suppress(ConnectionError, OSError):
            while data := await reader.read(64 * 1024):
                writer.write(data)
                await writer.drain()
    finally:
        with contextlib.suppress(ConnectionError, OSError):
            writer.close()
