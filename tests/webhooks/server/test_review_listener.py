"""The server over TLS: it answers any input properly and keeps serving."""

import asyncio
import datetime as dt
import io
import json
import pathlib
import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

import crds
from certs import authority, tls_contexts
from webhooks import answers, routing
from webhooks.server import review_listener

DATA = pathlib.Path(__file__).parents[2] / "data"
REVIEW = (DATA / "admission/pass/v1alpha1-workflow-without-steps-gets-one.json").read_bytes()
CONVERSION = (DATA / "conversion/pass/up-everything-has-a-place.json").read_bytes()
MIB = 1024 * 1024


class Peer:
    """A client that behaves like the API server."""

    def __init__(self, session: aiohttp.ClientSession, port: int, tls: ssl.SSLContext) -> None:
        self.session, self.port, self.tls = session, port, tls

    async def post(
        self, path: str, body: Any, content_type: str = "application/json", **headers: str
    ) -> tuple[int, Any]:
        """Status and JSON (or text) of the response."""
        async with self.session.post(
            f"https://127.0.0.1:{self.port}{path}",
            data=io.BytesIO(body) if isinstance(body, bytes) else body,
            headers={"Content-Type": content_type, **headers},
            ssl=self.tls,
        ) as response:
            text = await response.text()
            is_json = response.content_type == "application/json"
            return response.status, json.loads(text) if is_json else text

    async def raw(self, data: bytes) -> bytes:
        """Everything that is returned for bytes on the wire."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.tls)
        writer.write(data)
        await writer.drain()
        try:
            async with asyncio.timeout(120):
                return await reader.read()
        finally:
            writer.close()


def nobody(seen: answers.RequestLog) -> None:
    """Ignore a request."""


@pytest.fixture(scope="module", params=["lean", "aiohttp"])
async def peer(request: pytest.FixtureRequest) -> AsyncIterator[Peer]:
    now = dt.datetime.now(dt.UTC)
    ca = authority.new_authority("test", now=now)
    leaf = authority.issue_server(ca, ["127.0.0.1"], now=now)
    trust = ssl.create_default_context(cadata=ca.certificate_pem.decode())
    tls = tls_contexts.server_context(leaf)
    listener = review_listener.listening("127.0.0.1", 0)
    paths = routing.routes(crds.api, is_verifying=True)
    async with (
        review_listener.serving(
            paths, listener=listener, tls=tls, transport=request.param, observe=nobody
        ),
        aiohttp.ClientSession() as session,
    ):
        yield Peer(session, listener.getsockname()[1], trust)


@pytest.fixture(autouse=True)
async def goes_on_serving(peer: Peer) -> AsyncIterator[None]:
    yield

    status, answer = await peer.post("/validate", REVIEW)

    assert (200, True) == (status, answer["response"]["allowed"])


async def test_defaults_come_as_a_patch(peer: Peer) -> None:
    status, answer = await peer.post("/mutate", REVIEW)

    assert 200 == status
    assert "JSONPatch" == answer["response"]["patchType"]


async def test_objects_are_converted(peer: Peer) -> None:
    status, answer = await peer.post("/convert", CONVERSION)

    assert (200, "Success") == (status, answer["response"]["result"]["status"])


async def test_content_type_may_have_parameters(peer: Peer) -> None:
    status, _ = await peer.post("/validate", REVIEW, "application/json; charset=utf-8")

    assert 200 == status


@pytest.mark.parametrize("path", ["/validate", "/mutate", "/convert"])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(b"", "empty body", id="empty"),
        pytest.param(REVIEW[: len(REVIEW) // 2], "in JSON", id="truncated"),
        pytest.param(b'{"request": {"uid": "1", "x": NaN}}', "in JSON", id="NaN"),
        pytest.param(b'{"request": {"uid": "\xff\xfe"}}', "in JSON", id="invalid-utf8"),
        pytest.param(b'{"request": {"uid": "\\ud800"}}', "in JSON", id="lone-surrogate"),
        pytest.param(b"[" * 200_000 + b"]" * 200_000, "in JSON", id="deep-array"),
        pytest.param(b'{"a":' * 200_000 + b"1" + b"}" * 200_000, "in JSON", id="deep-object"),
        pytest.param(b"null", "got null", id="null"),
        pytest.param(b"[]", "got array", id="array"),
        pytest.param(b'"text"', "got string", id="string"),
        pytest.param(b"{}", "request.uid", id="no-request"),
        pytest.param(b'{"request": null}', "request.uid", id="null-request"),
        pytest.param(b'{"request": {"uid": ""}}', "request.uid", id="empty-uid"),
        pytest.param(b'{"request": {"uid": 7}}', "request.uid", id="uid-is-a-number"),
        pytest.param(b"\xef\xbb\xbf{}", "in JSON", id="byte-order-mark"),
        pytest.param(b"a=b&c=d", "in JSON", id="a-form"),
    ],
)
async def test_body_without_a_readable_uid_is_a_bad_request(
    peer: Peer, path: str, body: bytes, words: str
) -> None:
    status, text = await peer.post(path, body)

    assert 400 == status
    assert words in text


@pytest.mark.parametrize("path", ["/validate", "/mutate", "/convert"])
@pytest.mark.parametrize("content_type", ["text/plain", "application/yaml", "application/jsonx"])
async def test_another_content_type_is_refused(peer: Peer, path: str, content_type: str) -> None:
    status, text = await peer.post(path, REVIEW, content_type)

    assert 415 == status
    assert "application/json" in text


async def test_compressed_body_is_refused(peer: Peer) -> None:
    status, _ = await peer.post("/validate", REVIEW, **{"Content-Encoding": "gzip"})

    assert status in {400, 415}


@pytest.mark.parametrize(
    ("path", "size"),
    [("/validate", 50 * MIB), ("/mutate", 50 * MIB), ("/convert", 32 * MIB + 1)],
)
async def test_body_over_its_cap_is_refused(peer: Peer, path: str, size: int) -> None:
    status, text = await peer.post(path, b" " * size)

    assert 413 == status
    assert "at most" in text


@pytest.mark.parametrize(("path", "size"), [("/validate", 8 * MIB), ("/convert", 33 * MIB)])
async def test_endless_chunked_body_is_refused(peer: Peer, path: str, size: int) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(size // 65536):
            yield b" " * 65536

    status, _ = await peer.post(path, chunks())

    assert 413 == status


async def test_admission_body_just_under_its_cap_is_read(peer: Peer) -> None:
    body = REVIEW + b" " * (routing.ADMISSION_BYTES - len(REVIEW))

    status, answer = await peer.post("/validate", body)

    assert (200, True) == (status, answer["response"]["allowed"])


async def test_conversion_body_just_under_its_cap_is_read(peer: Peer) -> None:
    body = CONVERSION + b" " * (routing.CONVERSION_BYTES - len(CONVERSION))

    status, answer = await peer.post("/convert", body)

    assert (200, "Success") == (status, answer["response"]["result"]["status"])


async def test_of_duplicate_keys_the_last_wins(peer: Peer) -> None:
    body = REVIEW.replace(b'"uid":', b'"uid": "first", "uid":', 1)

    status, answer = await peer.post("/validate", body)

    assert (200, json.loads(REVIEW)["request"]["uid"]) == (status, answer["response"]["uid"])


async def test_deeply_nested_settings_are_converted(peer: Peer) -> None:
    depth = 900
    config = json.loads('{"a":' * depth + "1" + "}" * depth)
    review = json.loads(CONVERSION)
    review["request"]["objects"][0]["spec"]["runtime"]["config"] = {"deep": config}

    status, answer = await peer.post("/convert", json.dumps(review).encode())

    assert 200 == status
    (converted,) = answer["response"]["convertedObjects"]
    assert {"deep": config} == converted["spec"]["runtime"]["extraConfig"]


@pytest.mark.parametrize(
    "review",
    [
        pytest.param({"kind": "ConversionReview"}, id="another-kind"),
        pytest.param({"kind": None}, id="no-kind"),
        pytest.param({"apiVersion": "admission.k8s.io/v9"}, id="unknown-version"),
        pytest.param({"apiVersion": ["x"]}, id="version-is-a-list"),
    ],
)
async def test_wrong_review_with_a_uid_gets_a_review_that_says_so(
    peer: Peer, review: dict[str, Any]
) -> None:
    whole = json.loads(REVIEW)

    status, answer = await peer.post("/validate", json.dumps(whole | review).encode())

    response = answer["response"]
    assert 200 == status
    assert ("admission.k8s.io/v1", "AdmissionReview") == (answer["apiVersion"], answer["kind"])
    assert (whole["request"]["uid"], False) == (response["uid"], response["allowed"])
    assert "expected AdmissionReview" in response["status"]["message"]


@pytest.mark.parametrize("value", [None, 1, "x", [], [[]]])
async def test_object_that_is_none_gets_a_review_that_says_so(peer: Peer, value: Any) -> None:
    review = json.loads(REVIEW)
    review["request"]["object"] = value

    status, answer = await peer.post("/mutate", json.dumps(review).encode())

    assert (200, False) == (status, answer["response"]["allowed"])
    assert "request.object" in answer["response"]["status"]["message"]


async def test_other_methods_and_paths_are_refused(peer: Peer) -> None:
    url = f"https://127.0.0.1:{peer.port}"

    async with peer.session.get(f"{url}/validate", ssl=peer.tls) as response:
        get = response.status
    async with peer.session.post(f"{url}/nowhere", ssl=peer.tls) as response:
        nowhere = response.status

    assert (405, 404) == (get, nowhere)


@pytest.mark.parametrize(
    "data",
    [
        b"NONSENSE\r\n\r\n",
        b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        (
            b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
        ),
        b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_broken_http_is_a_bad_request(peer: Peer, data: bytes) -> None:
    answer = await peer.raw(data)

    assert answer.split(b" ")[1] in {b"400", b"431"}


async def test_connection_without_tls_is_closed(peer: Peer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", peer.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

    async with asyncio.timeout(120):
        answer = await reader.read()

    writer.close()
    assert b"HTTP/1.1 200" not in answer


async def test_client_that_goes_away_is_no_harm(peer: Peer) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", peer.port, ssl=peer.tls)
    writer.write(b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n")
    writer.write(b"Content-Type: application/json\r\n\r\n{")
    await writer.drain()

    writer.transport.abort()


async def test_certificate_is_not_trusted_without_its_authority(peer: Peer) -> None:
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await peer.session.get(f"https://127.0.0.1:{peer.port}/", ssl=ssl.create_default_context())
