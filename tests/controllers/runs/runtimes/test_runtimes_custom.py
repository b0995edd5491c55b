import asyncio
import base64
import contextlib
import dataclasses
import datetime as dt
import json
import socket
import string
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import hypothesis
import pytest
import yarl
from aiohttp import web
from hypothesis import strategies as st

from controllers.runs.runtimes import custom, egress
from controllers.runs.runtimes.base import Code, Key, Progress, Ref, RuntimeFault, Stage, Work
from tests.support import custom_bench, depth
from tests.support.runtime_bench import Behaviour

NOW = dt.datetime(2026, 11, 28, 12, 0, tzinfo=dt.UTC)
Answering = Callable[..., Awaitable["Peer"]]


@dataclasses.dataclass
class Peer:
    """An endpoint with configured responses, recording its requests."""

    origin: str = ""
    asked: list[tuple[str, str, dict[str, str], bytes]] = dataclasses.field(default_factory=list)
    adapter: custom.Custom = dataclasses.field(init=False)
    work: Work = dataclasses.field(init=False)
    key: Key = ""

    @property
    def ref(self) -> Ref:
        """Return the ref of work that the endpoint calls x."""
        extra = {"id": "x", "statusUrl": f"{self.origin}/runs/x"}
        return dataclasses.replace(self.adapter.ref(self.key, self.work), extra=extra)


@pytest.fixture
async def answering() -> AsyncIterator[Answering]:
    """Start an endpoint that returns each response once, then repeats the last one."""
    stack = contextlib.AsyncExitStack()

    async def start(*answers: Any, endpoint: str = "/runs", **options: Any) -> Peer:
        peer, left = Peer(), [*answers]

        async def answer(request: web.Request) -> web.Response:
            said = await request.read()
            peer.asked.append((request.method, request.path_qs, dict(request.headers), said))
            given = left.pop(0) if len(left) > 1 else left[0]
            return response(given)

        peer.origin = await stack.enter_async_context(
            custom_bench.serving(web.route("*", "/{tail:.*}", answer))
        )
        settings = {"allowed": ["127.0.0.1"], "now": lambda: NOW, "deadline_seconds": 5, **options}
        peer.adapter = custom.Custom(**settings)
        stack.push_async_callback(peer.adapter.close)
        peer.key, peer.work = work_at(endpoint.replace("ORIGIN", peer.origin), peer.origin)
        return peer

    yield start
    await stack.aclose()


def work_at(endpoint: str, origin: str = "", **config: Any) -> tuple[Key, Work]:
    bench = custom_bench.CustomBench(origin, custom_bench.Endpoint(), contextlib.AsyncExitStack())
    key, work = bench.work(Behaviour.SUCCEEDS)
    whole = endpoint if ":" in endpoint else f"{origin}{endpoint}"
    spec = {"runtime": {"type": "Custom", "custom": {"endpoint": whole, **config}}}
    return key, dataclasses.replace(work, spec=spec)


def response(given: Any) -> web.Response:
    """Return a response with a status code, a JSON body, or both and headers."""
    match given:
        case int():
            return web.Response(status=given)
        case bytes():
            return web.Response(body=given, content_type="application/json")
        case dict() | list():
            return web.json_response(given)
        case (int() as status, dict() as body, *headers):
            return web.json_response(body, status=status, headers=dict(*headers) or None)
        case (int() as status, str() as text):
            return web.Response(status=status, text=text)
        case _:
            raise ValueError(given)


async def fault(call: Awaitable[Any]) -> RuntimeFault:
    with pytest.raises(RuntimeFault) as caught:
        await call
    return caught.value


# --------------------------------------------------------------------------------- submissions


async def test_submission_is_a_post_with_the_key(answering: Answering) -> None:
    peer = await answering({"id": "x"})

    ref = await peer.adapter.submit(peer.key, peer.work)

    ((method, path, headers, body),) = peer.asked
    assert ("POST", "/runs", peer.key) == (method, path, headers["Idempotency-Key"])
    assert "application/json" == headers["Content-Type"]
    run = peer.work.run_json
    expected = {"agentRun": run["agentRun"], "implementation": run["implementation"]}
    assert expected == json.loads(body)
    assert {"id": "x", "statusUrl": f"{peer.origin}/runs/x"} == ref.extra


