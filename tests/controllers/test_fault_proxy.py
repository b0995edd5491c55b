"""The fault proxy on a real API server: quiet it changes nothing, and each fault is as it says."""

import asyncio
import contextlib
import dataclasses
import itertools
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal

import aiohttp
import pytest

from controllers import kube
from controllers.kube import requests
from tests.support import faults, kube_calls
from tests.support.fault_proxy import Port, Proxy
from tests.support.faults import CrashAt, Plan, Rates, Turn

pytestmark = pytest.mark.e2e

SECONDS = 120.0
MAPS = kube.CONFIG_MAPS
CREATE = Turn("create", "configmaps", 1)
PATCH = Turn("patch", "configmaps", 1)
WATCH = Turn("watch", "configmaps", 1)


@pytest.fixture
async def client(api_server: Any) -> AsyncIterator[kube.Client]:
    """Past the proxy: the truth."""
    async with kube.Client.from_kubeconfig(api_server.admin_kubeconfig) as opened:
        yield opened


@pytest.fixture
async def namespace(client: kube.Client) -> AsyncIterator[str]:
    body = {"metadata": {"generateName": "fault-proxy-"}}
    name = (await client.create(kube.NAMESPACES, body))["metadata"]["name"]
    yield name
    await client.delete(kube.NAMESPACES, name)


@pytest.fixture
async def proxy(api_server: Any) -> AsyncIterator[Proxy]:
    async with Proxy(api_server.admin_kubeconfig) as opened:
        yield opened


@pytest.fixture
async def port(proxy: Proxy) -> Port:
    return await proxy.open()


@pytest.fixture
async def through(port: Port, tmp_path: pathlib.Path) -> AsyncIterator[kube.Client]:
    async with kube.Client.from_kubeconfig(port.kubeconfig(tmp_path)) as opened:
        yield opened


def body(name: str, **data: str) -> kube.JSON:
    named = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    return {**named, "data": data}


async def names(client: kube.Client, namespace: str) -> list[str]:
    """What there really is."""
    listing = await client.list(MAPS, namespace=namespace)
    found = [one["metadata"]["name"] for one in listing.items]
    return sorted(one for one in found if one != "kube-root-ca.crt")


def scripted(*script: tuple[Turn, faults.Fault], crash: CrashAt | None = None) -> Plan:
    return Plan(script=dict(script), crash=crash)


# Quiet.


async def test_every_verb_passes_a_quiet_proxy(
    client: kube.Client, through: kube.Client, port: Port, namespace: str
) -> None:
    created = await through.create(MAPS, body("a", x="1"), namespace=namespace)
    assert created == await through.get(MAPS, "a", namespace=namespace)
    listing = await through.list(MAPS, namespace=namespace, fields="metadata.name=a")
    assert [created] == [*listing.items]
    watch = through.watch(MAPS, namespace=namespace, resource_version=listing.resource_version)
    await through.replace(MAPS, created | {"data": {"x": "2"}})
    await through.patch(MAPS, "a", {"data": {"y": "3"}}, namespace=namespace)
    applied = await through.apply(MAPS, body("b", z="4"), field_manager="m", namespace=namespace)
    await through.delete(MAPS, "a", namespace=namespace)
    seen = [await anext(watch) for _ in range(4)]
    await watch.aclose()
    with pytest.raises(kube.NotFoundError) as missing:
        await through.get(MAPS, "a", namespace=namespace)
    with pytest.raises(kube.ConflictError):
        await through.replace(MAPS, applied | {"metadata": {**applied["metadata"], "uid": "x"}})

    assert 'configmaps "a" not found' in str(missing.value)
    data = [(event.type, event.object["metadata"]["name"], event.object["data"]) for event in seen]
    assert data == [
        ("MODIFIED", "a", {"x": "2"}),
        ("MODIFIED", "a", {"x": "2", "y": "3"}),
        ("ADDED", "b", {"z": "4"}),
        ("DELETED", "a", {"x": "2", "y": "3"}),
    ]
    assert ["b"] == await names(client, namespace)
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    assert [(one.ordinal, one.verb, one.path, one.name, one.status) for one in port.writes] == [
        (1, "create", path, "a", 201),
        (2, "update", f"{path}/a", "a", 200),
        (3, "patch", f"{path}/a", "a", 200),
        (4, "patch", f"{path}/b", "b", 201),
        (5, "delete", f"{path}/a", "a", 200),
        (6, "update", f"{path}/b", "b", 409),
    ]
    assert [] == port.dealt


