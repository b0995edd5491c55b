"""Events as a real API server accepts them, counted series, and dropped events."""

import asyncio
import contextlib
import datetime as dt
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any

import hypothesis
import pytest
from aiohttp import web
from hypothesis import strategies

from controllers import kube
from controllers.kube import event_recorder

Pretending = Callable[..., Awaitable[kube.Client]]
CONTROLLER = "kubewright.dev/tests"
SECONDS = 120.0
NOW = dt.datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=dt.UTC)
HASTE = kube.Pace(patch_seconds=0.15, finish_seconds=60, retry_seconds=0.05)


def thing(namespace: str = "ns", name: str = "x", uid: str = "u", version: str = "7") -> Any:
    return kube.Regarding(
        api_version="kubewright.dev/v1",
        kind="Thing",
        namespace=namespace,
        name=name,
        uid=uid,
        resource_version=version,
    )


def started(found: kube.Recorder, regarding: kube.Regarding, **more: Any) -> None:
    found.event(regarding, **{"reason": "Started", "action": "Run", "note": "It runs.", **more})


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - another task's doing
            await asyncio.sleep(0.005)


@hypothesis.given(strategies.text(), strategies.integers(0, 40))
def test_text_is_clamped_to_whole_characters(text: str, most_bytes: int) -> None:
    text = text.encode(errors="replace").decode()

    found = event_recorder.clamped(text, most_bytes)

    assert text.startswith(found)
    assert len(found.encode()) <= most_bytes
    assert found == text or len(text[: len(found) + 1].encode()) > most_bytes


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x", "x.ff"),
        ("a.b-c", "a.b-c.ff"),
        ("system:node reader", "system-node-reader.ff"),
        ("Ä:", "event.ff"),
        ("a..b", "a-b.ff"),
        ("a" * 250, "a" * 250 + ".ff"),
        ("a" * 251, "a" * 250 + ".ff"),
        ("a" * 249 + ".b", "a" * 249 + ".ff"),
    ],
)
def test_name_of_an_event_is_one_that_it_may_have(name: str, expected: str) -> None:
    assert expected == event_recorder.event_name(name, 255)


def test_what_an_event_is_about_is_known_from_its_projection() -> None:
    metadata = kube.Metadata(name="x", namespace="ns", uid="u", resource_version="7")

    found = kube.regarding_of(
        kube.Projection(metadata=metadata),
        kube.Resource("kubewright.dev", "v1", "things", "Thing"),
    )

    assert thing() == found
    assert "7" == found.resource_version
    assert "Thing ns/x" == str(found)


@pytest.mark.parametrize("names", [("", "x"), ("a b", "x"), ("a/b/c", "x"), ("a", "")])
async def test_reporter_that_the_api_server_would_refuse_is_refused(
    pretending: Pretending, names: tuple[str, str]
) -> None:
    client = await pretending(Server().answer)

    with pytest.raises(ValueError, match="expected a qualified name"):
        kube.Recorder(client, *names)


async def listed(client: kube.Client, namespace: str) -> list[kube.JSON]:
    found = (await client.list(kube.EVENTS, namespace=namespace)).items
    return sorted(found, key=lambda one: str(one["metadata"]["name"]))


@pytest.mark.e2e
async def test_event_says_what_happened_to_whom(client: kube.Client, namespace: str) -> None:
    regarding = thing(namespace)

    async with kube.Recorder(client, CONTROLLER, "pod-1", now=lambda: NOW) as found:
        started(found, regarding)
        started(found, regarding, type="Warning", reason="Failed", note="It does not.")

    events = await listed(client, namespace)
    nanoseconds = 1893553445678901000
    assert [f"x.{nanoseconds:x}", f"x.{nanoseconds + 1:x}"] == [
        one["metadata"]["name"] for one in events
    ]
    assert ("Warning", "Failed", "It does not.") == tuple(
        events[1][name] for name in ("type", "reason", "note")
    )
    del events[0]["metadata"]
    assert events[0] == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "eventTime": "2030-01-02T03:04:05.678901Z",
        "type": "Normal",
        "reason": "Started",
        "action": "Run",
        "note": "It runs.",
        "regarding": {
            "apiVersion": "kubewright.dev/v1",
            "kind": "Thing",
            "namespace": namespace,
            "name": "x",
            "uid": "u",
            "resourceVersion": "7",
        },
        "reportingController": CONTROLLER,
        "reportingInstance": "pod-1",
        "deprecatedFirstTimestamp": None,
        "deprecatedLastTimestamp": None,
        "deprecatedSource": {},
    }


