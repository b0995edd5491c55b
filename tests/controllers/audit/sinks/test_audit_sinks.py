"""Audit logs in files that are rotated and torn, in pipes that are not read, over HTTP."""

import asyncio
import contextlib
import os
import pathlib
from collections.abc import AsyncIterator

import orjson
import pytest
from aiohttp import web

from controllers.audit import verification
from controllers.audit.log import AuditLog
from controllers.audit.records import Decision, Entry, What
from controllers.audit.sinks import destinations
from controllers.audit.sinks.base import SinkError
from controllers.audit.sinks.file_sink import FileSink
from controllers.audit.sinks.http_sink import HttpSink
from controllers.audit.sinks.stdout_sink import StdoutSink
from controllers.kube import testing
from controllers.process import addresses

ENTRY = Entry(what=What.RUN, decision=Decision.STARTED, who="agents-controller")


def files_of(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(folder.glob("audit*.jsonl"))


def chain_of(folder: pathlib.Path) -> list[bytes]:
    return [
        line for path in files_of(folder) for line in path.read_bytes().splitlines(keepends=True)
    ]


def words(lines: list[bytes]) -> list[str]:
    return [orjson.loads(line)["decision"] for line in lines]


def findings(lines: list[bytes]) -> list[verification.Finding]:
    return [*verification.Verifier().findings(verification.Line("", 1, line) for line in lines)]


async def write(path: pathlib.Path, count: int = 1, max_bytes: int = 1000) -> None:
    async with AuditLog(FileSink(path, max_bytes=max_bytes), "a") as log:
        for _ in range(count):
            log.record(ENTRY)
            await testing.settle(lambda: not len(log))


async def test_a_chain_goes_on_over_rotated_files_and_starts(tmp_path: pathlib.Path) -> None:
    for _ in range(2):
        await write(tmp_path / "audit.jsonl", 8)

    names = [path.name for path in files_of(tmp_path)]
    assert ["audit.000001.jsonl", "audit.000002.jsonl"] == names[:2]
    assert "audit.jsonl" == names[-1]
    lines = chain_of(tmp_path)
    assert ["opened", *["started"] * 8, "closed"] * 2 == words(lines)
    assert [] == findings(lines)
    assert 0o600 == (tmp_path / "audit.jsonl").stat().st_mode & 0o777


@pytest.mark.parametrize("cut", [1, 40, 200])
async def test_a_torn_record_is_cut_off_and_the_chain_says_so(
    tmp_path: pathlib.Path, cut: int
) -> None:
    path = tmp_path / "audit.jsonl"
    await write(path, 2, max_bytes=10_000)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    last_line = whole.splitlines(keepends=True)[-1]

    await write(path, max_bytes=10_000)

    lines = chain_of(tmp_path)
    expected = ["opened", "started", "started", "recovered", "opened", "started", "closed"]
    assert expected == words(lines)
    assert len(last_line) - cut == orjson.loads(lines[3])["count"]
    assert [] == findings(lines)


async def test_a_torn_record_stays_until_the_chain_says_that_it_was_cut_off(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "audit.jsonl"
    await write(path)
    torn = path.read_bytes()[:-1]
    path.write_bytes(torn)
    sink = FileSink(path)

    opened = await sink.open()
    await sink.close()  # as a replica that crashes again

    assert opened.cut_bytes > 0
    assert torn == path.read_bytes()


async def test_a_crash_at_the_first_record_of_a_new_file_goes_on_with_the_full_one(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "audit.jsonl"
    await write(path)
    path.rename(tmp_path / "audit.000001.jsonl")
    path.write_bytes(b'{"cha')

    await write(path)

    assert [] == findings(chain_of(tmp_path))


@pytest.mark.parametrize("content", [b"a list of things to do", b"one\ntwo\n", b"\0" * 5000])
async def test_what_is_no_audit_log_is_kept_whole(tmp_path: pathlib.Path, content: bytes) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(content)

    await write(path)

    assert content == (tmp_path / "audit.000001.jsonl").read_bytes()
    assert [] == findings(path.read_bytes().splitlines(keepends=True))


async def test_a_file_belongs_to_one_process(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "audit.jsonl"

    async with AuditLog(FileSink(path), "a"):
        with pytest.raises(SinkError, match="give each replica a file of its own"):
            await FileSink(path).open()


async def test_a_file_in_no_directory_is_an_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(SinkError, match="No such file or directory"):
        await FileSink(tmp_path / "none" / "audit.jsonl").open()


async def test_what_a_failed_write_left_is_removed(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "audit.jsonl"
    sink = FileSink(path)
    async with AuditLog(sink, "a") as log:
        await testing.settle(lambda: not len(log))
        with path.open("ab") as file:  # as a full disk leaves it
            file.write(b'{"attempt":1,"chai')
        log.record(ENTRY)

    assert [] == findings(chain_of(tmp_path))


async def test_a_pipe_that_is_read_late_gets_every_byte() -> None:
    reading, writing = os.pipe()
    sink = StdoutSink(writing, wait_seconds=0.01)
    lines = [b"x" * 999 + b"\n"] * 200  # more than a pipe holds

    with pytest.raises(SinkError, match="it is not read"):
        await sink.write(lines)
    received = asyncio.create_task(asyncio.to_thread(_all, reading))
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(SinkError):
                await sink.write(lines)
                break
    await sink.close()
    os.close(writing)

    assert b"".join(lines) == await received
    os.close(reading)


def _all(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return file.read()


@contextlib.asynccontextmanager
async def collector(statuses: list[int]) -> AsyncIterator[tuple[str, list[bytes]]]:
    """An endpoint that answers with these statuses, then with 204, and what it took."""
    taken: list[bytes] = []

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        status = statuses.pop(0) if statuses else 204
        if status == 204:
            assert "application/x-ndjson" == request.content_type
            taken.extend(body.splitlines(keepends=True))
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    app = web.Application()
    app.add_routes([web.post("/audit", take)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"{addresses.url('http', *runner.addresses[0][:2])}/audit?token=t", taken
    finally:
        await runner.cleanup()


async def test_records_are_sent_in_batches_and_again_after_a_failure() -> None:
    pauses = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async with collector([503, 302]) as (url, taken):
        async with AuditLog(destinations.sink(url), "a", sleep=pause, rng=lambda: 0.5) as log:
            for _ in range(20):
                log.record(ENTRY)
            await testing.settle(lambda: not len(log))
        assert ["opened", *["started"] * 20, "closed"] == words(taken)
        assert [] == findings(taken)
    assert [1.0, 2.0] == pauses


async def test_an_endpoint_that_is_away_is_named_without_its_query() -> None:
    sink = HttpSink("http://127.0.0.1:1/audit?token=t")
    await sink.open()
    with pytest.raises(SinkError) as caught:
        await sink.write([b"{}\n"])
    await sink.close()

    assert "http://127.0.0.1:1/audit failed: ClientConnectorError" in str(caught.value)


@pytest.mark.parametrize(
    ("destination", "message"),
    [
        ("", "expected a file"),
        ("ftp://a/b", "got a URL of 'ftp' that cannot be used"),
        ("https://", "cannot be used"),
        ("http://[::1", "cannot be used"),
        ("https://user:secret@a/", "expected a URL without a user"),
    ],
)
def test_a_destination_that_is_none_is_refused(destination: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        destinations.sink(destination)

    assert "secret@" not in str(caught.value)