async def test_kubectl_passes_a_quiet_proxy(
    api_server: Any, port: Port, namespace: str, tmp_path: pathlib.Path
) -> None:
    """A client in Go."""
    config = port.kubeconfig(tmp_path)

    async def kubectl(*arguments: str) -> str:
        command = [api_server.kubectl_path, "--kubeconfig", config, "-n", namespace, *arguments]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    created = await kubectl("create", "configmap", "a", "--from-literal=x=1")
    found = await kubectl("get", "configmap", "a", "-o", "jsonpath={.data.x}")
    watched = await kubectl("wait", "configmap/a", "--for=jsonpath={.data.x}=1", "--timeout=10s")

    assert ("configmap/a created", "1", "configmap/a condition met") == (created, found, watched)


async def test_client_that_would_rather_speak_protobuf_is_answered_in_json(port: Port) -> None:
    headers = {"Accept": "application/vnd.kubernetes.protobuf,application/json"}

    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{port.url}/api/v1/namespaces/default") as answer,
    ):
        found = await answer.json()

    assert ("Namespace", "default") == (found["kind"], found["metadata"]["name"])


async def test_watch_ends_with_its_client(
    client: kube.Client, through: kube.Client, namespace: str
) -> None:
    """Not with its timeout: how many the API server has says itself."""

    async def count() -> int:
        text = await client.body(requests.Request("GET", "/metrics"))
        lines = text.decode().splitlines()
        found = [one for one in lines if one.startswith("apiserver_longrunning_requests{")]
        return sum(int(float(one.split()[-1])) for one in found if 'resource="secrets"' in one)

    async def follow() -> None:
        async for _ in through.watch(kube.SECRETS, namespace=namespace):
            pass

    before = await count()
    watching = asyncio.create_task(follow())
    async with asyncio.timeout(SECONDS):
        while await count() == before:  # noqa: ASYNC110 - another process' counter
            await asyncio.sleep(0.02)
        watching.cancel()
        while await count() != before:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.02)


# One fault at a time.


@pytest.mark.parametrize(
    ("fault", "error", "landed"),
    [
        (faults.Drop("before"), kube.UnreachableError, []),
        (faults.Drop("after"), kube.UnreachableError, ["a"]),
        (faults.Fail(), kube.ApiError, ["a"]),
    ],
)
async def test_lost_write_lands_or_does_not(  # noqa: PLR0917 - fixtures
    client: kube.Client,
    through: kube.Client,
    port: Port,
    namespace: str,
    fault: faults.Fault,
    error: type[Exception],
    landed: list[str],
) -> None:
    port.plan = scripted((CREATE, fault))

    with pytest.raises(error) as caught:
        await through.create(MAPS, body("a"), namespace=namespace)

    assert error is type(caught.value)
    assert landed == await names(client, namespace)
    assert [(CREATE, fault)] == port.dealt
    assert [(fault, 201 if landed else None)] == [(one.fault, one.status) for one in port.writes]
    await through.create(MAPS, body("b"), namespace=namespace)


