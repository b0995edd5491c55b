"""``webhooks serve`` as a process: workers, health, metrics, drain, changing files."""

import asyncio
import contextlib
import datetime as dt
import json
import os
import pathlib
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from certs import authority
from certs.directory import files as certificates
from certs.directory.contents import CA_CERTIFICATE, CERTIFICATE, KEY
from tests.support import processes
from webhooks import reviewer

pytestmark = pytest.mark.slow

DATA = pathlib.Path(__file__).parents[2] / "data"
REVIEW = (DATA / "admission/pass/v1alpha1-workflow-without-steps-gets-one.json").read_bytes()
REFUSED = (DATA / "admission/fail/v1alpha1-parameter-of-2049-bytes.json").read_bytes()
CONVERSION = (DATA / "conversion/pass/up-everything-has-a-place.json").read_bytes()
# Long: it only ends a test that would hang; a busy machine takes its time.
WAIT_SECONDS = 120.0
TWO = ("--workers", "2")
# What both have in common is tried with both only if there is time for it.
ONE_TRANSPORT = ["lean", pytest.param("aiohttp", marks=pytest.mark.deep)]


class Served:
    """A running ``webhooks serve``, and a client that trusts it."""

    def __init__(
        self, process: asyncio.subprocess.Process, directory: pathlib.Path, url: str, health: str
    ) -> None:
        self.process, self.directory, self.url, self.health = process, directory, url, health

    def trust(self) -> ssl.SSLContext:
        """A context that trusts its CA."""
        text = (self.directory / "certificates" / CA_CERTIFICATE).read_text()
        return ssl.create_default_context(cadata=text)

    async def post(
        self, session: aiohttp.ClientSession, path: str, body: bytes, **headers: str
    ) -> tuple[int, dict[str, Any], str]:
        """Status, response and its Connection header."""
        headers = {"Content-Type": "application/json", **headers}
        async with session.post(self.url + path, data=body, headers=headers) as response:
            return response.status, await response.json(), response.headers.get("Connection", "")

    async def text(self, session: aiohttp.ClientSession, path: str, body: bytes) -> str:
        """The raw response."""
        headers = {"Content-Type": "application/json"}
        async with session.post(self.url + path, data=body, headers=headers) as response:
            return await response.text()

    async def shown(self, path: str) -> tuple[int, str]:
        """The response of the health listener."""
        async with aiohttp.ClientSession() as session, session.get(self.health + path) as response:
            return response.status, await response.text()

    def session(self) -> aiohttp.ClientSession:
        """A client of it."""
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self.trust()))

    def workers(self) -> list[int]:
        """The ids of its worker processes."""
        return processes.children_of(self.process.pid)


def is_there(process: int) -> bool:
    """Return whether a process has not ended, or was not waited for."""
    return pathlib.Path(f"/proc/{process}").exists()