async def test_payload_takes_the_place_of_the_run(answering: Answering) -> None:
    peer = await answering({"id": "x"})
    _, work = work_at("/runs", peer.origin, payload={"own": [1]})

    await peer.adapter.submit(peer.key, work)

    assert {"own": [1]} == json.loads(peer.asked[0][3])


@pytest.mark.parametrize(
    ("endpoint", "answer", "expected"),
    [
        ("/runs", {"id": 7}, {"id": "7", "statusUrl": "/runs/7"}),
        ("/runs?code=c", {"id": "x"}, {"id": "x", "statusUrl": "/runs/x?code=c"}),
        ("/runs", {"id": "a/b c?"}, {"id": "a/b c?", "statusUrl": "/runs/a%2Fb%20c%3F"}),
        ("/v1/runs", {"id": "x", "statusUrl": "../jobs/9"}, {"id": "x", "statusUrl": "/jobs/9"}),
        (
            "/runs",
            {"id": "x", "statusUrl": "/s?x=1#y", "cancelUrl": "/c"},
            {"id": "x", "statusUrl": "/s?x=1", "cancelUrl": "/c"},
        ),
    ],
)
async def test_addresses_of_the_work(
    answering: Answering, endpoint: str, answer: dict[str, Any], expected: dict[str, Any]
) -> None:
    peer = await answering(answer, endpoint=endpoint)

    ref = await peer.adapter.submit(peer.key, peer.work)

    assert expected == {name: value.removeprefix(peer.origin) for name, value in ref.extra.items()}


@pytest.mark.parametrize(
    "answer",
    [
        {"id": ""},
        {"id": ".."},
        {"id": "x" * 257},
        {"id": True},
        {"id": ["x"]},
        {"id": "x", "statusUrl": "file:///etc/passwd"},
        {"id": "x", "statusUrl": "http://user:s3cret@127.0.0.1/"},
        {"id": "x", "statusUrl": "http://127.0.0.1:99999/"},
        {"id": "x", "cancelUrl": 5},
        {"id": "x", "cancelUrl": "/" + "a" * 3000},
        (202, {}),
        (202, {"phase": "Succeeded"}),
        {"phase": "Running"},
    ],
    ids=repr,
)
async def test_answer_that_cannot_be_followed_is_refused_for_good(
    answering: Answering, answer: Any
) -> None:
    peer = await answering(answer)

    error = await fault(peer.adapter.submit(peer.key, peer.work))

    assert Code.TERMINAL is error.code
    assert "s3cret" not in error.message


async def test_https_does_not_lead_to_http() -> None:
    base = yarl.URL("https://example.dev/runs")

    with pytest.raises(RuntimeFault, match="an https URL") as caught:
        egress.parse("http://example.dev/runs/x", base)

    assert Code.TERMINAL is caught.value.code
    assert "https://example.dev/x" == str(egress.parse("//example.dev/x", base))


@pytest.mark.parametrize(
    "endpoint", ["", "ftp://x/", "http:///x", "http://a:b@c/", "x", "http://[::1"]
)
async def test_endpoint_that_is_no_http_address_is_refused_for_good(endpoint: str) -> None:
    key, work = work_at("http://x")
    spec = {"runtime": {"type": "Custom", "custom": {"endpoint": endpoint}}}

    error = await fault(custom.Custom().submit(key, dataclasses.replace(work, spec=spec)))

    assert Code.TERMINAL is error.code


# --------------------------------------------------------------- endpoints with nothing to follow


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (204, Progress(stage=Stage.SUCCEEDED)),
        ((200, "thank you"), Progress(stage=Stage.SUCCEEDED)),
        (b"", Progress(stage=Stage.SUCCEEDED)),
        ({}, Progress(stage=Stage.SUCCEEDED)),
        ([], Progress(stage=Stage.SUCCEEDED)),
        (
            {"status": "succeeded", "message": "all\ndone"},
            Progress(stage=Stage.SUCCEEDED, message="all done"),
        ),
        (
            {"phase": "FAILED", "error": {"code": "Terminal", "message": "no"}},
            Progress(stage=Stage.FAILED, reason="Terminal", message="no", code=Code.TERMINAL),
        ),
        (
            {"phase": "Failed", "error": "no"},
            Progress(
                stage=Stage.FAILED, reason="EndpointFailed", message="no", code=Code.RETRYABLE
            ),
        ),
        (
            {"artifacts": [{"name": "a", "url": "https://x"}, {"url": "https://y"}, 5]},
            Progress(stage=Stage.SUCCEEDED, artifacts=[{"name": "a", "url": "https://x"}]),
        ),
    ],
    ids=repr,
)
async def test_answer_without_an_id_is_the_end(
    answering: Answering, answer: Any, expected: Progress
) -> None:
    peer = await answering(answer)

    ref = await peer.adapter.submit(peer.key, peer.work)
    progress = await peer.adapter.status(ref)
    await peer.adapter.cancel(ref)

    assert dataclasses.replace(expected, artifacts=[*expected.artifacts]) == progress
    assert ["POST"] == [method for method, *_ in peer.asked]


