"""Harm at length: ``webhooks serve`` gets broken requests, and its memory and answers are watched.

``python -m tests.bench.prove_hostile --number 100000 --seed 0``. Shell: processes and a progress
bar. Exit code 1: an answer that may not be, a worker that died, memory that grew, a good request
that was not answered.
"""

import argparse
import asyncio
import collections
import pathlib
import random
import signal
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import rich.console
import rich.progress

from certs.directory.contents import CA_CERTIFICATE
from tests.support import hostile, pressure, processes

AT_ONCE = 8
# Cases larger than this are sent now and then: the client would be what is measured.
LARGE_BYTES = 256 * 1024
LARGE_SHARE = 0.002
# What an allocator keeps is no leak; a leak of a kilobyte a request would be 100 MB.
MAX_GROWTH = 1.10
# A worker has seen the large requests at their worst after some 30,000: sampled every 15 s, its
# memory rises by a tenth until then and stays (300,000 requests, see docs/performance.md).
WARM = 30_000
# Beside eight hostile connections.
PRESSURE_SECONDS = 10.0
MAX_HONEST_SECONDS = 0.25
MAX_RESIDENT_BYTES = 300 * 1024 * 1024
SLOW_CONNECTIONS = 200
SLOW_HEAD = b"POST /validate HTTP/1.1\r\nHost: example.com\r\n"


class Serving:
    """A running server with one worker."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        attacker: hostile.Attacker,
        directory: pathlib.Path,
    ) -> None:
        self.process, self.attacker, self.directory = process, attacker, directory

    def worker(self) -> int:
        """The worker's process id."""
        return processes.children_of(self.process.pid)[0]

    def resident_bytes(self) -> int:
        """The memory of the worker, or of its second process if that has more."""
        return max(map(processes.resident_bytes, processes.family_of(self.worker())))


@asynccontextmanager
async def serving(transport: str) -> AsyncIterator[Serving]:
    """``webhooks serve crds:api`` with one worker."""
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "webhooks", "serve", "crds:api", "--port", "0"),
            *("--cert-dir", str(directory), "--workers", "1", "--transport", transport),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        port = int(line.rsplit(":", 1)[1])
        text = (directory / CA_CERTIFICATE).read_text()
        trust = ssl.create_default_context(cadata=text)
        try:
            yield Serving(process, hostile.Attacker("127.0.0.1", port, trust), directory)
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def attack(served: Serving, cases: list[hostile.Case], wrong: list[str]) -> None:
    """Send cases, several at once; note what may not be."""
    waiting = collections.deque(cases)

    async def client() -> None:
        while waiting:
            case = waiting.popleft()
            try:
                status = await served.attacker.send(case)
            except TimeoutError:
                wrong.append(f"{case.name}: no answer within {hostile.READ_SECONDS:g} s")
            else:
                if status not in case.statuses:
                    wrong.append(f"{case.name}: {status}")

    await asyncio.gather(*(client() for _ in range(AT_ONCE)))


async def slow_connections(served: Serving) -> list[str]:
    """Hold connections that send a byte now and then; good requests must be answered meanwhile."""
    attacker = served.attacker
    opened = [await attacker.connection() for _ in range(SLOW_CONNECTIONS)]
    wrong = []
    for at in range(15):
        for _, writer in opened:
            if not writer.is_closing():
                writer.write(SLOW_HEAD[at : at + 1])
        if await attacker.good("/validate", hostile.RUN) != 200:
            wrong.append("a good request was not answered beside slow ones")
        await asyncio.sleep(1)
    still = sum([await _is_open(reader) for reader, _ in opened])
    for _, writer in opened:
        writer.close()
    return [*wrong, *([f"{still} slow connections were not ended"] if still else [])]


