"""Who can open a real API server: entry points, so that nothing here imports its clients. Shell."""

from collections.abc import Callable
from importlib import metadata
from typing import Any

from schemagen.problems import UserError


class NoServerError(UserError):
    """There is no such API server to ask: the message says which there are."""


def opener(group: str, name: str) -> Callable[..., Any]:
    """What opens the API server of a name, as on the command line.

    Args:
        group: Of the entry points.
        name: Of one of them.

    Raises:
        NoServerError: if nobody opens a server of that name.
    """
    known = {point.name: point for point in metadata.entry_points(group=group)}
    if name not in known:
        names = ", ".join([*sorted(known), "none"])
        raise NoServerError(f"expected --server to be one of {names}, got {name}")
    found: Callable[..., Any] = known[name].load()
    return found


def not_opened(name: str, error: Exception) -> NoServerError:
    """What to say where a server was not opened: whoever opens servers has errors of its own."""
    return NoServerError(f"expected the API server of --server {name}, got none: {error}")