async def test_answer_is_kept_up_to_its_bound(answering: Answering) -> None:
    peer = await answering((200, "ä" * 9000))

    ref = await peer.adapter.submit(peer.key, peer.work)

    kept = ref.extra["outcome"]["answer"]
    assert kept.startswith("ää")
    assert len(kept.encode()) <= 4098


async def test_large_outcome_is_kept_without_its_details(answering: Answering) -> None:
    peer = await answering({"phase": "Failed", "message": "m" * 900_000})

    ref = await peer.adapter.submit(peer.key, peer.work)

    assert Stage.FAILED is (await peer.adapter.status(ref)).stage
    assert len(json.dumps(dict(ref.extra))) < 16_384


# -------------------------------------------------------------------------------------- polling


@pytest.mark.parametrize(
    ("said", "stage"),
    [
        ({"phase": "pending"}, Stage.PENDING),
        ({"status": "RUNNING"}, Stage.RUNNING),
        ({"phase": "Running", "status": "ok"}, Stage.RUNNING),
        ({"phase": "Cancelling"}, Stage.CANCELLING),
        ({"phase": "Succeeded"}, Stage.SUCCEEDED),
        ({"phase": "Failed"}, Stage.FAILED),
        ({"phase": "Cancelled"}, Stage.CANCELLED),
        ({"phase": "Succeeded", "status": "failed"}, Stage.FAILED),
        ({"phase": "Succeeded", "exitCode": 3}, Stage.FAILED),
        ({"phase": "Failed", "status": "cancelled"}, Stage.CANCELLED),
    ],
    ids=repr,
)
async def test_phase_in_any_case(answering: Answering, said: dict[str, Any], stage: Stage) -> None:
    peer = await answering(said)

    progress = await peer.adapter.status(peer.ref)

    assert stage is progress.stage
    assert (progress.requeue_after_seconds is None) == stage.is_ended


@pytest.mark.parametrize(
    "answer", [{}, [], {"phase": "Cooking"}, {"phase": 5}, (200, "ok"), 204], ids=repr
)
async def test_answer_without_a_phase_is_a_fault(answering: Answering, answer: Any) -> None:
    peer = await answering(answer)

    assert Code.RETRYABLE is (await fault(peer.adapter.status(peer.ref))).code


async def test_polls_are_ever_further_apart(answering: Answering) -> None:
    peer = await answering({"phase": "Running"})
    ref, waits = peer.ref, []

    for _ in range(7):
        progress = await peer.adapter.status(ref)
        assert progress.ref is not None
        ref = progress.ref
        waits.append(progress.requeue_after_seconds)

    assert [1, 2, 4, 8, 16, 30, 30] == waits


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("0", 0),
        ("7", 7),
        ("99999999999999", 3600),
        ("Sat, 28 Nov 2026 12:00:20 GMT", 20),
        ("Sat, 28 Nov 2026 11:00:00 GMT", 0),
        ("soon", 1),
        ("-5", 1),
        ("", 1),
        ("²", 1),
    ],
)
async def test_retry_after_is_honoured(answering: Answering, header: str, expected: float) -> None:
    peer = await answering((200, {"phase": "Running"}, {"Retry-After": header}))

    progress = await peer.adapter.status(peer.ref)

    assert expected == progress.requeue_after_seconds


