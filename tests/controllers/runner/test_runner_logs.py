import os
import pathlib

import pytest

from controllers.runner import logs


def test_log_stops_growing_and_says_so_while_output_goes_on(
    tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "folder/log"

    with logs.Tee(path, max_bytes=200, output=1) as tee:
        for _ in range(10):
            tee.write(b"0123456789" * 3)

    assert 200 == path.stat().st_size
    assert path.read_text().startswith("0123456789" * 5)
    assert path.read_text().endswith(
        "the log is full at 200 bytes; the rest is on standard output only]\n"
    )
    assert "0123456789" * 30 == capfd.readouterr().out


def test_log_that_fits_has_no_notice(tmp_path: pathlib.Path) -> None:
    with logs.Tee(tmp_path / "log", max_bytes=200, output=1) as tee:
        tee.log(b"x" * 100)

    assert b"x" * 100 == (tmp_path / "log").read_bytes()


@pytest.mark.parametrize("max_bytes", [0, 1, 10])
def test_tiny_log_stays_tiny(tmp_path: pathlib.Path, max_bytes: int) -> None:
    with logs.Tee(tmp_path / "log", max_bytes=max_bytes, output=1) as tee:
        tee.log(b"x" * 100)
        tee.log(b"x" * 100)

    assert max_bytes == (tmp_path / "log").stat().st_size


def test_log_that_cannot_be_written_ends_nothing(
    tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with logs.Tee(tmp_path, max_bytes=200, output=1) as tee:
        tee.write(b"hello")

    output, complaint = capfd.readouterr()
    assert "hello" == output
    assert f"agent-runner: could not write {tmp_path}: Is a directory" in complaint


def test_output_that_nobody_reads_ends_nothing(
    tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)

    with logs.Tee(tmp_path / "log", max_bytes=200, output=writer) as tee:
        tee.write(b"a")
        tee.write(b"b")
    os.close(writer)

    assert b"ab" == (tmp_path / "log").read_bytes()
    assert 1 == capfd.readouterr().err.count("could not write to standard output: Broken pipe")


def test_line_of_the_runner_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    logs.say("a\nb\r\nc")

    assert "agent-runner: a b c\n" == capfd.readouterr().err
