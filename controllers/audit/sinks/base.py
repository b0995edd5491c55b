"""Interface of sinks."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from controllers.audit.records import Position


class SinkError(Exception):
    """Lines were not written: what was expected, what came, where."""


class Opened(NamedTuple):
    """State of a destination when it is opened.

    Attributes:
        last: Position of its last record; None if a new chain begins.
        cut_bytes: Bytes of a record that was written only in part and was cut off.
    """

    last: Position | None = None
    cut_bytes: int = 0


class Sink(Protocol):
    """Writes lines."""

    async def open(self) -> Opened:
        """Prepare to write.

        Raises:
            SinkError: It cannot be written to.
        """

    async def write(self, lines: Sequence[bytes]) -> None:
        """Write lines durably, all or none as far as its destination allows.

        After an error, the next call begins with the same lines.

        Raises:
            SinkError: They may not be written.
        """

    async def close(self) -> None:
        """Release what ``open`` took."""