@pytest.mark.parametrize("code", [404, 410])
async def test_work_that_went_away_is_missing(answering: Answering, code: int) -> None:
    peer = await answering(code)

    assert Stage.MISSING is (await peer.adapter.status(peer.ref)).stage


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (301, Code.TERMINAL),
        (307, Code.TERMINAL),
        (400, Code.TERMINAL),
        (401, Code.DENIED),
        (403, Code.DENIED),
        (404, Code.NOT_FOUND),
        (405, Code.TERMINAL),
        (407, Code.DENIED),
        (408, Code.RETRYABLE),
        (409, Code.TERMINAL),
        (410, Code.NOT_FOUND),
        (422, Code.TERMINAL),
        (425, Code.RETRYABLE),
        (429, Code.QUOTA),
        (500, Code.RETRYABLE),
        (502, Code.RETRYABLE),
        (503, Code.RETRYABLE),
        (599, Code.RETRYABLE),
    ],
)
async def test_codes_of_refused_submissions(answering: Answering, status: int, code: Code) -> None:
    headers = {"Retry-After": "12", "Location": "http://127.0.0.1:1/secret"}
    body = {"error": {"message": "no\u202e such\x00 luck"}, "debug": "s3cret"}
    peer = await answering((status, body, headers))

    error = await fault(peer.adapter.submit(peer.key, peer.work))

    said = "redirects are not followed" if status < 400 else "no such luck"
    assert (code, 12) == (error.code, error.retry_after_seconds)
    assert f"expected success from {peer.origin}, got HTTP {status}: {said}" == error.message
    assert 1 == len(peer.asked)


# --------------------------------------------------------------------------------- cancellation


async def test_cancel_url_gets_a_post(answering: Answering) -> None:
    peer = await answering({"phase": "Running"}, 200, {"phase": "Running"}, 404)
    extra = {**peer.ref.extra, "cancelUrl": f"{peer.origin}/c"}
    ref = dataclasses.replace(peer.ref, extra=extra)

    await peer.adapter.cancel(ref)
    before, after = await peer.adapter.status(ref), await peer.adapter.status(ref)

    asked = [(method, path) for method, path, *_ in peer.asked]
    assert [("GET", "/runs/x"), ("POST", "/c"), ("GET", "/runs/x"), ("GET", "/runs/x")] == asked
    assert (Stage.CANCELLING, Stage.CANCELLED) == (before.stage, after.stage)
    assert before.ref is not None
    assert before.ref.extra["cancelled"] is True


@pytest.mark.parametrize("code", [405, 501, 404, 409, 410])
async def test_endpoint_that_ends_nothing_is_asked_until_it_has_ended(
    answering: Answering, code: int
) -> None:
    peer = await answering({"phase": "Running"}, code, {"phase": "Running"}, {"phase": "Succeeded"})

    await peer.adapter.cancel(peer.ref)
    stages = [(await peer.adapter.status(peer.ref)).stage for _ in range(2)]

    assert [Stage.CANCELLING, Stage.SUCCEEDED] == stages


async def test_ended_work_is_not_cancelled(answering: Answering) -> None:
    peer = await answering({"phase": "Succeeded"})

    await peer.adapter.cancel(peer.ref)

    assert ["GET"] == [method for method, *_ in peer.asked]


async def test_endpoint_that_buries_nothing_gets_no_late_submission_of_ours(
    answering: Answering,
) -> None:
    peer = await answering(405)

    await peer.adapter.cancel(peer.adapter.ref(peer.key, peer.work))
    ref = await peer.adapter.submit(peer.key, peer.work)
    progress = await custom.Custom().status(ref)

    assert ["DELETE"] == [method for method, *_ in peer.asked]
    assert (Stage.CANCELLED, "JobMissing") == (progress.stage, progress.reason)


async def test_cancellation_that_is_refused_is_a_fault(answering: Answering) -> None:
    peer = await answering({"phase": "Running"}, 500)

    assert Code.RETRYABLE is (await fault(peer.adapter.cancel(peer.ref))).code