def logged_health(log: pathlib.Path) -> str:
    """The health URL of a server, from its log."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    (health,) = [line["url"] for line in lines if line["event"] == "health and metrics"]
    return str(health)


@contextlib.asynccontextmanager
async def started(
    directory: pathlib.Path, *options: str, **environment: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    with (directory / "log").open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "webhooks", "serve", "crds:api", "--port", "0"),
            *("--cert-dir", str(directory / "certificates"), "--workers", "1", "--quiet", "0"),
            *options,
            stdout=asyncio.subprocess.PIPE,
            stderr=file,
            env={**os.environ, **environment},
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            async with asyncio.timeout(WAIT_SECONDS):
                await process.wait()


async def first_line(process: asyncio.subprocess.Process) -> str:
    """The output of a server once it serves."""
    assert process.stdout is not None
    async with asyncio.timeout(WAIT_SECONDS):
        return (await process.stdout.readline()).decode()


@contextlib.asynccontextmanager
async def serving(
    directory: pathlib.Path, *options: str, health: str = "", **environment: str
) -> AsyncIterator[Served]:
    log = directory / "log"
    async with started(directory, *options, **environment) as process:
        line = await first_line(process)
        assert line.startswith("serving "), log.read_text()
        yield Served(process, directory, line.split()[-1], health or logged_health(log))


async def eventually(check: Any) -> None:
    """Wait until a check succeeds."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not await check():  # noqa: ASYNC110 - the event is another process's
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("transport", ["lean", "aiohttp"])
async def test_reviews_are_answered_counted_and_written_down(
    tmp_path: pathlib.Path, transport: str
) -> None:
    audit = tmp_path / "audit.jsonl"
    options = ("--transport", transport, "--audit-log", str(audit), *TWO)

    async with serving(tmp_path, *options) as served, served.session() as session:
        for path, body in (
            ("/validate", REVIEW),
            ("/validate", REFUSED),
            ("/convert", CONVERSION),
        ):
            status, _, _ = await served.post(session, path, body)
            assert 200 == status
        assert (200, "ok\n") == await served.shown("/readyz")
        assert (200, "ok\n") == await served.shown("/livez")

        async def is_counted() -> bool:
            _, text = await served.shown("/metrics")
            wanted = [
                'controller_runtime_webhook_requests_total{code="200",webhook="/validate"} 2.0',
                'controller_runtime_webhook_latency_seconds_count{webhook="/convert"} 1.0',
                (
                    'kubewright_admission_reviews_total{kind="AgentRun",operation="CREATE",'
                    'verdict="denied",version="v1alpha1"} 1.0'
                ),
                'kubewright_conversion_objects_total{verdict="converted",version="v1beta1"} 1.0',
                "kubewright_webhook_workers 2.0",
            ]
            return all(one in text for one in wanted)

        await eventually(is_counted)

    decisions = [json.loads(line) for line in audit.read_text().splitlines()]
    assert ["allowed", "denied"] == [one["verdict"] for one in decisions]
    assert {"AgentRun"} == {one["kind"] for one in decisions}
    assert "parameters" not in audit.read_text()


async def test_full_disk_costs_no_call_and_is_counted(tmp_path: pathlib.Path) -> None:
    """Neither the decisions nor the log can be written."""
    full = "/dev/full"
    (tmp_path / "log").symlink_to(full)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ("--audit-log", full, "--health-port", str(port))

    async with serving(tmp_path, *options, health=f"http://127.0.0.1:{port}") as served:
        async with served.session() as session:
            answers = [await served.post(session, "/validate", REFUSED) for _ in range(100)]

        async def is_counted() -> bool:
            _, text = await served.shown("/metrics")
            return 'kubewright_log_dropped_lines_total{log="audit"} 100.0' in text

        await eventually(is_counted)
        _, text = await served.shown("/metrics")

    assert {200} == {status for status, _, _ in answers}
    assert 'kubewright_log_dropped_lines_total{log="stderr"} 1' in text