async def _is_open(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(0.1):
            await reader.read()
    except TimeoutError:
        return True
    except (ConnectionError, ssl.SSLError):
        return False
    return False


async def beside(served: Serving, name: str) -> list[str]:
    """Keep up one kind of harm on eight connections; say what honest calls and memory came to."""
    found = served.attacker
    ca = pathlib.Path(served.directory) / CA_CERTIFICATE
    # In a process of its own: encrypting floods would keep the honest client waiting.
    hostile_clients = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.prove_hostile"),
        *("--keep-up", name, "--target", str(found.port), "--trust", str(ca)),
    )
    await asyncio.sleep(1)
    measuring = asyncio.create_task(pressure.honest_seconds(found, PRESSURE_SECONDS))
    peak = 0
    while not measuring.done():
        peak = max(peak, served.resident_bytes())
        await asyncio.sleep(0.1)
    hostile_clients.kill()
    await hostile_clients.wait()
    taken, failed = await measuring
    late = taken[int(len(taken) * 0.99)]
    print(  # noqa: T201 - the output
        f"{pressure.AT_ONCE} x {name}: {len(taken)} honest calls, {failed} failed, "
        f"p50 {taken[len(taken) // 2] * 1e3:.1f} ms, p99 {late * 1e3:.1f} ms, "
        f"memory at most {peak / 2**20:.0f} MiB",
        flush=True,
    )
    return [
        *([f"beside {name}: {failed} honest calls failed"] if failed else []),
        *([f"beside {name}: p99 of {late:.3f} s"] if late > MAX_HONEST_SECONDS else []),
        *([f"beside {name}: {peak} bytes of memory"] if peak > MAX_RESIDENT_BYTES else []),
    ]


async def keep_up(name: str, port: int, trust: str) -> None:
    """Be eight hostile clients until killed."""
    attacker = hostile.Attacker("127.0.0.1", port, ssl.create_default_context(cafile=trust))
    one = pressure.pressures()[name]
    await asyncio.gather(*(pressure.keep_up(attacker, one) for _ in range(pressure.AT_ONCE)))


def _growth(first: int, last: int) -> list[str]:
    """What is wrong with the memory, if it was looked at before the end."""
    is_more = first > 0 and last > first * MAX_GROWTH
    return [f"memory grew from {first} to {last} bytes"] if is_more else []


def _memory(first: int, last: int) -> str:
    at_the_end = f"{last / 2**20:.1f} MiB at the end"
    if not first:
        return f"{at_the_end} (growth is judged from {WARM} requests on)"
    return f"{first / 2**20:.1f} MiB after a third, {at_the_end}"


async def prove(number: int, seed: int, transport: str) -> int:
    """Attack, and say what came of it."""
    console = rich.console.Console(stderr=True)
    drawn = random.Random(seed)  # noqa: S311 - a choice of cases
    corpus = hostile.corpus()
    small = [case for case in corpus if len(case.data) <= LARGE_BYTES]
    large = [case for case in corpus if len(case.data) > LARGE_BYTES]
    wrong: list[str] = []
    async with serving(transport) as served:
        worker = served.worker()
        await attack(served, corpus, wrong)
        wrong += await slow_connections(served) if transport == "lean" else []
        for name in pressure.pressures() if transport == "lean" else ():
            wrong += await beside(served, name)
        first, done = 0, 0
        with rich.progress.Progress(console=console, transient=True) as progress:
            task = progress.add_task("attacking", total=number)
            while done < number:
                batch = min(1000, number - done)
                chosen = [
                    drawn.choice(large if drawn.random() < LARGE_SHARE else small)
                    for _ in range(batch)
                ]
                await attack(served, chosen, wrong)
                for path, body in hostile.GOOD.items():
                    if await served.attacker.good(path, body) != 200:
                        wrong.append(f"a good request to {path} was not answered")
                done += batch
                progress.update(task, completed=done)
                if not first and done >= max(WARM, number // 3):
                    first = served.resident_bytes()
        last = served.resident_bytes()
        if served.worker() != worker:
            wrong.append("the worker died and was replaced")
    wrong += _growth(first, last)
    for one, count in collections.Counter(wrong).most_common(20):
        print(f"{count} x {one}")  # noqa: T201 - the output
    print(  # noqa: T201 - likewise
        f"{number + len(corpus)} requests of {len(corpus)} sorts to {transport}, seed {seed}: "
        f"{len(wrong)} wrong; {_memory(first, last)}"
    )
    return 1 if wrong else 0


def main() -> int:
    """Read the options and prove."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--transport", choices=["lean", "aiohttp"], default="lean")
    parser.add_argument("--keep-up", help=argparse.SUPPRESS)
    parser.add_argument("--target", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--trust", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.keep_up is not None:
        asyncio.run(keep_up(given.keep_up, given.target, given.trust))
    return asyncio.run(prove(given.number, given.seed, given.transport))


if __name__ == "__main__":
    sys.exit(main())
