"""A reflector on a real API server, and with servers that cut, forget, refuse and fall silent."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

import msgspec
import pytest
from aiohttp import web

from controllers import kube

Pretending = Callable[..., Awaitable[kube.Client]]
SECONDS = 120.0


class Spec(msgspec.Struct, frozen=True):
    """The declared fields."""

    size: int = 0


class Thing(kube.Projection, frozen=True):
    """The view."""

    spec: Spec = Spec()


class Followed:
    """A running reflector and what it reported."""

    def __init__(self, client: kube.Client, resource: kube.Resource, **options: Any) -> None:
        self.store = kube.Store[Thing]()
        self.changes: list[tuple[str, int | None, int | None]] = []
        self.paused: list[float] = []
        self.unreadable: list[kube.Unreadable] = []
        self._told = asyncio.Event()
        self.reflector = kube.Reflector(
            client,
            resource,
            Thing,
            self.store,
            self._note,
            sleep=self._sleep,
            rng=lambda: 0.0,
            on_unreadable=self.unreadable.append,
            **options,
        )

    def _note(self, change: kube.Change[Thing]) -> None:
        before, after = change.before, change.after
        sizes = [None if one is None else one.spec.size for one in (before, after)]
        self.changes.append((change.key.name, sizes[0], sizes[1]))
        self._told.set()

    async def _sleep(self, seconds: float) -> None:
        self.paused.append(seconds)
        await asyncio.sleep(0.001)

    async def until(self, *changes: tuple[str, int | None, int | None]) -> None:
        """Wait for a number of reported changes, and compare."""
        async with asyncio.timeout(SECONDS):
            while len(self.changes) < len(changes):
                self._told.clear()
                await self._told.wait()
        assert [*changes] == self.changes


@contextlib.asynccontextmanager
async def following(
    client: kube.Client, resource: kube.Resource, **options: Any
) -> AsyncIterator[Followed]:
    found = Followed(client, resource, **options)
    task = asyncio.create_task(found.reflector.run())
    try:
        yield found
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def body(kind: kube.Resource, name: str, size: int) -> kube.JSON:
    named = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}}
    return {**named, "spec": {"size": size}}


async def test_store_follows_a_real_collection(
    client: kube.Client, things: kube.Resource, namespace: str
) -> None:
    for name in ("a", "b"):
        await client.create(things, body(things, name, 1), namespace=namespace)

    async with following(client, things, selection=kube.Selection(namespace=namespace)) as found:
        await found.reflector.synced.wait()
        assert {("a", None, 1), ("b", None, 1)} == {*found.changes}
        found.changes.clear()
        await client.patch(things, "a", {"spec": {"size": 2}}, namespace=namespace)
        await client.delete(things, "b", namespace=namespace)
        written = await client.create(things, body(things, "c", 3), namespace=namespace)
        async with asyncio.timeout(SECONDS):
            await found.store.wait_for(written["metadata"]["resourceVersion"])

        assert [("a", 1, 2), ("b", 1, None), ("c", None, 3)] == found.changes
        assert {"a": 2, "c": 3} == {one.metadata.name: one.spec.size for one in found.store}


async def test_history_that_is_gone_is_listed_anew_and_deletions_are_told(
    client: kube.Client, things: kube.Resource, namespace: str
) -> None:
    """A real API server that lost its history: it does not resume from its first revision."""
    for name in ("a", "b"):
        await client.create(things, body(things, name, 1), namespace=namespace)
    found = Followed(client, things, selection=kube.Selection(namespace=namespace))
    first = asyncio.create_task(found.reflector.run())
    await found.reflector.synced.wait()
    first.cancel()
    await client.delete(things, "b", namespace=namespace)
    found.changes.clear()
    found.reflector.resume_from("1")

    second = asyncio.create_task(found.reflector.run())
    await found.until(("b", 1, None))
    second.cancel()


def line(kind: str, name: str, version: int, size: int = 0, **metadata: Any) -> bytes:
    named = {"name": name, "namespace": "ns", "uid": name, "resourceVersion": str(version)}
    value = {"metadata": {**named, **metadata}, "spec": {"size": size}}
    return json.dumps({"type": kind, "object": value}).encode() + b"\n"


GONE = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}\n'
SYNCED = line("BOOKMARK", "", 5, annotations={"k8s.io/initial-events-end": "true"})


class Script:
    """Responds by the requested resourceVersion; each response once, then silence."""

    def __init__(self, **answers: list[list[bytes]]) -> None:
        self.answers, self.asked = answers, list[str]()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        asked = request.query.get("resourceVersion", "initial")
        self.asked.append(asked)
        response = web.StreamResponse()
        await response.prepare(request)
        left = self.answers.get(f"v{asked}" if asked.isdigit() else asked, [])
        if not left:
            await asyncio.sleep(SECONDS)
            return response
        for part in left.pop(0):
            await response.write(part)
        return response


async def test_watch_that_is_cut_goes_on_where_it_was(
    pretending: Pretending, things: kube.Resource
) -> None:
    half = line("MODIFIED", "a", 7, 2)
    script = Script(
        initial=[[line("ADDED", "a", 3, 1), SYNCED]],
        v5=[[line("ADDED", "b", 6, 1), half[:40]]],
        v6=[[half]],
    )

    async with following(await pretending(script.answer), things) as found:
        await found.until(("a", None, 1), ("b", None, 1), ("a", 1, 2))

    assert ["initial", "5", "6"] == script.asked[:3]


async def test_deletions_in_a_gap_are_told_after_410(
    pretending: Pretending, things: kube.Resource
) -> None:
    script = Script(
        initial=[
            [line("ADDED", "a", 3, 1), line("ADDED", "b", 4, 1), SYNCED],
            [line("ADDED", "b", 8, 2), line("ADDED", "c", 9, 1), SYNCED],
        ],
        v5=[[GONE]],
    )

    async with following(await pretending(script.answer), things) as found:
        await found.until(
            ("a", None, 1), ("b", None, 1), ("a", 1, None), ("b", 1, 2), ("c", None, 1)
        )

    assert ["initial", "5", "initial"] == script.asked[:3]
    assert [] == [one for one in found.paused if one > 1]


async def test_list_of_a_restored_backup_is_the_truth(
    pretending: Pretending, things: kube.Resource
) -> None:
    end: Any = {"annotations": {"k8s.io/initial-events-end": "true"}}
    script = Script(
        initial=[
            [line("ADDED", "a", 8, 2), line("ADDED", "b", 7, 1), line("BOOKMARK", "", 9, **end)],
            [line("ADDED", "a", 3, 1), line("BOOKMARK", "", 4, **end)],
        ],
        v9=[[GONE]],
        v4=[[line("MODIFIED", "a", 6, 3)]],
    )

    async with following(await pretending(script.answer), things) as found:
        await found.until(("a", None, 2), ("b", None, 1), ("b", 1, None), ("a", 2, 1), ("a", 1, 3))


async def test_object_that_is_too_deep_keeps_no_other_from_being_followed(
    pretending: Pretending, things: kube.Resource, caplog: pytest.LogCaptureFixture
) -> None:
    levels = sys.getrecursionlimit() * 2
    deep = b'{"type":"ADDED","object":{"metadata":{"name":"deep","resourceVersion":"4"},"spec":'
    deep += b'{"a":' * levels + b"1" + b"}" * levels + b"}}\n"
    script = Script(
        initial=[[line("ADDED", "a", 3, 1), deep, SYNCED]],
        v5=[[deep, line("ADDED", "b", 6, 1)]],
    )

    async with following(await pretending(script.answer), things) as found:
        await found.until(("a", None, 1), ("b", None, 1))

    assert f"{things} deep cannot be read and is skipped: nested too deeply" in caplog.text


def poison(kind: str, name: str, version: int) -> bytes:
    return line(kind, name, version).replace(b'"size": 0', b'"size": "big"')


def unreadable(name: str, version: int) -> kube.Unreadable:
    problem = "Expected `int`, got `str` - at `$.object.spec.size`"
    return kube.Unreadable(kube.Key("ns", name), name, str(version), problem)


async def test_object_that_does_not_fit_the_view_keeps_no_other_from_being_followed(
    pretending: Pretending, things: kube.Resource
) -> None:
    """It is removed from the store until it can be read again; no list is needed for it."""
    script = Script(
        initial=[[line("ADDED", "a", 3, 1), poison("ADDED", "p", 4), SYNCED]],
        v5=[
            [
                poison("MODIFIED", "a", 6),
                poison("MODIFIED", "p", 7),
                line("ADDED", "b", 8, 1),
                line("MODIFIED", "a", 9, 2),
                poison("DELETED", "p", 10),
                poison("ADDED", "q", 11),
            ]
        ],
    )

    async with following(await pretending(script.answer), things) as found:
        await found.until(("a", None, 1), ("a", 1, None), ("b", None, 1), ("a", None, 2))
        async with asyncio.timeout(SECONDS):
            await found.store.wait_for("11")

    assert [*map(unreadable, "papq", (4, 6, 7, 11))] == found.unreadable
    assert {kube.Key("ns", "q"): unreadable("q", 11)} == found.reflector.unreadable
    assert ["initial", "5"] == script.asked[:2]


async def test_unreadable_objects_are_logged_but_do_not_fill_the_log(
    pretending: Pretending, things: kube.Resource, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [poison("MODIFIED", "p", version) for version in range(6, 106)]
    script = Script(initial=[[SYNCED]], v5=[lines])

    async with (
        following(await pretending(script.answer), things, clock=lambda: 0.0) as found,
        asyncio.timeout(SECONDS),
    ):
        await found.reflector.synced.wait()
        await found.store.wait_for("105")

    assert 100 == len(found.unreadable)
    assert 20 == caplog.text.count("cannot be read and is skipped")


async def test_real_object_that_does_not_fit_the_view_is_followed_once_it_does(
    client: kube.Client, things: kube.Resource, namespace: str
) -> None:
    class Small(msgspec.Struct, frozen=True):
        size: Annotated[int, msgspec.Meta(le=5)] = 0

    class SmallThing(kube.Projection, frozen=True):
        spec: Small = Small()

    for name, size in (("a", 1), ("b", 9)):
        await client.create(things, body(things, name, size), namespace=namespace)
    store = kube.Store[SmallThing]()
    selection = kube.Selection(namespace=namespace)
    reflector = kube.Reflector(client, things, SmallThing, store, selection=selection)
    task = asyncio.create_task(reflector.run())
    try:
        async with asyncio.timeout(SECONDS):
            await reflector.synced.wait()
            assert ["a"] == [one.metadata.name for one in store]
            assert [kube.Key(namespace, "b")] == [*reflector.unreadable]
            written = await client.patch(things, "b", {"spec": {"size": 2}}, namespace=namespace)
            await store.wait_for(written["metadata"]["resourceVersion"])
            assert {"a": 1, "b": 2} == {one.metadata.name: one.spec.size for one in store}
            assert {} == reflector.unreadable
    finally:
        task.cancel()


async def test_handler_and_index_that_fail_on_an_object_keep_no_other_from_being_followed(
    pretending: Pretending, things: kube.Resource, caplog: pytest.LogCaptureFixture
) -> None:
    def sizes(thing: Thing) -> list[str]:
        return [str(10 // thing.spec.size)]

    told = []

    def tell(change: kube.Change[Thing]) -> None:
        told.append(10 // (change.after.spec.size if change.after else 1))

    script = Script(initial=[[line("ADDED", "a", 3, 0), line("ADDED", "b", 4, 5), SYNCED]])
    store = kube.Store[Thing]({"size": sizes})
    reflector = kube.Reflector(await pretending(script.answer), things, Thing, store, tell)
    task = asyncio.create_task(reflector.run())
    async with asyncio.timeout(SECONDS):
        await reflector.synced.wait()
    task.cancel()

    assert [2] == told
    assert ["b"] == [one.metadata.name for one in store.by("size", "2")]
    assert "by size: ZeroDivisionError" in caplog.text
    assert "failed to handle the change" in caplog.text


async def test_collection_that_cannot_be_followed_for_long_is_a_problem(
    pretending: Pretending, things: kube.Resource
) -> None:
    is_refusing, refusals, now = True, 0, 0.0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal refusals
        if is_refusing:
            refusals += 1
            return web.Response(status=403, text="no")
        return await Script(initial=[[SYNCED]]).answer(request)

    async def until(expected: str) -> None:
        async with asyncio.timeout(SECONDS):
            while found.reflector.problem != expected:  # noqa: ASYNC110 - it retries
                await asyncio.sleep(0.01)

    client = await pretending(handle)
    async with following(client, things, clock=lambda: now, silence_seconds=0.05) as found:
        path = f"/apis/{things.group}/v1/things"
        await until(f"{things} has not been listed yet: no, in response to GET {path}")
        is_refusing = False
        await until("")
        is_refusing, refusals = True, 0
        async with asyncio.timeout(SECONDS):
            while refusals < 3:  # noqa: ASYNC110 - another server's counter
                await asyncio.sleep(0.01)
        assert not found.reflector.problem
        now = 40.0
        await until(f"{things} has not been watched for 40 s: no, in response to GET {path}")
        is_refusing = False
        await until("")


async def test_silent_watch_is_begun_anew_where_it_was_and_then_by_a_list(
    pretending: Pretending, things: kube.Resource
) -> None:
    """A list, since etcd may have been restored: a watch from a future version gets no events."""
    script = Script(initial=[[SYNCED]])

    async with following(await pretending(script.answer), things, silence_seconds=0.1) as found:
        async with asyncio.timeout(SECONDS):
            while len(script.asked) < 4:  # noqa: ASYNC110 - another server's counter
                await asyncio.sleep(0.02)

    assert ["initial", "5", "5", "initial"] == script.asked[:4]
    assert [0.8, 1.6] == found.paused[:2]


async def test_pages_are_listed_where_nothing_is_streamed(
    pretending: Pretending, things: kube.Resource
) -> None:
    asked: list[dict[str, str]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        asked.append(query)
        if "sendInitialEvents" in query:
            status = {"kind": "Status", "code": 422, "reason": "Invalid", "message": "no WatchList"}
            return web.json_response(status, status=422)
        if "watch" in query:
            await asyncio.sleep(SECONDS)
        names = ["c"] if "continue" in query else ["a", "b"]
        metadata = {"resourceVersion": "7"} | ({} if "continue" in query else {"continue": "t"})
        items = [json.loads(line("", name, 3, 1))["object"] for name in names]
        return web.json_response({"metadata": metadata, "items": items})

    async with following(await pretending(handle), things) as found:
        await found.until(("a", None, 1), ("b", None, 1), ("c", None, 1))
        async with asyncio.timeout(SECONDS):
            while "watch" not in asked[-1]:  # noqa: ASYNC110 - another server's list
                await asyncio.sleep(0.02)

    assert ["7"] == [query["resourceVersion"] for query in asked if "resourceVersion" in query]
    assert [{"limit": "500"}, {"limit": "500", "continue": "t"}] == asked[1:3]


async def test_refusal_and_nonsense_are_survived_with_longer_and_longer_pauses(
    pretending: Pretending, things: kube.Resource
) -> None:
    answers = iter([(403, b"{}"), (500, b"x"), (200, b"nonsense\n"), (200, b'{"type":1}\n')])

    async def handle(_: web.Request) -> web.StreamResponse:
        status, text = next(answers, (200, SYNCED + line("ADDED", "a", 6, 1)))
        return web.Response(status=status, body=text)

    async with following(await pretending(handle), things) as found:
        await found.until(("a", None, 1))

    assert [0.8, 1.6, 3.2, 6.4] == found.paused[:4]
