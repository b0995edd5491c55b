"""Deliveries over a socket, to what is in the cluster."""

import asyncio
import pathlib
import random

import pytest

from controllers import kube
from controllers.kube import testing
from controllers.sources.api_constants import SOURCES, SPECS
from controllers.sources.payloads import signatures
from controllers.sources.receiving import endpoint
from tests.support import source_bench
from tests.support.source_bench import Bench, issue

pytestmark = pytest.mark.slow

REFUSED = "agents_source_deliveries_refused_total"
OBSERVED = "agents_source_observations_total"


async def test_a_delivery_becomes_an_implementation_spec(bench: Bench) -> None:
    status = await bench.deliver(issue(12, "Fix it"))

    await testing.settle(lambda: any(spec.get("status") for spec in bench.specs()))
    (spec,) = bench.specs()
    assert 202 == status
    assert ("Fix it", "A body") == (spec["spec"]["summary"], spec["spec"]["text"])
    assert "https://github.com/a/b/issues/12" == spec["spec"]["source"]["url"]
    assert "2026-01-01T00:00:00Z" == spec["status"]["sourceVersion"]


async def test_an_older_delivery_changes_nothing(bench: Bench) -> None:
    await bench.deliver(issue(title="new", seconds=2))
    await testing.settle(lambda: bench.count(OBSERVED, result="applied") == 1)

    status = await bench.deliver(issue(title="old", seconds=1))

    await testing.settle(lambda: bench.count(OBSERVED, result="outdated") == 1)
    assert 202 == status
    assert ["new"] == [spec["spec"]["summary"] for spec in bench.specs()]


async def test_a_redelivery_is_answered_and_changes_nothing(bench: Bench) -> None:
    body = issue()

    statuses = [await bench.deliver(body, X_GitHub_Delivery="same") for _ in range(2)]

    assert [202, 202] == statuses
    assert 1 == bench.count(OBSERVED, result="duplicate")


async def test_both_secrets_of_a_rotation_sign(bench: Bench) -> None:
    body = issue()
    signed = f"sha256={signatures.signature(source_bench.PREVIOUS, body)}"

    assert 202 == await bench.deliver(body, X_Hub_Signature_256=signed)


async def test_a_deleted_issue_is_orphaned_and_kept(bench: Bench) -> None:
    await bench.deliver(issue())
    await bench.deliver(issue(seconds=1, action="deleted"))

    await testing.settle(
        lambda: any(spec.get("status", {}).get("conditions") for spec in bench.specs())
    )
    (spec,) = bench.specs()
    (condition,) = spec["status"]["conditions"]
    assert ("Orphaned", "True", "Deleted") == tuple(
        condition[field] for field in ("type", "status", "reason")
    )
    assert "A body" == spec["spec"]["text"]


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({"X_Hub_Signature_256": f"sha256={'0' * 64}"}, 401, "wrong_signature"),
        ({"X_Hub_Signature_256": ""}, 401, "missing_signature"),
        ({"X_Hub_Signature_256": "", "X_Hub_Signature": "sha1=00"}, 401, "sha1_signature"),
        ({"X_Hub_Signature_256": "sha256=zz"}, 401, "malformed_signature"),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415, "content_type"),
        ({"Content_Encoding": "gzip"}, 415, "content_type"),
        ({"X_GitHub_Event": ""}, 400, "unreadable"),
        ({"path": "team/others"}, 404, "unknown_source"),
        ({"path": "other/issues"}, 404, "unknown_source"),
    ],
)
async def test_what_is_refused_is_counted_by_its_reason(
    bench: Bench, headers: dict[str, str], status: int, reason: str
) -> None:
    assert status == await bench.deliver(issue(), **headers)
    assert 1 == bench.count(REFUSED, reason=reason)
    assert [] == bench.specs()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, issue()[:-9]])
async def test_signed_garbage_is_refused(bench: Bench, body: bytes) -> None:
    assert 400 == await bench.deliver(body)


