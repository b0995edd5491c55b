"""The protocol between a worker and its second process for large bodies."""

import asyncio
import contextlib
import dataclasses
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import pytest

from schemagen.problems import JSON
from webhooks import reviewer, routing
from webhooks.answers import Answer, ReviewInfo
from webhooks.routing import Route
from webhooks.server import large_reviews

LARGE = b"x" * (reviewer.HEAVY_BYTES + 1)


@contextlib.asynccontextmanager
async def connected(
    review: Callable[[bytes], Answer | Awaitable[Answer]],
    settings: Callable[[], Mapping[str, JSON]] = dict,
    second: large_reviews.Server | None = None,
) -> AsyncIterator[tuple[large_reviews.Client, Route, asyncio.Task[None]]]:
    """Both ends in one process, and a route that uses the second one."""
    second = second or large_reviews.Server()
    ours, theirs = socket.socketpair()
    route = Route("/validate", routing.ADMISSION_BYTES, review)
    attending = asyncio.create_task(second.serve(theirs, {"/validate": route}))
    asking = await large_reviews.connected(ours, settings)
    try:
        yield asking, dataclasses.replace(route, review_large=asking.answer), attending
    finally:
        attending.cancel()
        await asyncio.gather(attending, return_exceptions=True)
        theirs.close()
        asking.close()


async def answered(route: Route, body: bytes, seconds: float = 10) -> Answer:
    found = routing.answer(route, body, seconds)
    return found if isinstance(found, Answer) else await found


async def test_large_body_is_answered_by_the_second_process_and_a_small_one_here() -> None:
    bodies: list[int] = []

    def review(body: bytes) -> Answer:
        bodies.append(len(body))
        info = ReviewInfo("u", "v1", "allowed", kind="Thing", dry_run=True)
        return Answer(200, body[::-1], info=info)

    async with connected(review) as (_, route, _):
        many = await asyncio.gather(*(answered(route, LARGE + b"%d" % one) for one in range(5)))
        small = routing.answer(route, b"small")

    assert [(LARGE + b"%d" % one)[::-1] for one in range(5)] == [one.body for one in many]
    assert ReviewInfo("u", "v1", "allowed", kind="Thing", dry_run=True) == many[0].info
    assert isinstance(small, Answer)
    assert [*[len(LARGE) + 1] * 5, 5] == bodies


async def test_second_process_knows_the_settings_of_the_moment() -> None:
    now: list[Mapping[str, JSON]] = [{"a": 2**70}]
    second = large_reviews.Server()
    seen: list[Mapping[str, JSON]] = []

    def review(body: bytes) -> Answer:
        seen.append(second.settings)
        return Answer(200, body)

    async with connected(review, lambda: now[0], second) as (_, route, _):
        await answered(route, LARGE)
        await answered(route, LARGE)
        now[0] = {"a": None}
        await answered(route, LARGE)

    assert [{"a": 2**70}, {"a": 2**70}, {"a": None}] == seen


async def test_review_that_nobody_waits_for_is_withdrawn() -> None:
    has_ended = asyncio.Event()

    async def never() -> Answer:
        try:
            await asyncio.Event().wait()
        finally:
            has_ended.set()
        raise AssertionError

    async with connected(lambda _: never()) as (_, route, _):
        asked = asyncio.ensure_future(answered(route, LARGE))
        await asyncio.sleep(0.05)
        asked.cancel()
        async with asyncio.timeout(120):
            await has_ended.wait()

    assert asked.cancelled()


async def test_client_that_waits_shortly_is_told_to_try_again() -> None:
    async def slow() -> Answer:
        await asyncio.sleep(60)
        raise AssertionError

    async with connected(lambda _: slow()) as (_, route, _):
        answer = await answered(route, LARGE, 0.2)

    assert 503 == answer.status
    assert b"expected a response within 0.2 s: try again\n" == answer.body


async def test_end_of_the_second_process_is_told_to_all_who_wait_or_come() -> None:
    begun = asyncio.Event()

    async def forever() -> Answer:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with connected(lambda _: forever()) as (asking, route, attending):
        waiting = asyncio.ensure_future(answered(route, LARGE))
        await begun.wait()
        attending.cancel()
        await asyncio.gather(attending, return_exceptions=True)
        first, second = await waiting, await answered(route, LARGE)

        assert asking.is_gone
    gone = b"expected to review a large body, but the process for large bodies ended: try again\n"
    assert [(503, gone)] * 2 == [(one.status, one.body) for one in (first, second)]


async def test_second_process_that_is_silent_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_reviews, "MAX_SILENCES", 3)
    monkeypatch.setattr(large_reviews, "BEAT_SECONDS", 60)
    found = []

    async with connected(lambda body: Answer(200, body)) as (asking, route, _):
        await answered(route, LARGE)  # it has begun to beat
        for is_answered in (False, False, True, False, False, False, False):
            asking.count_silence()
            if is_answered:
                await answered(route, LARGE)
            found.append(asking.is_gone)

    assert [*[False] * 6, True] == found
