"""Mixed load for a time, with faults at a fixed rate: a fault must explain every error.

The only fault that may cost a call is a worker that is killed, and only calls under way meanwhile.
"""

import asyncio
import collections
import contextlib
import dataclasses
import datetime as dt
import pathlib
import random
import signal
import ssl
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import orjson

import crds
from certs.directory import files as certificates
from certs.directory.contents import CA_CERTIFICATE, CERTIFICATE, KEY
from controllers import devcluster, kube
from controllers.process import addresses
from tests.support import hostile, replicas
from tests.support.traffic import Failed, Traffic
from webhooks import answers, routing
from webhooks.cluster import install

FAULT_EVERY_SECONDS = 1.0
# From a worker's end until the kernel has told every client, and the API server has called again.
EXPLAINS_SECONDS = 2.0
CLIENTS = 4
HOSTILE_AT_ONCE = 20
LARGE_OBJECTS = 400
GOOD_SETTINGS, BROKEN_SETTINGS = "policy: {}\n", "policy: [\n"

DATA = pathlib.Path(__file__).parents[1] / "data"
ASKED = [
    (path, file.read_bytes())
    for path, folder in (
        ("/mutate", "admission/pass"),
        ("/validate", "admission/pass"),
        ("/validate", "admission/fail"),
        ("/convert", "conversion/pass"),
    )
    for file in sorted((DATA / folder).glob("*.json"))
    if not file.name.endswith(".answer.json")
]


@dataclasses.dataclass
class Soak:
    """What came of it.

    Attributes:
        reviews: Asked of the server directly.
        faults: By name.
        explained: Errors of calls that were under way when a worker was killed.
        unexplained: All others.
        killed: When (``time.monotonic``).
    """

    traffic: Traffic
    reviews: int = 0
    faults: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    killed: list[float] = dataclasses.field(default_factory=list)
    failed: list[Failed] = dataclasses.field(default_factory=list)

    def errors(self) -> tuple[list[Failed], list[Failed]]:
        """Those that a fault explains, and those that none does."""
        found: tuple[list[Failed], list[Failed]] = ([], [])
        for one in [*self.failed, *self.traffic.failed]:
            found[not self._is_explained(one)].append(one)
        return found

    def when(self, one: Failed) -> str:
        """An error, and how long after each kill its call began and ended."""
        after = ", ".join(f"{one.started - at:.2f} to {one.ended - at:.2f}" for at in self.killed)
        return f"{one} (began and ended, in seconds after each kill: {after or 'none'})"

    def _is_explained(self, one: Failed) -> bool:
        return any(one.started <= at + EXPLAINS_SECONDS and one.ended >= at for at in self.killed)