@pytest.mark.e2e
async def test_api_server_takes_the_longest_and_strangest_of_everything(
    client: kube.Client, namespace: str
) -> None:
    async with kube.Recorder(client, CONTROLLER, "é" * 500) as found:
        long = {"reason": "é" * 300, "action": "x" * 300, "note": "x" + "é" * 2000}
        started(found, thing(namespace, name="a" * 253), **long)
        started(found, thing(namespace, name="system:x"), note="\ud800 is no character")
        started(found, kube.Regarding(api_version="v1", kind="Node", name=namespace))

    assert 0 == found.dropped
    first, second = await listed(client, namespace)
    assert ("é" * 64, "x" * 128, "x" + "é" * 511) == (
        first["reason"],
        first["action"],
        first["note"],
    )
    assert "? is no character" == second["note"]
    (third,) = [
        one for one in await listed(client, "default") if one["regarding"].get("name") == namespace
    ]
    assert "Node" == third["regarding"]["kind"]


@pytest.mark.e2e
async def test_same_again_is_a_series_whatever_its_note_and_version(
    client: kube.Client, namespace: str
) -> None:
    async with kube.Recorder(client, CONTROLLER, "pod-1") as found:
        for number in range(500):
            started(found, thing(namespace, version=str(number)), note=f"It ran {number} times.")
        for different in ({"reason": "Ended"}, {"action": "Walk"}, {"type": "Warning"}):
            started(found, thing(namespace), **different)
        started(found, thing(namespace, uid="another"))

    events = await listed(client, namespace)
    assert [500, 0, 0, 0, 0] == [one.get("series", {}).get("count", 0) for one in events]
    assert "It ran 0 times." == events[0]["note"]
    assert events[0]["eventTime"] < events[0]["series"]["lastObservedTime"]


@pytest.mark.e2e
async def test_event_that_expired_is_made_anew_with_its_count(
    client: kube.Client, namespace: str
) -> None:
    async with kube.Recorder(client, CONTROLLER, "pod-1") as found:
        started(found, thing(namespace))
        async with contextlib.aclosing(client.watch(kube.EVENTS, namespace=namespace)) as events:
            # On a busy machine a bookmark may come before the recorder has written.
            added = (seen.object async for seen in events if seen.type == "ADDED")
            event = await anext(added)
        await client.delete(kube.EVENTS, event["metadata"]["name"], namespace=namespace)
        started(found, thing(namespace))

    (again,) = await listed(client, namespace)
    assert event["metadata"]["uid"] != again["metadata"]["uid"]
    assert 2 == again["series"]["count"]


@pytest.mark.e2e
async def test_what_cannot_be_written_is_dropped_and_told_once(
    client: kube.Client, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"metadata": {"generateName": "kube-client-"}, "spec": {"finalizers": ["kubernetes"]}}
    ending = (await client.create(kube.NAMESPACES, body))["metadata"]["name"]
    await client.delete(kube.NAMESPACES, ending)

    async with kube.Recorder(client, CONTROLLER, "pod-1") as found:
        started(found, thing("nowhere"))
        started(found, thing("nowhere"), reason="Ended")
        started(found, thing("nowhere"), reason="")
        started(found, thing(ending))
        started(found, thing(namespace))

    assert 4 == found.dropped
    assert 1 == len(await listed(client, namespace))
    assert 1 == caplog.text.count('namespaces "nowhere" not found')
    assert "is being terminated" in caplog.text
    assert f"event Started on Thing {ending}/x dropped" in caplog.text