@pytest.mark.parametrize(
    ("refusal", "error", "reason"),
    [
        (faults.Refuse(409), kube.ConflictError, "Conflict"),
        (faults.Refuse(429), kube.TooManyRequestsError, "TooManyRequests"),
        (faults.Refuse(500), kube.ApiError, "InternalError"),
        (faults.Refuse(503), kube.ApiError, "ServiceUnavailable"),
        (faults.Refuse(504), kube.ApiError, "Timeout"),
    ],
)
async def test_refused_write_does_not_land(  # noqa: PLR0917 - fixtures
    client: kube.Client,
    through: kube.Client,
    port: Port,
    namespace: str,
    refusal: faults.Refuse,
    error: type[kube.ApiError],
    reason: str,
) -> None:
    before = await client.create(MAPS, body("a", x="1"), namespace=namespace)
    port.plan = scripted((PATCH, refusal))

    with pytest.raises(error) as caught:
        await through.patch(MAPS, "a", {"data": {"x": "2"}}, namespace=namespace)

    assert (refusal.code, reason) == (caught.value.code, caught.value.reason)
    assert {"name": "a", "kind": "configmaps"} == caught.value.status["details"]
    assert before == await client.get(MAPS, "a", namespace=namespace)


@pytest.mark.parametrize("seconds", [0, 1])
async def test_overloaded_proxy_says_when_to_come_back(
    through: kube.Client, port: Port, namespace: str, *, seconds: int
) -> None:
    port.plan = scripted((CREATE, faults.Refuse(429, seconds)))
    started = time.monotonic()

    await through.create(MAPS, body("a"), namespace=namespace)

    assert seconds <= time.monotonic() - started < seconds + 0.9
    assert [None, 201] == [one.status for one in port.writes]


@pytest.mark.parametrize(("when", "landed"), [("before", []), ("after", ["a"])])
async def test_delayed_write_lands_later_or_its_answer_comes_later(  # noqa: PLR0917 - fixtures
    client: kube.Client,
    through: kube.Client,
    port: Port,
    namespace: str,
    when: faults.When,
    landed: list[str],
) -> None:
    port.plan = scripted((CREATE, faults.Delay(when, 0.6)))

    writing = asyncio.create_task(through.create(MAPS, body("a"), namespace=namespace))
    await asyncio.sleep(0.3)
    meanwhile = await names(client, namespace), writing.done()
    await writing

    assert (landed, False) == meanwhile
    assert ["a"] == await names(client, namespace)


async def test_quiet_ends_what_is_delayed(
    through: kube.Client, proxy: Proxy, port: Port, namespace: str
) -> None:
    port.plan = scripted((CREATE, faults.Delay("before", 60.0)))

    writing = asyncio.create_task(through.create(MAPS, body("a"), namespace=namespace))
    async with asyncio.timeout(SECONDS):
        while not port.dealt:  # noqa: ASYNC110 - the proxy's own list
            await asyncio.sleep(0.01)
        proxy.quiet()
        await writing


async def test_list_is_answered_from_the_past(
    through: kube.Client, port: Port, namespace: str
) -> None:
    for name in "abc":
        await through.create(MAPS, body(name, x=name), namespace=namespace)
    port.plan = scripted((Turn("list", "configmaps", 1), faults.Past(1)))

    past, present = [
        [one["metadata"]["name"] for one in (await through.list(MAPS, namespace=namespace)).items]
        for _ in range(2)
    ]

    assert (["a", "b"], ["a", "b", "c"]) == (past, present)


async def test_list_that_asks_for_a_revision_is_not_answered_from_before(
    through: kube.Client, port: Port, namespace: str
) -> None:
    await through.create(MAPS, body("b"), namespace=namespace)
    written = await through.create(MAPS, body("c"), namespace=namespace)
    port.plan = scripted((Turn("list", "configmaps", 1), faults.Past(1)))
    query = (
        ("resourceVersion", written["metadata"]["resourceVersion"]),
        ("resourceVersionMatch", "NotOlderThan"),
    )
    request = requests.Request("GET", MAPS.path(namespace), query)

    answer = await through.body(request)

    assert b'"name":"c"' in answer
    assert [] == port.dealt


async def test_page_of_a_list_expires(through: kube.Client, port: Port, namespace: str) -> None:
    """And the client lists all at once."""
    for name in "abc":
        await through.create(MAPS, body(name), namespace=namespace)
    refusal = (Turn("page", "configmaps", 1), faults.Refuse(410))
    port.plan = scripted(refusal)

    listing = await through.list(MAPS, namespace=namespace, page_size=2)

    assert ["a", "b", "c"] == [one["metadata"]["name"] for one in listing.items]
    assert [refusal] == port.dealt