async def test_cancellation_during_a_submission_reaches_the_work() -> None:
    asked: list[str] = []
    going = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        asked.append(f"{request.method} {request.path}")
        if request.method == "POST":
            await going.wait()
            return web.json_response({"id": "x"})
        return web.json_response(
            {"phase": "Running"}, status=405 if "x" not in request.path else 200
        )

    async with custom_bench.serving(web.route("*", "/{tail:.*}", answer)) as origin:
        key, work = work_at("/runs", origin)
        adapter = custom.Custom(allowed=["127.0.0.1"])
        submission = asyncio.create_task(adapter.submit(key, work))
        await asyncio.sleep(0.05)
        await adapter.cancel(adapter.ref(key, work))
        going.set()
        await submission
        await adapter.close()

    assert ["POST /runs", "DELETE /runs", "GET /runs/x", "DELETE /runs/x"] == asked


# ------------------------------------------------------------------- what must not be reached

PUBLIC = ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "64:ff9b::101:101", "172.32.0.1"]
PUBLIC += ["168.63.129.15", "168.63.129.17"]
CLOSED = [
    "0.0.0.0",  # noqa: S104 - refused
    *("10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254"),
    *("172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.1.1", "198.18.0.1"),
    *("198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1"),
    *("255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:1.1.1.1", "::127.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "fe80::1%eth0", "fc00::1"),
    *("fd00:ec2::254", "ff02::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "fec0::1", "3fff::1"),
    # What clouds tell their machines: Azure's wire server; Alibaba, Oracle, Google.
    *("168.63.129.16", "64:ff9b::a83f:8110", "::ffff:168.63.129.16"),
    *("100.100.100.200", "192.0.0.192", "fd20:ce::254"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_may_be_reached(address: str) -> None:
    assert egress.Allowed().has_address(address)


@pytest.mark.parametrize("address", CLOSED)
def test_other_address_may_not_be_reached(address: str) -> None:
    assert not egress.Allowed().has_address(address)


def test_allowed_is_what_the_operator_lists() -> None:
    allowed = egress.Allowed.of(["10.1.0.0/16", "192.168.0.7", "Runner.Local.", "fd00::/8"])

    addresses = ("10.1.2.3", "10.2.0.1", "192.168.0.7", "192.168.0.8", "fd00::1", "::ffff:10.1.2.3")
    assert [True, False, True, False, True, False] == [
        allowed.has_address(each) for each in addresses
    ]
    assert [True, True, False] == [
        allowed.has_host(each) for each in ("runner.local", "RUNNER.LOCAL.", "x.runner.local")
    ]


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",  # noqa: S104 - refused
        *("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254"),
        *("2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[64:ff9b::7f00:1]", "LOCALHOST"),
    ],
)
async def test_address_is_refused_however_it_is_written(host: str) -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request)
        return web.Response()

    async with custom_bench.serving(web.route("*", "/{tail:.*}", answer)) as origin:
        port = yarl.URL(origin).port
        key, work = work_at(f"http://{host}:{port}/runs?token=s3cret")
        adapter = custom.Custom(deadline_seconds=5)

        error = await fault(adapter.submit(key, work))
        await adapter.close()

    assert error.code in {Code.DENIED, Code.TERMINAL}
    assert "s3cret" not in error.message
    assert [] == asked


async def test_status_address_is_checked_as_well(answering: Answering) -> None:
    peer = await answering({"id": "x", "statusUrl": "http://127.0.0.2:1/", "cancelUrl": "/c"})

    ref = await peer.adapter.submit(peer.key, peer.work)

    assert Code.DENIED is (await fault(peer.adapter.status(ref))).code


async def test_name_that_changes_its_address_gets_no_further(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await answering({"id": "x"})
    port = yarl.URL(peer.origin).port
    addresses = iter(["127.0.0.1", "127.0.0.2"])
    loop, resolve = asyncio.get_running_loop(), asyncio.get_running_loop().getaddrinfo

    async def rebinding(host: Any, *arguments: Any, **options: Any) -> Any:
        chosen = next(addresses) if host == "rebind.example" else host
        return await resolve(chosen, *arguments, **options)

    monkeypatch.setattr(loop, "getaddrinfo", rebinding)
    key, work = work_at(f"http://rebind.example:{port}/runs")

    ref = await peer.adapter.submit(key, work)
    # So that the next call needs a new connection, and a new look-up.
    await peer.adapter.close()
    adapter = custom.Custom(allowed=["127.0.0.1"])
    error = await fault(adapter.status(ref))
    await adapter.close()

    assert Code.DENIED is error.code
    assert "127.0.0.2" in error.message


async def test_allowed_name_may_have_any_address(answering: Answering) -> None:
    peer = await answering({"id": "x"}, allowed=["localhost"])
    port = yarl.URL(peer.origin).port
    key, work = work_at(f"http://localhost:{port}/runs")

    ref = await peer.adapter.submit(key, work)
    error = await fault(peer.adapter.submit(peer.key, peer.work))

    assert "x" == ref.extra["id"]
    assert Code.DENIED is error.code


async def test_proxies_and_passwords_of_the_environment_are_not_used(
    answering: Answering, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password s3cret\n")
    for name, value in {
        **dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:1"),
        "NETRC": str(tmp_path / ".netrc"),
    }.items():
        monkeypatch.setenv(name, value)
    peer = await answering({"id": "x"})

    await peer.adapter.submit(peer.key, peer.work)

    assert "Authorization" not in peer.asked[0][2]


# ------------------------------------------------------------------------------------- bad peers


async def test_endpoint_that_nobody_serves_is_worth_another_attempt() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        origin = "http://{}:{}".format(*taken.getsockname())
        key, work = work_at("/runs", origin)
        adapter = custom.Custom(allowed=["127.0.0.1"])

        error = await fault(adapter.submit(key, work))
        await adapter.close()

    assert Code.RETRYABLE is error.code
    assert error.message.startswith(f"could not reach {origin}: ")


async def test_body_has_a_bound(answering: Answering) -> None:
    peer = await answering((200, "x" * (egress.MAX_BODY_BYTES + 1)))

    error = await fault(peer.adapter.submit(peer.key, peer.work))

    assert Code.TERMINAL is error.code
    assert "at most 1048576 bytes" in error.message


async def test_slow_endpoint_is_left() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        drip = web.StreamResponse()
        await drip.prepare(request)
        for _ in range(200):
            await drip.write(b" ")
            await asyncio.sleep(0.02)
        return drip

    async with custom_bench.serving(web.route("*", "/{tail:.*}", answer)) as origin:
        key, work = work_at("/runs", origin)
        adapter = custom.Custom(allowed=["127.0.0.1"], deadline_seconds=0.2)

        error = await fault(adapter.submit(key, work))
        await adapter.close()

    assert (Code.RETRYABLE, True) == (error.code, "within 0.2 s" in error.message)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "phase", "status", "error", "code", "message", "artifacts", "name"]
            )
            | st.sampled_from(["statusUrl", "cancelUrl", "url", "path"]),
            inner | st.sampled_from([*Stage, "failed", "/x", "http://x:y@z", "//", "data:,x"]),
            max_size=5,
        )
    ),
    max_leaves=12,
)