class Server:
    """Records writes with their time; first gives the scripted responses, then succeeds."""

    def __init__(self, *answers: int) -> None:
        self._answers = [*answers]
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.writes: list[tuple[str, kube.JSON, float]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.writes.append((request.method, body, time.monotonic()))
        await self.may_answer.wait()
        status = self._answers.pop(0) if self._answers else 200
        reason = {409: "AlreadyExists"}.get(status, "")
        if status == 0:
            await asyncio.sleep(SECONDS)
        return web.json_response({"kind": "Status", "reason": reason}, status=status)

    @property
    def counts(self) -> list[tuple[str, int]]:
        """Method and count of each write."""
        return [(method, body.get("series", {}).get("count", 1)) for method, body, _ in self.writes]

    @property
    def reasons(self) -> list[str]:
        return [body["reason"] for method, body, _ in self.writes if method == "POST"]


async def recording(pretending: Pretending, server: Server, **options: Any) -> kube.Recorder:
    client = await pretending(server.answer)
    return kube.Recorder(client, CONTROLLER, "pod-1", **{"pace": HASTE, **options})


async def test_first_repeat_is_written_at_once_and_a_hot_loop_now_and_then(
    pretending: Pretending,
) -> None:
    server = Server()
    async with await recording(pretending, server) as found:
        started(found, thing())
        await until(lambda: len(server.writes) == 1)
        started(found, thing())
        await until(lambda: len(server.writes) == 2)
        for _ in range(200):
            started(found, thing())
            await asyncio.sleep(0.002)
        done = len(server.writes)

    instants = [instant for *_, instant in server.writes]
    assert [("POST", 1), ("PATCH", 2)] == server.counts[:2]
    assert instants[1] - instants[0] < HASTE.patch_seconds
    assert 3 <= done <= 2 + 1 + (instants[-1] - instants[1]) / HASTE.patch_seconds
    pauses = [later - sooner for sooner, later in itertools.pairwise(instants[1:done])]
    assert min(pauses) > HASTE.patch_seconds * 0.9
    assert ("PATCH", 202) == server.counts[-1]


async def test_last_count_is_written_without_another_repeat(pretending: Pretending) -> None:
    server = Server()
    async with await recording(pretending, server) as found:
        for number in range(1, 5):
            started(found, thing())
            await until(lambda wanted=number: len(server.writes) >= min(wanted, 2))  # type: ignore[misc]
        await until(lambda: len(server.writes) == 3)
        await asyncio.sleep(2 * HASTE.patch_seconds)

    assert [("POST", 1), ("PATCH", 2), ("PATCH", 4)] == server.counts


async def test_series_ends_after_a_pause(pretending: Pretending) -> None:
    server = Server()
    pace = kube.Pace(patch_seconds=0.01, finish_seconds=0.1)
    async with await recording(pretending, server, pace=pace) as found:
        started(found, thing())
        await asyncio.sleep(0.05)
        started(found, thing())
        await asyncio.sleep(0.25)
        started(found, thing())

    assert [("POST", 1), ("PATCH", 2), ("POST", 1)] == server.counts


async def test_surplus_of_an_object_is_dropped_and_its_repeats_are_not(
    pretending: Pretending,
) -> None:
    now = [1000.0]
    server = Server()
    async with await recording(pretending, server, clock=lambda: now[0]) as found:
        for number in range(30):
            started(found, thing(), reason=f"Reason{number}")
        for _ in range(100):
            started(found, thing(), reason="Reason0")
        started(found, thing(uid="another"), reason="Another")
        spared = found.dropped
        now[0] += 300
        for number in range(2):
            started(found, thing(), reason=f"Later{number}")

    assert (5, 6) == (spared, found.dropped)
    expected = {*(f"Reason{number}" for number in range(25)), "Another", "Later0"}
    assert sorted(expected) == sorted(server.reasons)
    assert ("POST", 101) in server.counts


async def test_events_of_several_objects_are_sent_side_by_side(pretending: Pretending) -> None:
    arrived = asyncio.Event()
    under_way = itertools.count(1)

    async def answer(_: web.Request) -> web.Response:
        if next(under_way) == 2:
            arrived.set()
        await arrived.wait()
        return web.json_response({})

    client = await pretending(answer)
    async with kube.Recorder(client, CONTROLLER, "pod-1") as found:
        for number in range(50):
            started(found, thing(uid=str(number)))
        async with asyncio.timeout(SECONDS):
            await arrived.wait()

    assert found.dropped == 0


async def test_events_of_an_object_are_sent_in_order(pretending: Pretending) -> None:
    server = Server()
    async with await recording(pretending, server) as found:
        for number in range(20):
            started(found, thing(), reason=f"Reason{number}")
        await until(lambda: len(server.writes) == 20)

    assert [f"Reason{number}" for number in range(20)] == server.reasons


@pytest.mark.parametrize(
    ("answers", "dropped", "expected"),
    [
        ([500], 0, ["A", "B", "A"]),
        ([500, 200, 500], 1, ["A", "B", "A"]),
        # The first attempt had landed.
        ([503, 200, 409], 0, ["A", "B", "A"]),
        ([403], 1, ["A", "B"]),
    ],
)
async def test_what_may_pass_is_tried_once_more(
    pretending: Pretending, answers: list[int], dropped: int, expected: list[str]
) -> None:
    server = Server(*answers)
    async with await recording(pretending, server) as found:
        started(found, thing(), reason="A")
        started(found, thing(), reason="B")
        await until(lambda: len(server.writes) >= 2)
        await asyncio.sleep(3 * HASTE.retry_seconds)

    assert (dropped, expected) == (found.dropped, server.reasons)


async def test_count_that_could_not_be_written_comes_with_the_next(pretending: Pretending) -> None:
    server = Server(200, 403)
    async with await recording(pretending, server) as found:
        started(found, thing())
        await until(lambda: len(server.writes) == 1)
        started(found, thing())
        await until(lambda: len(server.writes) == 2)
        started(found, thing())

    assert [("POST", 1), ("PATCH", 2), ("PATCH", 3)] == server.counts


async def test_repeat_while_the_event_is_on_its_way_is_counted(pretending: Pretending) -> None:
    server = Server()
    server.may_answer.clear()
    async with await recording(pretending, server) as found:
        started(found, thing())
        await until(lambda: len(server.writes) == 1)
        started(found, thing())
        server.may_answer.set()

    assert [("POST", 1), ("PATCH", 2)] == server.counts


async def test_event_that_had_landed_gets_the_count_of_since(pretending: Pretending) -> None:
    server = Server(503, 409)
    async with await recording(pretending, server) as found:
        started(found, thing())
        await until(lambda: len(server.writes) == 1)
        started(found, thing())
        await until(lambda: len(server.writes) == 3)

    assert [("POST", 1), ("POST", 2), ("PATCH", 2)] == server.counts


async def test_what_fails_at_the_end_is_told(
    pretending: Pretending, caplog: pytest.LogCaptureFixture
) -> None:
    async with await recording(pretending, Server(500)) as found:
        started(found, thing())

    assert 1 == found.dropped
    assert "event Started on Thing ns/x dropped" in caplog.text


async def test_recording_waits_for_nothing_and_closing_not_for_long(
    pretending: Pretending, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(event_recorder, "_CLOSE_SECONDS", 0.2)
    server = Server(0)
    began = time.monotonic()
    async with await recording(pretending, server) as found:
        started(found, thing())
        await until(lambda: len(server.writes) == 1)
        started(found, thing(), reason="Ended")

    assert time.monotonic() - began < 60
    assert 2 == found.dropped
    assert "events dropped" in caplog.text
    started(found, thing(), reason="Late")
    started(found, thing())
    assert 4 == found.dropped


async def test_newest_is_dropped_while_nothing_can_be_sent(
    pretending: Pretending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_recorder, "MAX_KEPT", 2)
    server = Server()
    found = await recording(pretending, server)
    for reason in "ABC":
        started(found, thing(), reason=reason)

    async with found:
        # Until the answers have come, too: a series that is not written cannot be forgotten.
        series = found._series.values()  # noqa: SLF001 - nothing else tells
        await until(lambda: all(one.written for one in series))
        for reason in "DA":
            started(found, thing(), reason=reason)

    assert 1 == found.dropped
    # The series of A was forgotten for D, that of B for A.
    assert ["A", "B", "D", "A"] == server.reasons


async def test_series_that_was_seen_longest_ago_is_forgotten(
    pretending: Pretending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_recorder, "MAX_KEPT", 2)
    server = Server()
    pace = kube.Pace(patch_seconds=60)
    async with await recording(pretending, server, pace=pace) as found:
        for count, reason in enumerate("ABACACD", 1):
            started(found, thing(), reason=reason)
            await until(lambda wanted=count: len(server.writes) + (wanted > 4) >= wanted)  # type: ignore[misc]

    # B went for C; and for D the series of A, with a repeat that was not written yet.
    assert 1 == found.dropped
    assert [1, 1, 2, 1, 2, 1] == [count for _, count in server.counts]
    assert ["A", "B", "C", "D"] == server.reasons


async def test_object_whose_last_event_is_long_ago_counts_as_new(
    pretending: Pretending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_recorder, "MAX_KEPT", 2)
    monkeypatch.setattr(event_recorder, "SPAM_RATE", kube.Rate(qps=0.001, burst=1))
    server = Server()
    async with await recording(pretending, server) as found:
        for count, (uid, reason) in enumerate([("a", "A"), ("b", "B"), ("c", "C"), ("a", "D")], 1):
            started(found, thing(uid=uid), reason=reason)
            await until(lambda wanted=count: len(server.writes) == wanted)  # type: ignore[misc]
        started(found, thing(uid="a"), reason="E")

    assert 1 == found.dropped
    assert ["A", "B", "C", "D"] == server.reasons


async def test_bug_costs_one_event(
    pretending: Pretending, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server()
    found = await recording(pretending, server)
    body = event_recorder.Series.body

    def fail(series: event_recorder.Series) -> kube.JSON:
        if series.event["reason"] == "A":
            raise RuntimeError("a bug")
        return body(series)

    monkeypatch.setattr(event_recorder.Series, "body", fail)
    async with found:
        for reason in "AB":
            started(found, thing(), reason=reason)
        await until(lambda: len(server.writes) == 1)

    assert ["B"] == server.reasons
    assert "RuntimeError: a bug" in caplog.text