class Faults:
    """What goes wrong around a server."""

    def __init__(
        self, soak: Soak, replica: replicas.Replica, directory: pathlib.Path, seed: int
    ) -> None:
        self._soak, self._replica, self._directory = soak, replica, directory
        self._rng = random.Random(seed)  # noqa: S311 - a choice of faults
        text = (directory / "certificates" / CA_CERTIFICATE).read_text()
        self.trust = ssl.create_default_context(cadata=text)
        self._attacker = hostile.Attacker("127.0.0.1", replica.port, self.trust)
        self._corpus = [one for one in hostile.corpus() if len(one.data) < 2**18]
        self._all: list[Callable[[], Any]] = [
            *(self.kill, self.reload, self.renew, self.break_settings, self.mend_settings),
            *(self.attack, self.vanish, self.ask_much, self.look),
        ]

    async def one(self) -> None:
        """One fault."""
        fault = self._rng.choice(self._all)
        self._soak.faults[fault.__name__] += 1
        await fault()

    async def kill(self) -> None:
        """A worker ends without warning."""
        self._soak.killed.append(time.monotonic())
        self._replica.kill_a_worker()

    async def reload(self) -> None:
        """An operator sends SIGHUP."""
        self._replica.process.send_signal(signal.SIGHUP)

    async def renew(self) -> None:
        """The leaf is replaced, and for a moment there is none."""
        folder = self._directory / "certificates"
        for name in (KEY, CERTIFICATE):
            (folder / name).unlink(missing_ok=True)
        certificates.load_or_create(folder, addresses.names("127.0.0.1"), dt.datetime.now(dt.UTC))

    async def break_settings(self) -> None:
        """Somebody mistypes the settings."""
        (self._directory / "settings.yaml").write_text(BROKEN_SETTINGS)

    async def mend_settings(self) -> None:
        """Somebody corrects them."""
        (self._directory / "settings.yaml").write_text(GOOD_SETTINGS)

    async def attack(self) -> None:
        """Broken and harmful requests."""
        for case in self._rng.sample(self._corpus, HOSTILE_AT_ONCE):
            started = time.monotonic()
            try:
                status = await self._attacker.send(case)
            except (OSError, TimeoutError) as error:
                self._note(f"hostile {case.name}", started, repr(error))
                continue
            if status not in case.statuses:
                self._note(f"hostile {case.name}", started, f"got {status}")

    async def vanish(self) -> None:
        """A client sends half a request and is gone."""
        body = hostile.request("/validate", hostile.RUN)
        with contextlib.suppress(OSError):
            _, writer = await self._attacker.connection()
            writer.write(body[: len(body) // 2])
            writer.transport.abort()

    async def ask_much(self) -> None:
        """A list of many objects is converted."""
        review = orjson.loads(hostile.GOOD["/convert"])
        review["request"]["objects"] *= LARGE_OBJECTS
        started = time.monotonic()
        try:
            status = await self._attacker.good("/convert", orjson.dumps(review))
        except (OSError, TimeoutError) as error:
            self._note("large conversion", started, repr(error))
            return
        if status != 200:
            self._note("large conversion", started, f"got {status}")

    async def look(self) -> None:
        """Prometheus and the kubelet look."""
        started = time.monotonic()
        async with aiohttp.ClientSession() as session:
            for path in ("/metrics", "/livez", "/readyz"):
                async with session.get(self._replica.health + path) as answer:
                    if answer.status != 200:
                        self._note(f"GET {path}", started, await answer.text())

    def _note(self, what: str, started: float, error: str) -> None:
        self._soak.failed.append(Failed(what, started, time.monotonic(), error))


async def soak(
    cluster: devcluster.Cluster,
    directory: pathlib.Path,
    *,
    seconds: float,
    seed: int,
    clients: int = CLIENTS,
    pause_seconds: float = 0.0,
    tell: Callable[[float], None] = lambda _: None,
) -> Soak:
    """Load and faults for so many seconds; so many clients of the API server, and of the server."""
    folder = directory / "certificates"
    bundle = certificates.load_or_create(
        folder, addresses.names("127.0.0.1"), dt.datetime.now(dt.UTC)
    )
    assert bundle.ca_pem is not None
    (directory / "settings.yaml").write_text(GOOD_SETTINGS)
    replica = await replicas.started(
        directory,
        "soaked",
        *("--kubeconfig", str(cluster.admin_kubeconfig), "--workers", "2", "--verify-answers"),
        *("--settings", str(directory / "settings.yaml")),
        *("--cert-dir", str(directory / "certificates")),
    )
    async with kube.Client.from_kubeconfig(
        cluster.admin_kubeconfig, on_warning=lambda _: None
    ) as client:
        base_url = f"https://127.0.0.1:{replica.port}"
        await install.install(client, crds.api, base_url=base_url, ca_pem=bundle.ca_pem)
        found = Soak(Traffic(client, "default", clients=clients, pause_seconds=pause_seconds))
        faults = Faults(found, replica, directory, seed)
        stopped = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(found.traffic.flow(stopped))
            for number in range(clients):
                group.create_task(_ask(found, base_url, faults.trust, stopped, number))
            group.create_task(_disturb(found, faults, seconds, stopped, tell))
    code = await replica.stop()
    if code:
        now = time.monotonic()
        found.failed.append(Failed("SIGTERM", now, now, f"exit code {code}"))
    return found


async def _disturb(
    found: Soak,
    faults: Faults,
    seconds: float,
    stopped: asyncio.Event,
    tell: Callable[[float], None],
) -> None:
    started = time.monotonic()
    while time.monotonic() < started + seconds:
        await asyncio.sleep(FAULT_EVERY_SECONDS)
        await faults.one()
        tell(time.monotonic() - started)
    del found
    stopped.set()


async def _ask(
    found: Soak, url: str, trust: ssl.SSLContext, stopped: asyncio.Event, number: int
) -> None:
    """Ask the server directly, and compare whole answers with those of the pure functions."""
    rng = random.Random(number)  # noqa: S311 - a choice of reviews
    wanted = [_wanted(path, body) for path, body in ASKED]
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:
        while not stopped.is_set():
            at = rng.randrange(len(ASKED))
            path, body = ASKED[at]
            started = time.monotonic()
            found.reviews += 1
            try:
                async with session.post(url + path, data=body, headers=headers) as answer:
                    got = await answer.read()
            except (aiohttp.ClientError, OSError) as error:
                found.failed.append(Failed(path, started, time.monotonic(), repr(error)))
                continue
            if orjson.loads(got) != wanted[at]:
                found.failed.append(Failed(path, started, time.monotonic(), got.decode()[:500]))
            await asyncio.sleep(found.traffic.pause_seconds)


def _wanted(path: str, body: bytes) -> Any:
    answer = routing.answer(routing.routes(crds.api)[path], body)
    assert isinstance(answer, answers.Answer)
    return orjson.loads(answer.body)
