"""What ``agentctl audit verify`` says about files."""

import datetime as dt
import json
import pathlib

import pytest
from typer import testing

from controllers.agentctl import cli
from controllers.audit import records
from controllers.audit.records import Decision, Entry, Position, What

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def verify(*words: object) -> testing.Result:
    return testing.CliRunner().invoke(cli.app, ["audit", "verify", *map(str, words)])


@pytest.fixture
def files(tmp_path: pathlib.Path) -> list[pathlib.Path]:
    """A chain of six records in two files."""
    last, lines = Position("c" * 32), []
    for _ in range(6):
        entry = Entry(what=What.RUN, decision=Decision.STARTED, who="agents-controller")
        line, last = records.line(entry, last, time=NOW, replica="a")
        lines.append(line)
    paths = [tmp_path / "audit.000001.jsonl", tmp_path / "audit.jsonl"]
    for path, part in zip(paths, (lines[:4], lines[4:]), strict=True):
        path.write_bytes(b"".join(part))
    return paths


def last_hash(path: pathlib.Path) -> str:
    return str(json.loads(path.read_bytes().splitlines()[-1])["hash"])


def test_an_intact_chain_is_told_with_its_last_hash(files: list[pathlib.Path]) -> None:
    done = verify(*files)

    assert 0 == done.exit_code
    assert done.stdout.startswith(f"intact: 6 records of chain {'c' * 32}; the last one is 6 of 20")
    assert done.stdout.endswith(f"hash {last_hash(files[1])}\n")


def test_a_changed_byte_is_told_with_file_and_line(files: list[pathlib.Path]) -> None:
    files[0].write_bytes(files[0].read_bytes().replace(b'"sequence":3', b'"sequence":2'))

    done = verify(*files)

    assert 1 == done.exit_code
    head, row, state = done.stdout.splitlines()
    assert ["FILE", "LINE", "PROBLEM", "MESSAGE"] == head.split()
    assert [str(files[0]), "3", "Changed"] == row.split()[:3]
    assert state.startswith("not intact: 5 records")


def test_output_json_has_the_findings_and_the_last_record(files: list[pathlib.Path]) -> None:
    lines = files[0].read_bytes().splitlines(keepends=True)
    files[0].write_bytes(b"".join([*lines[:1], *lines[2:]]))

    done = verify(*files, "-o", "json")

    assert 1 == done.exit_code
    shown = json.loads(done.stdout)
    assert (False, 5, 0) == (shown["intact"], shown["records"], shown["omitted"])
    assert (6, last_hash(files[1])) == (shown["last"]["sequence"], shown["last"]["hash"])
    (finding,) = shown["findings"]
    assert (str(files[0]), 2, "Missing") == (
        finding["file"],
        finding["line"],
        finding["problem"],
    )


def test_a_missing_tail_is_found_by_the_hash_that_was_kept(files: list[pathlib.Path]) -> None:
    assert 0 == verify(files[0]).exit_code

    done = verify(files[0], "--expect-last", last_hash(files[1]))

    assert 1 == done.exit_code
    assert "Truncated" in done.stdout


def test_a_later_file_is_verified_alone(files: list[pathlib.Path]) -> None:
    assert 1 == verify(files[1]).exit_code
    assert 0 == verify(files[1], "--after", last_hash(files[0])).exit_code


@pytest.mark.parametrize("content", [b"", b"\xff" * 40_000, b"[" * 20_000 + b"\n", b"{}\n" * 1100])
def test_a_file_that_is_no_audit_log_is_a_finding(tmp_path: pathlib.Path, content: bytes) -> None:
    (tmp_path / "audit.jsonl").write_bytes(content)

    done = verify(tmp_path / "audit.jsonl")

    assert 1 == done.exit_code
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert (content.count(b"\n") > 1000) is ("and 101 more" in done.stdout)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["/no-such-file"], "got No such file or directory for /no-such-file"),
        (["/"], "got Is a directory for /"),
        (["/", "--expect-last", "abc"], "expected the hash of a record for --expect-last"),
        (["/", "--after", "A" * 64], "expected the hash of a record for --after"),
    ],
)
def test_input_that_cannot_be_used_is_explained(words: list[str], message: str) -> None:
    done = verify(*words)

    assert 2 == done.exit_code
    assert message in done.stderr
