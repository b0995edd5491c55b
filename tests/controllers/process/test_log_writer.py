"""Logs written by a thread: order, limits, full disks and unread pipes."""

import errno
import os
import pathlib
from collections.abc import Callable, Iterator

import pytest

from controllers.process import log_writer
from controllers.process.log_writer import LogWriter, Losses


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_lines_come_in_their_order_and_all_of_them_before_the_end(tmp_path: pathlib.Path) -> None:
    expected = [b"%d\n" % at for at in range(5000)]

    with (tmp_path / "log").open("ab", buffering=0) as file:
        writer = LogWriter(file.fileno())
        for line in expected:
            writer.append(line)
        writer.close()

    assert b"".join(expected) == (tmp_path / "log").read_bytes()
    assert (0, "") == (writer.dropped, writer.reason)


@pytest.mark.parametrize("bounds", [{"max_bytes": 100 * 1024}, {"max_lines": 100}])
def test_pipe_that_nobody_reads_keeps_no_caller_waiting(
    pipe: tuple[int, int], bounds: dict[str, int]
) -> None:
    """A pipe takes 64 KiB; beyond that lines are queued, and beyond the limits dropped."""
    line = b"x" * 1023 + b"\n"
    writer = LogWriter(pipe[1], **bounds)

    for _ in range(1000):
        writer.append(line)

    assert log_writer.QUEUE_FULL == writer.reason
    assert 1000 - 100 - 64 - 64 <= writer.dropped <= 1000 - 100
    writer.close(seconds=0.01)
    os.read(pipe[0], 1024 * 1024)


def test_full_disk_loses_lines_and_raises_nothing() -> None:
    with pathlib.Path("/dev/full").open("ab", buffering=0) as file:
        writer = LogWriter(file.fileno())
        writer.append(b"one\ntwo\n")
        writer.append(b"three\n")
        writer.close()

    assert (3, "No space left on device") == (writer.dropped, writer.reason)


def failing(*answers: int | None) -> Callable[[int, memoryview], int]:
    """os.write: takes a number of bytes, or all (None) of each piece; negative is an errno."""
    left = [*answers]

    def write(descriptor: int, data: memoryview) -> int:
        answer = left.pop(0) if left else None
        if answer is not None and answer < 0:
            raise OSError(-answer, os.strerror(-answer))
        return REAL_WRITE(descriptor, data[:answer])

    return write


REAL_WRITE = os.write


def test_line_after_a_torn_one_begins_a_line(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk becomes full within the second line, and has space again for the fourth."""
    full = -errno.ENOSPC
    monkeypatch.setattr(os, "write", failing(6, full, full))
    with (tmp_path / "log").open("ab", buffering=0) as file:
        writer = LogWriter(file.fileno())
        for lines in (b"one\ntwo\n", b"three\n", b"four\n"):
            writer.append(lines)
            writer.flush()
        writer.close()

    assert b"one\ntw\nfour\n" == (tmp_path / "log").read_bytes()
    assert 2 == writer.dropped


def test_non_blocking_pipe_is_waited_for(pipe: tuple[int, int]) -> None:
    """A process that shares standard error may make it non-blocking."""
    os.set_blocking(pipe[1], False)
    writer = LogWriter(pipe[1])
    expected = b"".join(b"%06d\n" % at for at in range(30_000))

    writer.append(expected)
    read = b""
    while len(read) < len(expected):
        read += os.read(pipe[0], 64 * 1024)
    writer.close()

    assert expected == read
    assert 0 == writer.dropped


def test_losses_are_logged_once_a_minute() -> None:
    writer = LogWriter(-1)
    losses = Losses({"audit": writer})
    assert [] == losses.due(0.0)

    writer.append(b"one\n")
    writer.flush()
    first = losses.due(1.0)
    writer.append(b"two\nthree\n")
    writer.close()

    reason = "Bad file descriptor"
    assert [{"log": "audit", "count": 1, "reason": reason}] == first
    assert [] == losses.due(60.9)
    assert [{"log": "audit", "count": 2, "reason": reason}] == losses.due(61.0)
    (metric,) = losses.collect()
    assert [("kubewright_log_dropped_lines_total", {"log": "audit"}, 3)] == [
        (sample.name, sample.labels, sample.value) for sample in metric.samples
    ]