async def test_a_body_past_the_limit_is_refused_while_it_is_read(bench: Bench) -> None:
    async def endless() -> None:
        head = (
            "POST /v1/sources/team/issues HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\n\r\n"
        )
        port = int(bench.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode())
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        for _ in range(endpoint.MAX_BODY_BYTES // 0x10000 + 1):
            writer.write(chunk)
        assert b"HTTP/1.1 413" in await reader.readline()
        writer.close()

    async with asyncio.timeout(120):
        await endless()
    assert 1 == bench.count(REFUSED, reason="too_large")


async def test_a_source_that_is_disabled_receives_nothing(bench: Bench) -> None:
    await bench.client.patch(
        SOURCES,
        "issues",
        {"spec": {"ingestion": {"mode": "Disabled", "webhook": None}}},
        namespace="team",
    )
    key = kube.Key("team", "issues")
    await testing.settle(
        lambda: (source := bench.service.sources.get(key)) is not None and not source.is_receiving
    )

    assert 404 == await bench.deliver(issue())


async def test_a_missing_secret_is_no_secret(server: testing.ApiServer) -> None:
    async with server.client() as client:
        await client.delete(kube.SECRETS, "signing", namespace="team")
    async with source_bench.serving(server) as bench:
        assert 503 == await bench.deliver(issue())
        assert 1 == bench.count(REFUSED, reason="no_secret")


async def test_a_secret_survives_an_api_server_that_is_away(
    server: testing.ApiServer, tmp_path: pathlib.Path
) -> None:
    async with source_bench.serving(server, tmp_path) as bench:
        await bench.deliver(issue())
        server.refuse(code=503, times=1_000)

        assert 202 == await bench.deliver(issue(2))


async def test_a_spooled_delivery_is_applied_after_a_restart(
    server: testing.ApiServer, tmp_path: pathlib.Path
) -> None:
    async with source_bench.serving(server, tmp_path) as bench:
        fault = server.refuse(plural="implementationspecs", code=500, times=1_000_000)
        assert 202 == await bench.deliver(issue())
    fault.stop()

    async with source_bench.serving(server, tmp_path) as bench:
        await testing.settle(lambda: len(bench.specs()) == 1)
        await testing.settle(lambda: not bench.count("agents_source_spool_bytes"))


async def test_without_a_spool_an_unstored_delivery_is_refused(server: testing.ApiServer) -> None:
    async with source_bench.serving(server, answer_seconds=0.05) as bench:
        server.refuse(plural="implementationspecs", code=500, times=1_000_000)

        assert 503 == await bench.deliver(issue())


async def test_a_source_has_a_rate(server: testing.ApiServer, tmp_path: pathlib.Path) -> None:
    rate = kube.Rate(qps=0.001, burst=2)
    async with source_bench.serving(server, tmp_path, rate=rate) as bench:
        statuses = [await bench.deliver(issue(number)) for number in range(1, 4)]

        assert [202, 202, 429] == statuses


async def test_an_object_of_the_same_name_is_left_alone(bench: Bench) -> None:
    await bench.deliver(issue())
    await testing.settle(lambda: bench.count(OBSERVED, result="applied") == 1)
    name = bench.specs()[0]["metadata"]["name"]
    await bench.client.delete(SPECS, name, namespace="team")
    mine = {
        "apiVersion": SPECS.api_version,
        "kind": SPECS.kind,
        "metadata": {"name": name, "namespace": "team"},
        "spec": {"text": "mine"},
    }
    await bench.client.create(SPECS, mine)

    await bench.deliver(issue(title="theirs", seconds=9))

    await testing.settle(lambda: bench.count(OBSERVED, result="other_scope") == 1)
    assert ["mine"] == [spec["spec"]["text"] for spec in bench.specs()]


async def test_replicas_converge_on_the_newest_state_of_each_issue(
    server: testing.ApiServer, tmp_path: pathlib.Path
) -> None:
    """Histories in any order, repeated, over two replicas, with forgeries and cut bodies."""
    rng = random.Random(23)  # noqa: S311 - an order
    issues, changes = 20, 5
    history = [
        issue(number, f"state {second}", seconds=second)
        for number in range(1, issues + 1)
        for second in range(changes)
    ]
    deliveries = history * 2
    rng.shuffle(deliveries)
    async with (
        source_bench.serving(server, tmp_path) as one,
        source_bench.serving(server) as other,
    ):

        async def deliver(body: bytes) -> set[int]:
            replica = rng.choice((one, other))
            forged = body.replace(b"state", b"stole")
            signed = f"sha256={signatures.signature(source_bench.SECRET, body)}"
            refused = {
                await replica.deliver(forged, X_Hub_Signature_256=signed),
                await replica.deliver(body[:-7], X_Hub_Signature_256=signed),
            }
            assert 202 == await replica.deliver(body)
            return refused

        refused = await asyncio.gather(*map(deliver, deliveries))
        await testing.settle(
            lambda: {spec["spec"]["summary"] for spec in one.specs()} == {"state 4"}
        )

    assert [{401}] * len(deliveries) == refused
    assert issues == len(one.specs())


async def test_what_is_decided_about_deliveries_is_recorded_without_texts(bench: Bench) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    traced = {"X_GitHub_Delivery": "first", "traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    await bench.deliver(issue(), **traced)
    await testing.settle(lambda: len(bench.entries) == 2)
    await bench.deliver(issue(), **traced)
    await bench.deliver(issue(), X_GitHub_Delivery="forged", X_Hub_Signature_256="sha256=zz")
    await bench.deliver(issue(seconds=1, action="deleted"), X_GitHub_Delivery="last")
    await testing.settle(lambda: len(bench.entries) == 6)

    (spec,) = bench.specs()
    name, uid = spec["metadata"]["name"], spec["metadata"]["uid"]
    source = (await bench.client.get(SOURCES, "issues", namespace="team"))["metadata"]["uid"]
    of_source = ("ImplementationSource", "team", "issues", source)
    of_spec = ("ImplementationSpec", "team", name, uid)
    shown = [
        (each.decision.value, each.who, each.reason, each.object, each.delivery)
        for each in bench.entries
    ]
    assert [
        *sorted(
            [
                ("accepted", "GitHub", "", of_source, "first"),
                ("created", "agents-sources", "delivered", of_spec, "first"),
            ]
        ),
        ("repeated", "GitHub", "duplicate", of_source, "first"),
        ("refused", "unverified", "malformed_signature", of_source, "forged"),
        *sorted(
            [
                ("accepted", "GitHub", "", of_source, "last"),
                ("orphaned", "agents-sources", "Deleted", of_spec, "last"),
            ]
        ),
    ] == [*sorted(shown[:2]), *shown[2:4], *sorted(shown[4:])]
    assert {trace, ""} == {each.trace for each in bench.entries}
    assert "A body" not in repr(bench.entries)


async def test_a_source_that_does_not_exist_is_not_named_in_the_audit_log(bench: Bench) -> None:
    async with bench.session.post(f"{bench.url}/v1/sources/team/a-secret") as response:
        assert 404 == response.status

    (entry,) = bench.entries
    assert ("refused", "unknown_source", None) == (entry.decision, entry.reason, entry.object)