# Watches.


@dataclasses.dataclass
class Watched:
    """What a watch brought, and how it ended."""

    seen: list[tuple[str, str, float]] = dataclasses.field(default_factory=list)
    error: kube.KubeError | None = None

    @property
    def names(self) -> str:
        return "".join(name for _, name, _ in self.seen)


async def watched(
    client: kube.Client, namespace: str, version: str, *, until: str, silence_seconds: float = 5.0
) -> Watched:
    """Follow until an object of a name comes, or the watch ends."""
    found = Watched()
    watch = client.watch(
        MAPS,
        namespace=namespace,
        resource_version=version,
        timeout_seconds=10,
        silence_seconds=silence_seconds,
    )
    async with contextlib.aclosing(watch):
        try:
            async for event in watch:
                name = event.object["metadata"].get("name", "")
                found.seen.append((event.type, name, time.monotonic()))
                if name == until:
                    break
        except kube.KubeError as error:
            found.error = error
    return found


@pytest.fixture
async def version(client: kube.Client, namespace: str) -> str:
    """From before a to e were made, one after the other."""
    listing = await client.list(MAPS, namespace=namespace)
    for name in "abcde":
        await client.create(MAPS, body(name), namespace=namespace)
    return listing.resource_version


@pytest.mark.parametrize("is_clean", [False, True])
async def test_watch_is_cut_within_a_line(
    through: kube.Client, port: Port, namespace: str, version: str, *, is_clean: bool
) -> None:
    port.plan = scripted((WATCH, faults.Cut(2, 0.5, is_clean=is_clean)))

    found = await watched(through, namespace, version, until="e")

    assert "ab" == found.names
    assert type(found.error) is kube.UnreachableError
    assert is_clean == ("closed the connection within an event" in str(found.error))


async def test_watch_falls_silent_and_stays_open(
    through: kube.Client, port: Port, namespace: str, version: str
) -> None:
    port.plan = scripted((WATCH, faults.Silence(2, 60.0)))

    found = await watched(through, namespace, version, until="e", silence_seconds=0.3)

    assert "ab" == found.names
    assert type(found.error) is kube.DeadlineExceededError


async def test_silent_watch_ends(
    through: kube.Client, port: Port, namespace: str, version: str
) -> None:
    port.plan = scripted((WATCH, faults.Silence(2, 0.3)))

    found = await watched(through, namespace, version, until="e")

    assert "ab" == found.names
    assert type(found.error) is kube.UnreachableError


async def test_watch_expires(
    through: kube.Client, port: Port, namespace: str, version: str
) -> None:
    port.plan = scripted((WATCH, faults.Expire(3)))

    found = await watched(through, namespace, version, until="e")

    assert "abc" == found.names
    assert isinstance(found.error, kube.GoneError)
    assert found.error.message.startswith("too old resource version: ")


async def test_event_is_sent_twice_and_the_next_fault_follows(
    through: kube.Client, port: Port, namespace: str, version: str
) -> None:
    port.plan = scripted((WATCH, faults.Duplicate(2)), (WATCH._replace(step=1), faults.Expire(1)))

    found = await watched(through, namespace, version, until="e")

    assert "abbc" == found.names
    assert isinstance(found.error, kube.GoneError)
    assert [0, 1] == [one.turn.step for one in port.dealt]


async def test_events_are_held_and_then_sent_in_order(
    through: kube.Client, port: Port, namespace: str, version: str
) -> None:
    port.plan = scripted((WATCH, faults.Hold(2, 0.5)))

    found = await watched(through, namespace, version, until="e")

    assert "abcde" == found.names
    times = [at for _, _, at in found.seen]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert [False, True, False, False] == [pause > 0.4 for pause in pauses]


