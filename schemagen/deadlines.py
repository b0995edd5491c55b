"""Time limits for computations, checked inside their loops.

User input determines how long a check takes: loops over it call ``check``, and callers set a limit
with ``within``.
"""

import contextlib
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Final

_ENDS: Final[ContextVar[float]] = ContextVar("deadline", default=float("inf"))


class DeadlineExceededError(Exception):
    """A computation exceeded its time limit."""


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Limit the computation inside the context; an earlier deadline still holds."""
    token = _ENDS.set(min(_ENDS.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _ENDS.reset(token)


def check() -> None:
    """Check that the deadline has not passed.

    Raises:
        DeadlineExceededError: if it has.
    """
    if time.monotonic() > _ENDS.get():
        raise DeadlineExceededError
