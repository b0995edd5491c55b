"""Proofs of ingest: convergence under loss and forgery, a rate, and a kill."""

import asyncio
import collections
import contextlib
import dataclasses
import datetime as dt
import multiprocessing
import os
import pathlib
import random
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
import orjson
import uvloop
from aiohttp.test_utils import TestServer

import crds
from controllers import kube
from controllers.kube import testing
from controllers.sources.api_constants import SOURCES
from controllers.sources.applier import Applier
from controllers.sources.payloads import signatures
from controllers.sources.receiving import endpoint
from controllers.sources.receiving.spool import Spool
from controllers.sources.repair.github_reader import GitHubReader
from controllers.sources.repair.repairer import Repairer
from controllers.sources.source_view import Source
from tests.support import source_bench, standin_github
from tests.support.source_bench import Replica, issue
from tests.support.standin_github import GitHub

KEY = kube.Key("team", "issues")
PAYLOAD = pathlib.Path(__file__).parents[1] / "data/payloads/github"
CHANGES = 5
LOST = 0.3
_CONNECTIONS = 16


@dataclasses.dataclass
class Converged:
    """What became of the histories.

    Attributes:
        statuses: Of honest deliveries.
        forged: Of forged and cut ones.
        expected: The newest state of each issue.
        after_deliveries: Share of issues whose newest state was applied before the repair.
        found: States of the ImplementationSpecs in the end, by issue.
        objects: Number of ImplementationSpecs.
    """

    statuses: collections.Counter[int]
    forged: collections.Counter[int]
    expected: dict[str, str]
    after_deliveries: float = 0.0
    found: dict[str, str] = dataclasses.field(default_factory=dict)
    objects: int = 0


