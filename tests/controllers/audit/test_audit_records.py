"""The chain of an audit log, and what is found when it is changed."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.audit import records
from controllers.audit.records import Decision, Entry, Object, Position, What
from controllers.audit.verification import Finding, Line, Problem, Verifier

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
CHAIN = Position("0" * 32)


def chain(count: int) -> list[bytes]:
    """The lines of a chain."""
    lines, last = [], CHAIN
    for number in range(count):
        entry = Entry(
            what=What.RUN,
            decision=Decision.ENDED,
            who="agents-controller",
            reason="Completed",
            object=Object("AgentRun", "team", f"run-{number}", "u"),
        )
        line, last = records.line(entry, last, time=NOW, replica="a")
        lines.append(line)
    return lines


def lines_of(data: bytes) -> list[Line]:
    """As a file is read: only a newline ends a line."""
    whole = [part + b"\n" for part in data.split(b"\n")]
    whole[-1] = whole[-1][:-1]
    return [Line("audit.jsonl", number, line) for number, line in enumerate(whole, 1) if line]


def findings(
    data: bytes, expect_last: str | None = None, after: str | None = None
) -> list[Finding]:
    return [*Verifier(after).findings(lines_of(data), expect_last)]


def last_hash(lines: list[bytes]) -> str:
    read = records.read(lines[-1][:-1])
    assert read is not None
    return read.position.hash


LINES = chain(6)
WHOLE = b"".join(LINES)
LAST = last_hash(LINES)


def test_a_record_says_what_was_decided() -> None:
    assert WHOLE.startswith(
        b'{"chain":"00000000000000000000000000000000","decision":"ended","hash":"'
    )
    assert b'"object":{"kind":"AgentRun","name":"run-0","namespace":"team","uid":"u"}' in LINES[0]
    assert b'"time":"2026-01-01T00:00:00.000000Z"' in LINES[0]
    assert f'"previous":"{records.GENESIS}"'.encode() in LINES[0]
    assert b'"sequence":6' in LINES[5]


def test_an_unchanged_chain_has_no_finding() -> None:
    verifier = Verifier()

    assert [] == [*verifier.findings(lines_of(WHOLE), LAST)]
    assert 6 == verifier.count
    assert Position(CHAIN.chain, 6, LAST) == verifier.last


@given(st.data())
def test_any_changed_byte_is_found(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(WHOLE) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != WHOLE[at]))

    assert findings(WHOLE[:at] + bytes([byte]) + WHOLE[at + 1 :], LAST)


@given(st.data())
def test_any_other_bytes_are_found(data: st.DataObject) -> None:
    """A piece replaced by any other one: insertions, deletions and replacements."""
    begin = data.draw(st.integers(0, len(WHOLE)))
    end = data.draw(st.integers(begin, len(WHOLE)))
    piece = data.draw(st.binary(max_size=64) | st.sampled_from([*LINES, b" ", b"\n", b"\r"]))
    changed = WHOLE[:begin] + piece + WHOLE[end:]

    assert bool(findings(changed, LAST)) is (changed != WHOLE)


@given(st.lists(st.sampled_from(LINES), max_size=8))
def test_any_other_sequence_of_its_records_is_found(lines: list[bytes]) -> None:
    assert bool(findings(b"".join(lines), LAST)) is (lines != LINES)


@pytest.mark.parametrize(
    ("lines", "problem", "line", "message"),
    [
        ([0, 1, 3, 4, 5], Problem.MISSING, 3, "expected record 3, got 4"),
        ([0, 1, 1, 2, 3, 4, 5], Problem.MISPLACED, 3, "expected record 3, got 2"),
        ([1, 2, 3, 4, 5], Problem.MISSING, 1, "expected record 1, got 2: 1 before it are missing"),
        ([0, 1, 2, 3, 4], Problem.TRUNCATED, 5, "expected the last record to have the hash"),
        ([], Problem.TRUNCATED, 0, "expected a record, got none"),
    ],
)
def test_a_finding_says_where_and_what(
    lines: list[int], problem: Problem, line: int, message: str
) -> None:
    (found,) = findings(b"".join(LINES[at] for at in lines), LAST)

    assert (problem, line) == (found.problem, found.line)
    assert found.message.startswith(message)


def test_a_moved_record_is_found_at_both_places() -> None:
    order = [0, 2, 1, 3, 4, 5]

    found = findings(b"".join(LINES[at] for at in order), LAST)

    assert [(2, Problem.MISSING), (3, Problem.MISPLACED)] == [
        (each.line, each.problem) for each in found
    ]


def test_a_changed_record_is_found_once() -> None:
    found = findings(WHOLE.replace(b"run-2", b"run-9"), LAST)

    assert [(3, Problem.CHANGED)] == [(each.line, each.problem) for each in found]


def test_an_inserted_line_is_found_once() -> None:
    data = b"".join([*LINES[:2], b"a note\n", *LINES[2:]])

    assert [(3, Problem.UNREADABLE)] == [(each.line, each.problem) for each in findings(data, LAST)]


def test_a_record_that_was_hashed_again_breaks_the_chain() -> None:
    entry = Entry(what=What.RUN, decision=Decision.DELETED, who="someone")
    second = records.read(LINES[1][:-1])
    assert second is not None
    forged, _ = records.line(entry, second.position, time=NOW, replica="a")
    data = b"".join([*LINES[:2], forged, *LINES[3:]])

    assert [(4, Problem.BROKEN)] == [(each.line, each.problem) for each in findings(data, LAST)]


def test_the_same_value_in_other_bytes_is_a_change() -> None:
    found = findings(WHOLE.replace(b'"sequence":3', b'"sequence": 3'), LAST)

    assert [Problem.CHANGED] == [each.problem for each in found]


def test_a_truncated_tail_is_found_by_the_hash_that_was_kept() -> None:
    cut = b"".join(LINES[:4])

    assert [] == findings(cut)
    assert [Problem.TRUNCATED] == [each.problem for each in findings(cut, LAST)]


def test_a_later_part_of_a_chain_is_verified_after_the_hash_before_it() -> None:
    rest = b"".join(LINES[3:])

    assert [] == findings(rest, LAST, after=last_hash(LINES[:3]))
    assert [Problem.MISSING] == [each.problem for each in findings(rest, LAST, after="0" * 64)]


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_reading_any_bytes_raises_nothing(data: bytes) -> None:
    read = records.read(data)

    assert read is None or not read.is_intact


def test_deeply_nested_lines_and_huge_numbers_are_no_records() -> None:
    assert records.read(b"[" * 8000) is None
    assert records.read(LINES[0][:-1].replace(b'"sequence":1', b'"sequence":1' + b"0" * 30)) is None


@given(st.text(max_size=400))
def test_what_does_not_look_like_an_identifier_is_not_written(text: str) -> None:
    entry = Entry(
        what=What.DELIVERY,
        decision=Decision.REFUSED,
        who=text,
        reason=text,
        delivery=text,
        trace=text,
        object=Object(text, text, text, text),
    )

    line, _ = records.line(entry, CHAIN, time=NOW, replica=text)

    assert len(line) < records.MAX_LINE_BYTES
    if len(text) > 1 and (not text.isascii() or " " in text):
        assert b"sha256:" in line
        assert text.encode() not in line
    read = records.read(line[:-1])
    assert read is not None
    assert read.is_intact