@hypothesis.given(
    status=st.sampled_from([200, 201, 202, 204, 299]),
    body=JSON_VALUES.map(json.dumps) | st.text(string.printable, max_size=30),
)
@hypothesis.settings(max_examples=depth.draws(150), deadline=None)
def test_whatever_an_endpoint_says_is_progress_or_a_fault(status: int, body: str) -> None:
    answer = egress.Answer(origin="http://x", status=status, body=body.encode(), is_json=True)
    key, work = work_at("http://127.0.0.1:1/runs")
    ref = custom.Custom().ref(key, work)

    for read in (
        lambda: custom._remembered(answer, yarl.URL("http://x/runs")),  # noqa: SLF001
        lambda: custom._seen(ref, answer, is_cancelled=False),  # noqa: SLF001
        lambda: custom._progress(_outcome(answer)),  # noqa: SLF001
    ):
        try:
            found = read()
        except RuntimeFault:
            continue
        kept = found.ref.extra if isinstance(found, Progress) and found.ref else found
        assert isinstance(kept, Progress) or len(json.dumps(dict(kept))) < 20_000


def _outcome(answer: egress.Answer) -> dict[str, Any]:
    found: dict[str, Any] = custom._remembered(answer, yarl.URL("http://x/runs"))  # noqa: SLF001
    outcome: dict[str, Any] = found.get("outcome", {})
    return outcome


def test_message_of_another_program_is_made_harmless() -> None:
    said = "a\x1b[31m\r\nb\u202ec " + base64.b64encode(b"x" * 900).decode()

    assert "a [31m b c " == egress.text(said, 640)[:11]
    assert 640 == len(egress.text(said, 640))