async def test_watch_that_lists_begins_in_the_past_and_catches_up(
    through: kube.Client, port: Port, namespace: str
) -> None:
    for name in "abc":
        await through.create(MAPS, body(name), namespace=namespace)
    await through.delete(MAPS, "a", namespace=namespace)
    await through.patch(MAPS, "b", {"data": {"x": "1"}}, namespace=namespace)
    port.plan = scripted((Turn("watchlist", "configmaps", 1), faults.Past(1)))
    request = requests.watch(
        MAPS,
        kube.Selection(namespace=namespace),
        resource_version=None,
        timeout_seconds=10,
        sends_initial=True,
    )

    events = []
    async with contextlib.aclosing(through.lines(request)) as lines:
        async for line in lines:
            seen = kube_calls.event(line)
            events.append((seen.type, seen.metadata.name))
            if seen.type == "DELETED":
                break

    listed = [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c"), ("BOOKMARK", "")]
    assert [*listed, ("DELETED", "a")] == events


async def test_frozen_port_shows_the_past_until_it_thaws(
    client: kube.Client, through: kube.Client, port: Port, namespace: str, version: str
) -> None:
    """While everybody else moves on."""
    async with port.frozen() as revision:
        await client.create(MAPS, body("f"), namespace=namespace)
        watching = asyncio.create_task(watched(through, namespace, version, until="f"))
        listing = await through.list(MAPS, namespace=namespace)
        await asyncio.sleep(0.3)
        got = await through.get(MAPS, "f", namespace=namespace)
        thawed = time.monotonic()
    found = await watching

    assert listing.resource_version == str(revision)
    assert "abcde" == "".join(one["metadata"]["name"] for one in listing.items)
    assert "f" == got["metadata"]["name"]
    assert "abcdef" == found.names
    assert [True] * 5 + [False] == [at < thawed for _, _, at in found.seen]


# Many.


async def calls(client: kube.Client, namespace: str) -> None:
    """The same ones each time, one after the other."""
    for number in range(15):
        for call in (
            client.create(MAPS, body(f"m{number}"), namespace=namespace),
            client.get(MAPS, f"m{number}", namespace=namespace),
            client.patch(MAPS, f"m{number}", {"data": {"x": "1"}}, namespace=namespace),
        ):
            with contextlib.suppress(kube.KubeError):
                await call


async def test_same_seed_deals_the_same_and_its_report_deals_it_again(
    through: kube.Client, port: Port, client: kube.Client, namespace: str
) -> None:
    rates = Rates(drop_after=0.1, fail=0.1, conflict=0.1, error=0.1, unavailable=0.1)
    plans, dealt = [Plan(3, rates), Plan(3, rates), Plan(4, rates)], []
    for plan in plans:
        port.plan = plan
        await calls(through, namespace)
        dealt.append(port.dealt)
        for name in await names(client, namespace):
            await client.delete(MAPS, name, namespace=namespace)
    port.plan = plans[0]
    await calls(through, namespace)
    report = port.report()

    port.plan = eval(report.partition("faults: ")[2], {**vars(faults)})  # noqa: S307 - ours
    for name in await names(client, namespace):
        await client.delete(MAPS, name, namespace=namespace)
    await calls(through, namespace)

    assert dealt[0] == dealt[1]
    assert dealt[0] != dealt[2]
    assert len(dealt[0]) > 5
    assert report.startswith(f"controller: seed 3 dealt {len(dealt[0])} faults: Plan(seed=3, ")
    assert "\n" not in report
    assert dealt[0] == port.dealt


async def test_ports_of_one_proxy_have_plans_of_their_own(
    proxy: Proxy, tmp_path: pathlib.Path, namespace: str
) -> None:
    good = await proxy.open("good")
    bad = await proxy.open("bad", Plan(rates=Rates(error=1.0)))
    configs = [one.kubeconfig(tmp_path) for one in (good, bad)]

    async with (
        kube.Client.from_kubeconfig(configs[0]) as first,
        kube.Client.from_kubeconfig(configs[1]) as second,
    ):
        await first.create(MAPS, body("a"), namespace=namespace)
        with pytest.raises(kube.ApiError, match="refused on the way"):
            await second.create(MAPS, body("b"), namespace=namespace)
        bad.plan = faults.QUIET
        await second.create(MAPS, body("c"), namespace=namespace)

    assert [["a"], ["b", "c"]] == [[one.name for one in each.writes] for each in (good, bad)]


class Map(kube.Projection, frozen=True):
    """The view."""

    data: Mapping[str, str] = {}


class Told:
    """A reflector, and whether the changes that it tells make sense one after the other."""

    def __init__(self, client: kube.Client, namespace: str) -> None:
        self.store = kube.Store[Map]()
        self.known: dict[kube.Key, Map] = {}
        self.wrong: list[kube.Change[Map]] = []
        self.reflector = kube.Reflector(
            client,
            MAPS,
            Map,
            self.store,
            self._note,
            selection=kube.Selection(namespace=namespace),
            silence_seconds=0.4,
            sleep=lambda _: asyncio.sleep(0.02),
        )

    def _note(self, change: kube.Change[Map]) -> None:
        if change.before != self.known.get(change.key) or change.before == change.after:
            self.wrong.append(change)
        self.known.pop(change.key, None)
        if change.after is not None:
            self.known[change.key] = change.after

    async def until_seen(self, name: str, namespace: str) -> None:
        async with asyncio.timeout(SECONDS):
            while self.store.get(kube.Key(namespace, name)) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def change_much(client: kube.Client, namespace: str, seed: int) -> None:
    """Objects come, change, go, and come again under their name."""
    rng = random.Random(seed)  # noqa: S311 - a choice of changes
    present: set[str] = set()
    for number in range(200):
        name = rng.choice("abcdefgh")
        if name not in present:
            await client.create(MAPS, body(name, x=str(number)), namespace=namespace)
            present.add(name)
        elif rng.random() < 0.4:
            await client.delete(MAPS, name, namespace=namespace)
            present.remove(name)
        else:
            data = {"data": {"x": str(number)}}
            await client.patch(MAPS, name, data, namespace=namespace)
        await asyncio.sleep(0.02 * rng.random())


MUCH = Rates(
    **dict.fromkeys(["cut", "expire", "duplicate", "hold", "silence"], 0.12),
    **dict.fromkeys(["drop_before", "error", "unavailable", "timeout", "delay_before"], 0.03),
    past=0.2,
)
SHORT = faults.Bounds(
    delay_seconds=(0.01, 0.2), silence_seconds=(0.1, 0.6), hold_seconds=(0.1, 0.3), events=(0, 5)
)


@pytest.mark.parametrize("plan", [faults.QUIET, *(Plan(seed, MUCH, SHORT) for seed in range(3))])
async def test_reflector_converges_and_tells_what_changed(
    client: kube.Client, through: kube.Client, port: Port, namespace: str, plan: Plan
) -> None:
    told = Told(through, namespace)
    port.plan = plan
    following = asyncio.create_task(told.reflector.run())

    await change_much(client, namespace, plan.seed)
    port.quiet()
    await client.create(MAPS, body("last"), namespace=namespace)
    await told.until_seen("last", namespace)
    following.cancel()

    listing = await client.list(MAPS, namespace=namespace)
    truth = {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in listing.items}
    for found in (told.store, told.known.values()):
        versions = {one.metadata.name: one.metadata.resource_version for one in found}
        assert truth == versions, port.report()
    assert [] == told.wrong, port.report()
    assert (len(port.dealt) >= 10) == (plan != faults.QUIET), port.report()


# Crashes.

LANDED = {"before": ["a", "b"], "after_commit": ["a", "b", "c"], "after_ack": ["a", "b", "c"]}
ACKNOWLEDGED = {"before": "ab", "after_commit": "ab", "after_ack": "abc"}


@pytest.mark.parametrize("when", LANDED)
async def test_crash_is_at_its_write(
    client: kube.Client, through: kube.Client, port: Port, namespace: str, when: Any
) -> None:
    """Leases do not count, and what a cancelled task does at its end does not land."""
    crashed: list[list[str]] = []
    acknowledged: list[str] = []

    async def controller() -> None:
        try:
            for name in "abcde":
                lease = {"metadata": {"name": name}}
                await through.create(kube.LEASES, lease, namespace=namespace)
                await through.create(MAPS, body(name), namespace=namespace)
                acknowledged.append(name)
        finally:
            await through.create(MAPS, body("goodbye"), namespace=namespace)

    def on_crash() -> None:
        crashed.append([*acknowledged])
        running.cancel()

    port.on_crash = on_crash
    port.plan = scripted(crash=CrashAt(3, when))
    running = asyncio.create_task(controller())
    async with asyncio.timeout(SECONDS):
        await asyncio.wait([running])

    assert port.crashed.is_set()
    assert 1 == len(crashed)
    assert LANDED[when] == await names(client, namespace)
    counted = [one for one in port.writes if one.ordinal]
    assert [1, 2, 3] == [one.ordinal for one in counted]
    assert (CrashAt(3, when), None if when == "before" else 201) == (
        counted[-1].fault,
        counted[-1].status,
    )
    port.quiet()
    await through.create(MAPS, body("z"), namespace=namespace)


@pytest.mark.parametrize("when", LANDED)
async def test_crash_is_before_or_after_the_acknowledgement(
    client: kube.Client, through: kube.Client, port: Port, namespace: str, when: Any
) -> None:
    """Seen by a controller that survives it."""
    landed_then: list[asyncio.Task[list[str]]] = []
    port.on_crash = lambda: landed_then.append(asyncio.create_task(names(client, namespace)))
    port.plan = scripted(crash=CrashAt(3, when))

    acknowledged = ""
    for name in "abcde":
        with contextlib.suppress(kube.UnreachableError):
            await through.create(MAPS, body(name), namespace=namespace)
            acknowledged += name

    assert ACKNOWLEDGED[when] == acknowledged
    assert LANDED[when] == await landed_then[0] == await names(client, namespace)


PROGRAM = """
import asyncio, sys
from controllers import kube

async def main():
    async with kube.Client.from_kubeconfig(sys.argv[1]) as client:
        for name in "abcde":
            body = {"metadata": {"name": name}}
            await client.create(kube.CONFIG_MAPS, body, namespace=sys.argv[2])

asyncio.run(main())
"""


@pytest.mark.parametrize("when", LANDED)
async def test_process_is_killed_at_its_write(
    client: kube.Client, port: Port, namespace: str, tmp_path: pathlib.Path, when: Any
) -> None:
    port.plan = scripted(crash=CrashAt(3, when))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, port.kubeconfig(tmp_path), namespace
    )
    port.on_crash = lambda: os.kill(process.pid, signal.SIGKILL)

    async with asyncio.timeout(SECONDS):
        code = await process.wait()

    assert -signal.SIGKILL == code
    assert LANDED[when] == await names(client, namespace)


@pytest.mark.parametrize("verb", ["update", "delete"])
async def test_write_whose_answer_is_lost_is_not_sent_again(
    client: kube.Client,
    port: Port,
    namespace: str,
    verb: Literal["update", "delete"],
    tmp_path: pathlib.Path,
) -> None:
    body = {"metadata": {"name": "a", "namespace": namespace}, "data": {"a": "1"}}
    found = await client.create(MAPS, body)
    port.plan = Plan(script={Turn(verb, "configmaps", 1): faults.Drop("after")})

    async with kube.Client.from_kubeconfig(port.kubeconfig(tmp_path)) as through:
        writes = {
            "update": lambda: through.replace(MAPS, {**found, "data": {"a": "2"}}),
            "delete": lambda: through.delete(MAPS, "a", namespace=namespace),
        }
        with pytest.raises(kube.UnreachableError):
            await writes[verb]()

    assert [200] == [write.status for write in port.writes]