class Collector:
    """An OTLP/HTTP receiver of spans."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    async def take(self, request: web.Request) -> web.Response:
        """Receive an export."""
        found = trace_service_pb2.ExportTraceServiceRequest.FromString(await request.read())
        for resource in found.resource_spans:
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        return web.Response(content_type="application/x-protobuf")

    async def has_spans(self) -> bool:
        """Return whether any was received."""
        return bool(self.spans)


@pytest.mark.parametrize("transport", ONE_TRANSPORT)
async def test_review_is_a_span_of_its_callers_trace(
    tmp_path: pathlib.Path, transport: str
) -> None:
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

    async with serving(
        tmp_path,
        *("--traces", "--transport", transport),
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{runner.addresses[0][1]}",
        OTEL_BSP_SCHEDULE_DELAY="100",
    ) as served:
        headers = {"traceparent": f"00-{trace}-{parent}-01"}
        async with served.session() as session:
            await served.post(session, "/validate", REFUSED, **headers)
        await eventually(collector.has_spans)
    await runner.cleanup()

    (span,) = collector.spans
    attributes = {
        one.key: one.value.string_value
        for one in span.attributes
        if one.key.startswith("kubewright.")
    }
    assert [trace, parent] == [span.trace_id.hex(), span.parent_span_id.hex()]
    assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 60e9
    assert {
        "kubewright.uid": json.loads(REFUSED)["request"]["uid"],
        "kubewright.kind": "AgentRun",
        "kubewright.operation": "CREATE",
        "kubewright.version": "v1alpha1",
        "kubewright.verdict": "denied",
        "kubewright.namespace": "agents",
        "kubewright.name": "fix-login",
    } == attributes


async def test_worker_that_is_silent_is_replaced(tmp_path: pathlib.Path) -> None:
    async with serving(tmp_path, *TWO) as served:
        stopped, other = served.workers()
        os.kill(stopped, signal.SIGSTOP)

        async def is_replaced() -> bool:
            workers = served.workers()
            return stopped not in workers and len(workers) == 2

        await eventually(is_replaced)
        assert other in served.workers()


async def test_large_reviews_survive_the_process_that_answers_them(tmp_path: pathlib.Path) -> None:
    review = json.loads(REVIEW)
    review["request"]["object"]["spec"]["parameters"] = {"p": "x" * reviewer.HEAVY_BYTES}
    large = json.dumps(review).encode()

    async with serving(tmp_path) as served, served.session() as session:
        first = await served.text(session, "/validate", large)
        (worker,) = served.workers()
        (second,) = processes.children_of(worker)
        os.kill(second, signal.SIGKILL)

        async def is_replaced() -> bool:
            return bool(workers := served.workers()) and worker not in workers

        await eventually(is_replaced)

        async def is_answered_again() -> bool:
            with contextlib.suppress(aiohttp.ClientError):
                return await served.text(session, "/validate", large) == first
            return False

        await eventually(is_answered_again)

        last = processes.children_of(served.workers()[0])
    assert "FieldValueTooLong" in first
    assert [] == [one for one in (second, *last) if is_there(one)]


@pytest.mark.parametrize("transport", ONE_TRANSPORT)
async def test_admission_is_for_clients_of_the_authority_and_conversion_for_all(
    tmp_path: pathlib.Path, transport: str
) -> None:
    now = dt.datetime.now(dt.UTC)
    theirs = authority.new_authority("clients", now=now)
    (tmp_path / "clients.crt").write_bytes(theirs.certificate_pem)
    files: dict[str, pathlib.Path | None] = {"none": None}
    for name, issuer in (("known", theirs), ("unknown", authority.new_authority("x", now=now))):
        pair = authority.issue_client(issuer, "kube-apiserver", now=now)
        path = files[name] = tmp_path / f"{name}.pem"
        path.write_bytes(pair.certificate_pem + pair.key_pem)
    audit = tmp_path / "audit.jsonl"
    options = ("--client-ca", str(tmp_path / "clients.crt"), "--audit-log", str(audit))

    async with serving(tmp_path, "--transport", transport, *options) as served:

        async def status(name: str, path: str, body: bytes) -> int | None:
            tls = served.trust()
            if (certificate := files[name]) is not None:
                tls.load_cert_chain(certificate)
            headers = {"Content-Type": "application/json"}
            connector = aiohttp.TCPConnector(ssl=tls)
            async with aiohttp.ClientSession(connector=connector) as session:
                try:
                    url = served.url + path
                    async with session.post(url, data=body, headers=headers) as response:
                        return response.status
                except (aiohttp.ClientError, OSError):
                    return None

        calls = [("/validate", REVIEW), ("/mutate", REVIEW), ("/convert", CONVERSION)]
        found = {name: [await status(name, *call) for call in calls] for name in files}
        await eventually(lambda: has_counted(served, "client certificate of another authority", 3))

    assert {"none": [401, 401, 200], "known": [200] * 3, "unknown": [None] * 3} == found
    decisions = [json.loads(line) for line in audit.read_text().splitlines()]
    assert [json.loads(REVIEW)["request"]["uid"]] * 2 == [one["uid"] for one in decisions]


async def has_counted(served: Served, reason: str, count: int = 1) -> bool:
    name = f'kubewright_webhook_tls_handshake_errors_total{{reason="{reason}"}} {count}.0'
    return name in (await served.shown("/metrics"))[1]


@pytest.mark.parametrize("transport", ONE_TRANSPORT)
async def test_caller_that_does_not_trust_us_is_counted_and_told(
    tmp_path: pathlib.Path, transport: str
) -> None:
    def distrust(address: tuple[str, int]) -> None:
        tls = ssl.create_default_context()
        with socket.create_connection(address) as plain, pytest.raises(ssl.SSLError):
            tls.wrap_socket(plain, server_hostname="127.0.0.1")

    async with (
        serving(tmp_path, "--transport", transport) as served,
        aiohttp.ClientSession() as met,
    ):
        port = int(served.url.rpartition(":")[2])
        await asyncio.to_thread(distrust, ("127.0.0.1", port))
        await eventually(lambda: has_counted(served, "client does not trust us"))
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await served.post(met, "/validate", REVIEW)
        await eventually(lambda: has_counted(served, "client closed the connection"))
        log = (tmp_path / "log").read_text()

    warned = [one for one in map(json.loads, log.splitlines()) if "handshakes" in one["event"]]
    assert {"client does not trust us": 1} == warned[0]["since_start"]


@pytest.mark.parametrize(
    ("host", "called"),
    [
        ("::", "127.0.0.1"),
        pytest.param("::1", "[::1]", marks=pytest.mark.deep),
        pytest.param("0.0.0.0", "127.0.0.1", marks=pytest.mark.deep),  # noqa: S104 - the case
    ],
)
async def test_any_address_of_either_family_is_listened_on_and_called(
    tmp_path: pathlib.Path, host: str, called: str
) -> None:
    async with serving(tmp_path, "--host", host) as served, served.session() as session:
        status, _, _ = await served.post(session, "/validate", REVIEW)

    assert 200 == status
    assert served.url.startswith(f"https://{called}:")


async def test_dead_worker_is_replaced_and_no_connection_is_refused(tmp_path: pathlib.Path) -> None:
    async with serving(tmp_path, *TWO) as served:
        (victim, _) = before = served.workers()
        os.kill(victim, signal.SIGKILL)

        for _ in range(50):
            async with served.session() as session:
                status, _, _ = await served.post(session, "/validate", REVIEW)
                assert 200 == status

        async def is_replaced() -> bool:
            return len(served.workers()) == len(before) and victim not in served.workers()

        await eventually(is_replaced)


@pytest.mark.parametrize("transport", ONE_TRANSPORT)
async def test_calls_go_on_while_it_drains(tmp_path: pathlib.Path, transport: str) -> None:
    async with serving(tmp_path, "--transport", transport, "--quiet", "2") as served:
        async with served.session() as session:
            _, _, before = await served.post(session, "/validate", REVIEW)
            served.process.terminate()

            async def is_unready() -> bool:
                return (await served.shown("/readyz")) == (503, "draining\n")

            await eventually(is_unready)
            answers = [await served.post(session, "/validate", REVIEW) for _ in range(20)]

        assert "close" != before.lower()
        assert {200} == {status for status, _, _ in answers}
        assert "close" == answers[-1][2].lower()
        async with asyncio.timeout(WAIT_SECONDS):
            assert 0 == await served.process.wait()


async def test_changed_certificate_is_served_without_a_lost_call(tmp_path: pathlib.Path) -> None:
    async with serving(tmp_path, *TWO) as served, served.session() as kept:
        await served.post(kept, "/validate", REVIEW)
        other, directory = tmp_path / "other", tmp_path / "certificates"
        certificates.load_or_create(other, ["127.0.0.1"], dt.datetime.now(dt.UTC))
        directory.rename(tmp_path / "before")
        other.rename(directory)

        async def is_trusted() -> bool:
            async with served.session() as session:
                try:
                    status, _, _ = await served.post(session, "/validate", REVIEW)
                except aiohttp.ClientConnectorCertificateError:
                    return False
                return status == 200

        await eventually(is_trusted)
        status, _, _ = await served.post(kept, "/validate", REVIEW)
        assert 200 == status


NOW = dt.datetime.now(dt.UTC)
GOOD = authority.issue_server(authority.new_authority("other", now=NOW), ["127.0.0.1"], now=NOW)
EXPIRED = authority.issue_server(
    authority.new_authority("expired", now=NOW - dt.timedelta(days=9)),
    ["127.0.0.1"],
    now=NOW - dt.timedelta(days=9),
    lifetime=dt.timedelta(days=1),
)
DER = GOOD.certificate.public_bytes(serialization.Encoding.DER)


BAD_PAIRS: list[tuple[authority.Pair | None, int, str]] = [
    (authority.Pair(GOOD.certificate_pem, EXPIRED.key_pem), 0o600, "the key of another one"),
    (EXPIRED, 0o600, "expected a certificate that is valid now"),
    (authority.Pair(DER, GOOD.key_pem), 0o600, "but DER"),
    (authority.Pair(b"garbage", GOOD.key_pem), 0o600, "PEM certificates, got 7 other bytes"),
    (authority.Pair(GOOD.certificate_pem, b"garbage"), 0o600, "PEM private key, got 7 other bytes"),
    (GOOD, 0o640, "expected a key readable only by its owner"),
    (None, 0o600, "got neither"),
]


async def test_bad_pairs_are_refused_and_the_old_one_is_served_also_by_a_new_worker(
    tmp_path: pathlib.Path,
) -> None:
    directory, log = tmp_path / "certificates", tmp_path / "log"

    def refusals() -> list[str]:
        lines = [json.loads(one) for one in log.read_text().splitlines()]
        return [
            found for one in lines if (found := one.get("event", "")).startswith("reload failed")
        ]

    async with serving(tmp_path, *TWO) as served, served.session() as session:
        ca = (directory / CA_CERTIFICATE).read_text()
        for number, (pair, mode, words) in enumerate(BAD_PAIRS):
            other = tmp_path / f"other-{number}"
            other.mkdir()
            if pair is not None:
                (other / CERTIFICATE).write_bytes(pair.certificate_pem)
                (other / KEY).write_bytes(pair.key_pem)
                (other / KEY).chmod(mode)
            directory.rename(tmp_path / f"before-{number}")
            other.rename(directory)

            async def is_told(words: str = words) -> bool:
                return any(words in one for one in refusals())

            await eventually(is_told)
        victim = served.workers()[0]
        os.kill(victim, signal.SIGKILL)

        async def is_replaced() -> bool:
            found = served.workers()
            return len(found) == 2 and victim not in found

        await eventually(is_replaced)
        for _ in range(10):
            tls = ssl.create_default_context(cadata=ca)
            _, writer = await asyncio.open_connection(
                "127.0.0.1", int(served.url.rpartition(":")[2]), ssl=tls
            )
            writer.close()
        status, _, _ = await served.post(session, "/validate", REVIEW)

    assert all(str(directory) in one for one in refusals())
    assert "PRIVATE KEY" not in log.read_text()
    assert 200 == status


async def served_certificate(served: Served) -> str:
    address = ("127.0.0.1", int(served.url.rpartition(":")[2]))
    return await asyncio.to_thread(ssl.get_server_certificate, address)


async def serve_briefly(served: Served, ca: authority.Pair) -> authority.Pair:
    """Let a pair be served that will soon end; a busy machine gets one that lives longer."""
    for seconds in (4, 16, 64):
        now, lifetime = dt.datetime.now(dt.UTC), dt.timedelta(seconds=seconds)
        brief = authority.issue_server(ca, ["127.0.0.1"], now=now, lifetime=lifetime)
        certificates.install(served.directory / "certificates", brief, ca.certificate_pem)
        while dt.datetime.now(dt.UTC) < brief.certificate.not_valid_after_utc:
            if await served_certificate(served) == brief.certificate_pem.decode():
                return brief
            await asyncio.sleep(0.05)
    pytest.fail("expected a new pair to be served within a minute")


async def test_expired_certificate_ends_readiness_until_another_is_valid(
    tmp_path: pathlib.Path,
) -> None:
    """The next one exists before it is valid: it is retried when it becomes valid."""
    now, ca = dt.datetime.now(dt.UTC), authority.new_authority("theirs", now=NOW)
    directory = tmp_path / "certificates"
    first = authority.issue_server(ca, ["127.0.0.1"], now=now)
    certificates.install(directory, first, ca.certificate_pem)
    answers: list[tuple[int, str]] = []

    async with serving(tmp_path) as served:
        before = await served.shown("/readyz")
        brief = await serve_briefly(served, ca)

        async def is_unready() -> bool:
            answers.append(await served.shown("/readyz"))
            return "renew it" in answers[-1][1]

        await eventually(is_unready)
        ahead = authority.BACKDATED + dt.timedelta(seconds=2)
        later = authority.issue_server(ca, ["127.0.0.1"], now=dt.datetime.now(dt.UTC) + ahead)
        certificates.install(directory, later, ca.certificate_pem)

        async def is_ready_again() -> bool:
            answers.append(await served.shown("/readyz"))
            return answers[-1][0] == 200

        await eventually(is_ready_again)
        served_now = await served_certificate(served)

    ends = brief.certificate.not_valid_after_utc
    assert (200, "ok\n") == before
    texts = {text for _, text in answers}
    assert {
        "ok\n",
        f"the serving certificate expired at {ends:%Y-%m-%dT%H:%M:%SZ}: renew it\n",
    } == texts - {"a worker serves a certificate that has expired\n"}
    assert later.certificate_pem.decode() == served_now


async def test_pair_of_a_time_to_come_is_waited_for_unready(tmp_path: pathlib.Path) -> None:
    now, ca = dt.datetime.now(dt.UTC), authority.new_authority("theirs", now=NOW)
    later = authority.issue_server(ca, ["127.0.0.1"], now=now + dt.timedelta(days=1))
    good = authority.issue_server(ca, ["127.0.0.1"], now=now)
    certificates.install(tmp_path / "certificates", later, ca.certificate_pem)
    starts = f"{later.certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}"
    seen: list[str] = []

    async with started(tmp_path, "--workers", "1") as process:

        async def is_waiting() -> bool:
            if "health and metrics" in (tmp_path / "log").read_text():
                served = Served(process, tmp_path, "", logged_health(tmp_path / "log"))
                seen.append((await served.shown("/readyz"))[1])
            return any("is not valid before" in text for text in seen)

        await eventually(is_waiting)
        certificates.install(tmp_path / "certificates", good, ca.certificate_pem)
        line = await first_line(process)
        served = Served(process, tmp_path, "", logged_health(tmp_path / "log"))
        after = await served.shown("/readyz")

    message = (
        f"the serving certificate is not valid before {starts}: check the clock, or replace it"
    )
    assert {f"{message}\n"} == {text for text in seen if text != "no worker is serving\n"}
    assert line.startswith("serving ")
    assert (200, "ok\n") == after
    assert message in (tmp_path / "log").read_text()


async def test_changed_settings_count_and_broken_ones_are_passed_over(
    tmp_path: pathlib.Path,
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("policy: {}\n")

    options = ("--settings", str(settings))
    async with serving(tmp_path, *options) as served, served.session() as session:

        async def is_allowed() -> bool:
            _, answer, _ = await served.post(session, "/validate", REVIEW)
            return bool(answer["response"]["allowed"])

        async def is_refused() -> bool:
            return not await is_allowed()

        assert await is_allowed()
        settings.write_text("policy: {labels: {required: [team]}}\n")
        await eventually(is_refused)
        settings.write_text("policy: [\n")
        served.process.send_signal(signal.SIGHUP)

        async def is_passed_over() -> bool:
            return "reload failed" in (tmp_path / "log").read_text()

        await eventually(is_passed_over)
        assert await is_refused()


async def test_worker_that_starts_beside_broken_settings_takes_the_last_good_ones(
    tmp_path: pathlib.Path,
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("policy: {labels: {required: [team]}}\n")

    async with serving(tmp_path, "--settings", str(settings)) as served:
        before = served.workers()
        settings.write_text("policy: [\n")
        for pid in before:
            os.kill(pid, signal.SIGKILL)

        async def are_replaced() -> bool:
            found = served.workers()
            return len(found) == len(before) and not {*found} & {*before}

        await eventually(are_replaced)
        async with served.session() as session:
            _, answer, _ = await served.post(session, "/validate", REVIEW)

    assert not answer["response"]["allowed"]


async def test_worker_that_cannot_start_ends_the_server(tmp_path: pathlib.Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "webhooks", "serve", "crds:api", "--port", "0"),
        *("--cert-dir", str(tmp_path / "certificates"), "--workers", "1", "--look-up"),
        *("--kubeconfig", str(tmp_path / "missing")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )

    async with asyncio.timeout(WAIT_SECONDS):
        _, said = await process.communicate()

    assert 2 == process.returncode
    assert "missing" in said.decode()


async def test_deeply_nested_settings_are_reviewed_and_converted(tmp_path: pathlib.Path) -> None:
    deep = b'{"a":' * 1010 + b"1" + b"}" * 1010
    settings = tmp_path / "settings.yaml"
    settings.write_text("policy: {secrets: {denied: [root]}}\n")
    run = json.loads(CONVERSION)["request"]["objects"][0]
    run["spec"]["runtime"]["config"] = "DEEP"
    conversion, review = json.loads(CONVERSION), json.loads(REVIEW)
    conversion["request"]["objects"] = [run]
    review["request"]["object"] = run

    async with (
        serving(tmp_path, "--settings", str(settings)) as served,
        served.session() as session,
    ):
        texts = [
            await served.text(session, path, json.dumps(value).encode().replace(b'"DEEP"', deep))
            for path, value in (("/convert", conversion), ("/validate", review))
        ]

    assert ["Success" in texts[0], '"allowed":true' in texts[1]] == [True, True], texts[1][:300]
    assert deep.decode() in texts[0]
