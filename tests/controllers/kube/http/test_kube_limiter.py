"""The token bucket's numbers, waiting on virtual time, and a client with a limit."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import hypothesis
import pytest
from aiohttp import web
from hypothesis import strategies

from controllers import kube
from controllers.kube.http import limiter

Pretending = Callable[..., Awaitable[kube.Client]]
TEN = kube.Rate(qps=10, burst=2)
# Two, and then none for longer than any test takes.
TWO = kube.Rate(qps=0.001, burst=2)
SECONDS = 120.0


@hypothesis.given(
    strategies.lists(strategies.floats(0, 0.5), min_size=1, max_size=60),
    strategies.integers(1, 5),
    strategies.floats(0.5, 50),
)
def test_no_stretch_of_time_holds_more_than_the_burst_and_what_grew(
    pauses: list[float], burst: int, qps: float
) -> None:
    rate = kube.Rate(qps=qps, burst=burst)
    bucket, now, taken = limiter.Bucket.full(rate, 0.0), 0.0, list[float]()

    for pause in pauses:
        now += pause
        now += bucket.wait_seconds(now)
        assert bucket.wait_seconds(now) == 0
        bucket = bucket.taken(now)
        taken.append(now)

    for first, start in enumerate(taken):
        for last, end in enumerate(taken[first:], first):
            assert last - first + 1 <= burst + (end - start) * qps + 1e-6


def test_clock_that_goes_back_gives_no_token() -> None:
    bucket = limiter.Bucket.full(TEN, 5.0).taken(5.0).taken(5.0)

    assert pytest.approx(0.1) == bucket.wait_seconds(1.0)


@pytest.mark.parametrize(("qps", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_rate_that_lets_nothing_through_is_refused(qps: float, burst: int) -> None:
    with pytest.raises(ValueError, match="expected qps above 0 and a burst of at least 1"):
        kube.Rate(qps=qps, burst=burst)


class Waiting:
    """A limiter whose time passes only while a caller sleeps."""

    def __init__(self, rate: kube.Rate) -> None:
        self.now = 100.0
        self.limiter = limiter.Limiter(rate, clock=lambda: self.now, sleep=self._sleep)
        self.turns: list[tuple[str, float]] = []

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.now += seconds

    async def wait(self, who: str, within_seconds: float = SECONDS) -> None:
        await self.limiter.wait(who, within_seconds)
        self.turns.append((who, round(self.now - 100, 6)))


async def test_callers_get_their_turns_in_order_and_in_time() -> None:
    found = Waiting(TEN)

    await asyncio.gather(*(found.wait(who) for who in "abcde"))

    assert [("a", 0.0), ("b", 0.0), ("c", 0.1), ("d", 0.2), ("e", 0.3)] == found.turns


async def test_who_is_cancelled_leaves_the_turn_to_the_next() -> None:
    found = Waiting(kube.Rate(qps=10, burst=1))
    await found.wait("first")
    waiting = [asyncio.ensure_future(found.wait(who)) for who in "abc"]
    await asyncio.sleep(0)

    for one in waiting[:2]:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await found.wait("last")

    assert [("first", 0.0), ("c", 0.1), ("last", 0.2)] == found.turns


async def test_turn_that_would_come_too_late_is_refused_at_once_and_takes_no_token() -> None:
    found = Waiting(kube.Rate(qps=10, burst=1))
    await found.wait("first")
    waiting = asyncio.ensure_future(found.wait("a"))
    await asyncio.sleep(0)

    with pytest.raises(kube.DeadlineExceededError) as caught:
        await found.wait("b", within_seconds=0.15)
    await found.wait("c", within_seconds=0.25)

    assert str(caught.value) == (
        "expected to send b within 0.15 s, got a wait of 0.2 s: 1 requests are queued for the "
        "client-side rate limit of 10 per second"
    )
    await waiting
    assert [("first", 0.0), ("a", 0.1), ("c", 0.2)] == found.turns


class Server:
    """Sends Retry-After a number of times per path, then succeeds."""

    def __init__(self, code: int = 429, *, times: int = 0, seconds: int = 0) -> None:
        self._code, self._times, self._seconds = code, times, seconds
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if self.asked.count(request.path) <= self._times:
            return web.Response(status=self._code, headers={"Retry-After": str(self._seconds)})
        return web.Response(text='{"kind": "Namespace"}\n')


async def test_client_sends_as_fast_as_its_rate(pretending: Pretending) -> None:
    server = Server()
    client = await pretending(server.answer, rate=kube.Rate(qps=20, burst=2))
    started = time.monotonic()

    await asyncio.gather(*(client.get(kube.NAMESPACES, name) for name in "abcdef"))

    assert time.monotonic() - started > 0.19
    assert [f"/api/v1/namespaces/{name}" for name in "abcdef"] == server.asked


@pytest.mark.parametrize("code", [429, 503])
async def test_request_that_is_sent_again_takes_a_turn_again(
    pretending: Pretending, code: int
) -> None:
    server = Server(code, times=1)
    client = await pretending(server.answer, rate=TWO)

    await client.get(kube.NAMESPACES, "a")

    with pytest.raises(kube.DeadlineExceededError, match="expected to send GET /api/v1/namespace"):
        await client.get(kube.NAMESPACES, "b")
    assert ["/api/v1/namespaces/a"] * 2 == server.asked


async def test_watch_takes_one_turn_at_its_start(pretending: Pretending) -> None:
    server = Server(times=3)
    client = await pretending(server.answer, rate=kube.Rate(qps=0.001, burst=1))
    request = kube.Request("GET", "/api/v1/namespaces", (("watch", "true"),))

    lines = [line async for line in client.lines(request)]

    assert 1 == len(lines)
    with pytest.raises(kube.DeadlineExceededError, match="client-side rate limit"):
        await client.get(kube.NAMESPACES, "b")


async def test_who_is_asked_to_come_back_later_holds_up_no_other(pretending: Pretending) -> None:
    server = Server(times=1, seconds=1)
    client = await pretending(server.answer, rate=kube.Rate(qps=1000, burst=100))
    waiting = asyncio.ensure_future(client.get(kube.NAMESPACES, "a"))
    while not server.asked:  # noqa: ASYNC110 - another server's list
        await asyncio.sleep(0.01)

    server.asked.append("/api/v1/namespaces/b")  # it has asked for patience there before
    await client.get(kube.NAMESPACES, "b", deadline_seconds=0.9)

    assert not waiting.done()
    async with asyncio.timeout(SECONDS):
        await waiting


@pytest.mark.e2e
async def test_client_of_a_kubeconfig_takes_a_rate(api_server: Any) -> None:
    path = api_server.admin_kubeconfig

    async with kube.Client.from_kubeconfig(path, rate=TWO) as client:
        for _ in range(2):
            await client.get(kube.NAMESPACES, "default")

        with pytest.raises(kube.DeadlineExceededError, match="client-side rate limit"):
            await client.get(kube.NAMESPACES, "default")
