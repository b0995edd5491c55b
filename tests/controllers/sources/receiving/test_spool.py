"""What was acknowledged is there again after any end of the process, whatever else is damaged."""

import asyncio
import os
import pathlib
import signal
import subprocess
import sys
import textwrap

import pytest

from controllers.sources.receiving import spool_records
from controllers.sources.receiving.spool import Spool, SpoolError
from controllers.sources.receiving.spool_records import Damage, Record


def record(number: int, size: int = 10) -> Record:
    return Record("team", "issues", "uid", 1.5, {"x-github-event": "issues"}, b"%d" % number * size)


def segments(directory: pathlib.Path) -> list[pathlib.Path]:
    return [*directory.glob("*.spool")]


async def recovered(directory: pathlib.Path) -> list[Record]:
    async with Spool(directory) as spool:
        return [item for item, _ in spool.recovered()]


async def filled(directory: pathlib.Path, count: int = 3) -> pathlib.Path:
    """A directory with unapplied records; returns the segment."""
    async with Spool(directory) as spool:
        await asyncio.gather(*(spool.append(record(number)) for number in range(count)))
    (segment,) = segments(directory)
    return segment


async def test_appended_records_are_recovered_in_order(tmp_path: pathlib.Path) -> None:
    await filled(tmp_path)

    assert [record(0), record(1), record(2)] == await recovered(tmp_path)


async def test_concurrent_appends_share_commits(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[int] = []
    sync = os.fdatasync

    def counted(descriptor: int) -> None:
        commits.append(descriptor)
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", counted)

    await filled(tmp_path, 100)

    assert 1 <= len(commits) <= 2


async def test_a_torn_tail_costs_only_itself(tmp_path: pathlib.Path) -> None:
    segment = await filled(tmp_path)
    segment.write_bytes(segment.read_bytes()[:-1])

    async with Spool(tmp_path) as spool:
        items = [item for item, _ in spool.recovered()]

    assert [record(0), record(1)] == items
    assert 1 == spool.damages


@pytest.mark.parametrize("place", range(0, 60, 7))
def test_a_damaged_record_costs_only_itself(place: int) -> None:
    whole = [spool_records.encoded(record(number)) for number in range(3)]
    damaged = bytearray(whole[1])
    damaged[place] ^= 0xFF

    items = [*spool_records.records(whole[0] + damaged + whole[2])]

    assert [record(0), Damage(len(whole[0]), len(whole[1])), record(2)] == items


def test_a_body_may_contain_the_bytes_of_a_record() -> None:
    inner = Record("a", "b", "c", 0.0, {}, spool_records.encoded(record(1)))

    assert [inner] == [*spool_records.records(spool_records.encoded(inner))]


async def test_a_segment_is_deleted_once_its_records_are_applied(tmp_path: pathlib.Path) -> None:
    await filled(tmp_path)

    async with Spool(tmp_path) as spool:
        first, second, third = [segment for _, segment in spool.recovered()]
        first.applied()
        second.applied()
        before = len(segments(tmp_path))
        third.applied()

        assert (1, 0) == (before, len(segments(tmp_path)))


async def test_a_full_segment_is_followed_by_another(tmp_path: pathlib.Path) -> None:
    async with Spool(tmp_path, segment_bytes=1) as spool:
        for number in range(3):
            await spool.append(record(number))

    assert 3 == len(segments(tmp_path))
    assert [record(0), record(1), record(2)] == await recovered(tmp_path)


async def test_a_failed_write_is_an_error_and_the_next_one_succeeds(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Spool(tmp_path) as spool:
        await spool.append(record(0))
        with monkeypatch.context() as patch:

            def full(_: int) -> None:
                raise OSError(28, "No space left on device")

            patch.setattr(os, "fdatasync", full)
            with pytest.raises(SpoolError, match="No space left on device"):
                await spool.append(record(1))
        await spool.append(record(2))

    kept = await recovered(tmp_path)
    assert [record(0), record(2)] == [item for item in kept if item != record(1)]


async def test_a_spool_past_its_size_takes_nothing_more(tmp_path: pathlib.Path) -> None:
    async with Spool(tmp_path, max_bytes=200) as spool:
        await spool.append(record(0))
        with pytest.raises(SpoolError, match="expected at most 200 bytes in the spool"):
            await spool.append(record(1, size=200))


async def test_a_spool_has_one_process(tmp_path: pathlib.Path) -> None:
    async with Spool(tmp_path):
        with pytest.raises(SpoolError, match="give each replica a directory of its own"):
            async with Spool(tmp_path):
                pass


WRITER = """
    import asyncio, pathlib, sys
    from controllers.sources.receiving.spool import Spool
    from controllers.sources.receiving.spool_records import Record

    async def append(spool, number):
        await spool.append(Record("team", "issues", "uid", 1.5, {}, str(number).encode()))
        print(number, flush=True)

    async def main():
        async with Spool(pathlib.Path(sys.argv[1])) as spool:
            number = 0
            while True:
                await asyncio.gather(*(append(spool, number + n) for n in range(20)))
                number += 20

    asyncio.run(main())
"""


def acknowledged_until_killed(directory: pathlib.Path) -> list[str]:
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(200)]
        process.send_signal(signal.SIGKILL)
        return lines + process.stdout.readlines()


async def test_a_killed_process_loses_nothing_that_it_acknowledged(tmp_path: pathlib.Path) -> None:
    acknowledged = acknowledged_until_killed(tmp_path)

    kept = {int(item.body) for item in await recovered(tmp_path)}

    assert {int(line) for line in acknowledged if line.endswith("\n")} <= kept
