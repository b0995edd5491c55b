"""Implements ``agentctl audit verify``. Shell: reads files."""

import itertools
import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from controllers.agentctl import session, tables
from controllers.agentctl.exits import CommandError, Exit
from controllers.audit import records
from controllers.audit.verification import Finding, Line, Verifier

MAX_FINDINGS: Final = 1000
_COLUMNS: Final = ("FILE", "LINE", "PROBLEM", "MESSAGE")


def run(
    files: Sequence[pathlib.Path],
    expect_last: str | None,
    after: str | None,
    output: Literal["table", "json"],
) -> Exit:
    """Verify a chain; return the exit code.

    Args:
        files: In the order of the chain.
        expect_last: Hash of the last record, if it is known.
        after: Hash of the record before the first one; None if a chain begins with it.
        output: Output format.
    """

    def act() -> Exit:
        _check_hash("--expect-last", expect_last)
        _check_hash("--after", after)
        verifier = Verifier(after)
        findings = verifier.findings(_lines(files), expect_last)
        first = [*itertools.islice(findings, MAX_FINDINGS)]
        more = sum(1 for _ in findings)
        show = _show_json if output == "json" else _show_table
        show(verifier, first, more)
        return Exit.UNSATISFIED if first else Exit.OK

    return session.attempt(act)


def _check_hash(option: str, value: str | None) -> None:
    if value is not None and not records.is_hash(value):
        raise CommandError(
            f"expected the hash of a record for {option}, 64 digits of 0-9 and a-f, "
            f"got {value[:80]!r}"
        )


def _lines(files: Sequence[pathlib.Path]) -> Iterator[Line]:
    """Yield the lines of files; what is longer than any record comes in pieces without an end."""
    for path in files:
        try:
            with path.open("rb") as file:
                number = 1
                while data := file.readline(records.MAX_LINE_BYTES + 1):
                    yield Line(str(path), number, data)
                    number += data.endswith(b"\n")
        except OSError as error:
            raise CommandError(
                f"expected a readable file of an audit log, got {error.strerror} for {path}"
            ) from error


def _show_table(verifier: Verifier, findings: Sequence[Finding], more: int) -> None:
    if findings:
        rows = [
            (each.file or "-", str(each.line), each.problem.value, each.message)
            for each in findings
        ]
        session.show(tables.text(_COLUMNS, rows))
    if more:
        session.show(f"and {more} more")
    if verifier.last is not None:
        state = "not intact" if findings else "intact"
        session.show(
            f"{state}: {verifier.count} records of chain {verifier.last.chain}; the last one is "
            f"{verifier.last.sequence} of {_plain(verifier.time)}, hash {verifier.last.hash}"
        )


def _show_json(verifier: Verifier, findings: Sequence[Finding], more: int) -> None:
    last = verifier.last
    shown = {
        "intact": not findings,
        "records": verifier.count,
        "last": None if last is None else {**last._asdict(), "time": verifier.time},
        "findings": [each._asdict() for each in findings],
        "omitted": more,
    }
    session.show(json.dumps(shown, indent=2))


def _plain(text: str) -> str:
    """Return a text without terminal control characters: the file may be anyone's."""
    return "".join(character if character.isprintable() else " " for character in text)
