"""A time by which a computation has to end, looked at inside its loops.

What a user wrote decides how long a check takes: loops over it call ``check``, and whoever starts
them says for how long they may take with ``within``.
"""

import contextlib
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Final

_ENDS: Final[ContextVar[float]] = ContextVar("deadline", default=float("inf"))


class DeadlineExceededError(Exception):
    """A computation took longer than it may."""


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let what is computed inside the context take so long; an earlier end still counts."""
    token = _ENDS.set(min(_ENDS.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _ENDS.reset(token)


def check() -> None:
    """See that there is time left.

    Raises:
        DeadlineExceededError: if there is none.
    """
    if time.monotonic() > _ENDS.get():
        raise DeadlineExceededError