async def converge(issues: int, seed: int, spool: pathlib.Path) -> Converged:
    """Deliver histories shuffled, twice, less 30 %, with forgeries; then repair."""
    rng = random.Random(seed)  # noqa: S311 - reproducible
    server, github = testing.ApiServer(crds.api), GitHub(dt.datetime(2026, 1, 2, tzinfo=dt.UTC))
    await source_bench.prepare(server)
    history: list[bytes] = []
    result = Converged(collections.Counter(), collections.Counter(), {})
    for number in range(1, issues + 1):
        # Two changes of an issue share a second.
        states = [(f"{number}: state {change}", change // 2) for change in range(CHANGES)]
        history += [issue(number, title, seconds=seconds) for title, seconds in states]
        github.change(number, *states[-1])
        result.expected[f"a/b#{number}"] = states[-1][0]
    sent = [body for body in history * 2 if rng.random() >= LOST]
    rng.shuffle(sent)
    async with (
        source_bench.serving(server, spool, rate=kube.Rate(qps=1e6, burst=10**6)) as one,
        source_bench.serving(server, rate=kube.Rate(qps=1e6, burst=10**6)) as other,
    ):
        queue = collections.deque(sent)

        async def deliver() -> None:
            while queue:
                body, replica = queue.popleft(), rng.choice((one, other))
                result.statuses[await replica.deliver(body)] += 1
                for forged in (body.replace(b"state", b"stole"), body[:-7]):
                    result.forged[await _forge(replica, forged, body)] += 1

        await asyncio.gather(*(deliver() for _ in range(_CONNECTIONS)))
        await testing.settle(lambda: not one.count("agents_source_waiting_issues"))
        found = _states(one)
        right = sum(found.get(name) == title for name, title in result.expected.items())
        result.after_deliveries = right / issues
        await _repair(one.client, github)
        result.found, result.objects = _states(one), len(one.specs())
    return result


async def _forge(replica: Replica, forged: bytes, body: bytes) -> int:
    signed = f"sha256={signatures.signature(source_bench.SECRET, body)}"
    return await replica.deliver(forged, X_Hub_Signature_256=signed)


def _states(bench: source_bench.Bench) -> dict[str, str]:
    return {spec["spec"]["source"]["externalId"]: spec["spec"]["summary"] for spec in bench.specs()}


async def _repair(client: kube.Client, github: GitHub) -> None:
    """Read the source once."""
    token = {"metadata": {"name": "token"}, "stringData": {"token": standin_github.TOKEN}}
    await client.create(kube.SECRETS, token, namespace=KEY.namespace)
    store: kube.Store[Source] = kube.Store()
    value = await client.get(SOURCES, KEY.name, namespace=KEY.namespace)
    store.put(kube.view_of(Source, value))
    applier = Applier(client, store.get)
    applying = asyncio.create_task(applier.run())
    async with TestServer(github.app()) as api, aiohttp.ClientSession() as session:
        reader = GitHubReader(session, str(api.make_url("")))
        await Repairer(client, store, applier, reader).read(KEY)
    applying.cancel()
    await asyncio.gather(applying, return_exceptions=True)


@dataclasses.dataclass
class Load:
    """A load of deliveries on one process.

    Attributes:
        statuses: Of the answers.
        seconds: Until each was answered, in order of the times.
        elapsed_seconds: Of all.
        cpu_seconds: Of the receiving process.
    """

    statuses: collections.Counter[int]
    seconds: list[float]
    elapsed_seconds: float
    cpu_seconds: float

    def quantile(self, share: float) -> float:
        """Seconds until this share was answered."""
        return self.seconds[min(len(self.seconds) - 1, int(len(self.seconds) * share))]


def load(count: int, per_second: float, spool: pathlib.Path) -> Load:
    """Deliver real payloads at a rate to a process with a spool; nothing is applied meanwhile."""
    with _process(spool, applies=False) as (port, process, pipe):
        statuses, seconds, elapsed = asyncio.run(_load(port, count, per_second, lambda _: None))
        pipe.send("stop")
        cpu_seconds = pipe.recv()
        process.join()
    return Load(statuses, sorted(seconds), elapsed, cpu_seconds)


def kill(count: int, spool: pathlib.Path) -> tuple[int, int]:
    """Kill a process under load; return how many deliveries it accepted, and how many are lost."""
    # Nothing is applied, so everything that was accepted has to be in the spool.
    with _process(spool, applies=False) as (port, process, _):
        accepted: list[int] = []

        def accept(number: int) -> None:
            accepted.append(number)
            if len(accepted) == count // 2:
                os.kill(process.pid or 0, signal.SIGKILL)

        asyncio.run(_load(port, count, 1e6, accept))
        process.join()

    async def kept() -> set[str]:
        async with Spool(spool) as opened:
            return {record.headers["x-github-delivery"] for record, _ in opened.recovered()}

    lost = {str(number) for number in accepted} - asyncio.run(kept())
    return len(accepted), len(lost)


@contextlib.contextmanager
def _process(
    spool: pathlib.Path, *, applies: bool = True
) -> Iterator[tuple[int, multiprocessing.process.BaseProcess, Connection]]:
    """A receiving process: its port, itself, and a pipe to stop it."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_receive, args=(spool, there, applies))
    process.start()
    try:
        yield here.recv(), process, here
    finally:
        process.kill()
        process.join()


def _receive(spool: pathlib.Path, pipe: Connection, applies: bool) -> None:  # noqa: FBT001 - pickled
    uvloop.run(_received(spool, pipe, applies=applies))


async def _received(spool: pathlib.Path, pipe: Connection, *, applies: bool) -> None:
    server = testing.ApiServer(crds.api)
    await source_bench.prepare(server)
    if not applies:
        server.refuse(plural="implementationspecs", code=500, times=10**9)
    async with source_bench.serving(
        server,
        spool,
        answer_seconds=endpoint.ANSWER_SECONDS,
        rate=kube.Rate(qps=1e6, burst=10**6),
    ) as bench:
        pipe.send(int(bench.url.rpartition(":")[2]))
        began = time.process_time()
        await asyncio.to_thread(pipe.recv)
        pipe.send(time.process_time() - began)


def _request(number: int, base: dict[str, Any]) -> bytes:
    """A signed request: a real payload about one of 20 issues."""
    when = dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=number)
    changed = {"number": number % 20 + 1, "updated_at": when.isoformat().replace("+00:00", "Z")}
    shown = {
        "issue": base["issue"] | changed,
        "repository": base["repository"] | {"full_name": "a/b"},
    }
    body = orjson.dumps(base | shown)
    signed = signatures.signature(source_bench.SECRET, body)
    head = (
        "POST /v1/sources/team/issues HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nX-GitHub-Event: issues\r\nX-GitHub-Delivery: {number}\r\n"
        f"X-Hub-Signature-256: sha256={signed}\r\n\r\n"
    )
    return head.encode() + body


async def _load(
    port: int, count: int, per_second: float, on_accept: Callable[[int], None]
) -> tuple[collections.Counter[int], list[float], float]:
    """Send requests at their times; return statuses, seconds of each, and of all."""
    base = orjson.loads((PAYLOAD / "issues.opened.with-organization.json").read_bytes())
    requests = iter([(number, _request(number, base)) for number in range(count)])
    statuses: collections.Counter[int] = collections.Counter()
    seconds: list[float] = []
    began = time.perf_counter()

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, request in requests:
            await asyncio.sleep(max(0.0, began + number / per_second - time.perf_counter()))
            sent = time.perf_counter()
            writer.write(request)
            line = await reader.readline()
            if not line:
                return
            await reader.readuntil(b"\r\n\r\n")
            seconds.append(time.perf_counter() - sent)
            statuses[int(line.split()[1])] += 1
            if b" 202 " in line:
                on_accept(number)

    async def send_until_closed() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await send(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the process was killed
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    await asyncio.gather(*(send_until_closed() for _ in range(_CONNECTIONS)))
    return statuses, seconds, time.perf_counter() - began
