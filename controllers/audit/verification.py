"""Whether the lines of an audit log are a chain without changes and gaps. Pure.

If nothing is found, every line is the canonical text of what was hashed, and every hash covers the
one before: so the lines are those that were written, up to the last. Whoever can write the whole
log can write another chain; only a hash that was kept elsewhere tells.
"""

import enum
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from controllers.audit import records
from controllers.audit.records import Position, Read


class Problem(enum.StrEnum):
    """Problem of a line."""

    UNREADABLE = "Unreadable"
    CHANGED = "Changed"
    TORN = "Torn"
    MISSING = "Missing"
    MISPLACED = "Misplaced"
    """Repeated, inserted or moved."""
    BROKEN = "Broken"
    OTHER_CHAIN = "OtherChain"
    TRUNCATED = "Truncated"


class Line(NamedTuple):
    """A line of a file, with its end; the last one of a file may have none."""

    file: str
    number: int
    data: bytes


class Finding(NamedTuple):
    """A problem, where it is, and what was expected."""

    file: str
    line: int
    problem: Problem
    message: str


class Verifier:
    """Follows a chain line by line.

    Args:
        after: Hash of the record before the first one; None if a chain begins with it.

    Attributes:
        last: Position of the last intact record; None before the first.
        time: Of that record.
        count: Number of intact records.
    """

    def __init__(self, after: str | None = None) -> None:
        self._after = after
        self._damaged = 0
        self._place = ("", 0)
        self.last: Position | None = None
        self.time = ""
        self.count = 0

    def findings(self, lines: Iterable[Line], expect_last: str | None = None) -> Iterator[Finding]:
        """Yield what is wrong with the lines of a chain, in order.

        Args:
            lines: Of all files.
            expect_last: Hash of the last record; None if it is not known.
        """
        for line in lines:
            self._place = (line.file, line.number)
            yield from self._of_line(line)
        if self.last is None:
            yield self._finding(Problem.TRUNCATED, "expected a record, got none")
        elif expect_last is not None and self.last.hash != expect_last:
            yield self._finding(
                Problem.TRUNCATED,
                f"expected the last record to have the hash {expect_last}, got {self.last.hash} "
                f"of record {self.last.sequence}",
            )

    def _of_line(self, line: Line) -> Iterator[Finding]:
        if not line.data.endswith(b"\n"):
            self._damaged += 1
            yield self._finding(Problem.TORN, "expected the end of a line, got the end of the file")
            return
        read = records.read(line.data[:-1])
        if read is None:
            self._damaged += 1
            yield self._finding(Problem.UNREADABLE, "expected a record, got something else")
        elif not read.is_intact:
            self._damaged += 1
            yield self._finding(
                Problem.CHANGED,
                f"expected the bytes that were hashed, got others in what claims to be record "
                f"{read.position.sequence}",
            )
        else:
            yield from self._of_record(read)

    def _of_record(self, read: Read) -> Iterator[Finding]:
        self.count += 1
        finding = self._misplaced(read) if self.last is not None else self._not_first(read)
        if finding is not None:
            yield finding
        if finding is None or finding.problem is not Problem.MISPLACED:
            self.last, self.time, self._damaged = read.position, read.time, 0

    def _not_first(self, read: Read) -> Finding | None:
        """Return why a record is not the first one, if so."""
        if read.previous == (self._after or records.GENESIS):
            return None
        if self._after is not None:
            message = f"expected a record that follows {self._after}, got {read.previous}"
            return self._finding(Problem.MISSING, message)
        missing = read.position.sequence - 1 - self._damaged
        if missing <= 0 and self._damaged:
            return None
        if missing <= 0:
            return self._finding(
                Problem.BROKEN, f"expected a first record, got one after {read.previous}"
            )
        return self._finding(
            Problem.MISSING,
            f"expected record 1, got {read.position.sequence}: {missing} before it are missing; "
            "give their files as well, or the hash of the last one with --after",
        )

    def _misplaced(self, read: Read) -> Finding | None:
        """Return why a record does not follow the last one, if so."""
        last, new = self.last, read.position
        assert last is not None  # noqa: S101 - asked by the caller
        if new.chain != last.chain:
            message = f"expected chain {last.chain}, got {new.chain}"
            return self._finding(Problem.OTHER_CHAIN, message)
        missing = new.sequence - last.sequence - 1
        if missing < 0:
            message = f"expected record {last.sequence + 1}, got {new.sequence}"
            return self._finding(Problem.MISPLACED, message)
        if missing > self._damaged:
            message = f"expected record {last.sequence + 1}, got {new.sequence}"
            if self._damaged:
                message += f" after {self._damaged} damaged lines"
            return self._finding(Problem.MISSING, message)
        if not missing and read.previous != last.hash:
            message = f"expected a record that follows {last.hash}, got {read.previous}"
            return self._finding(Problem.BROKEN, message)
        return None

    def _finding(self, problem: Problem, message: str) -> Finding:
        return Finding(*self._place, problem, message)
