"""Openers of real API servers, found by entry point to avoid importing clients here. Shell."""

from collections.abc import Callable
from importlib import metadata
from typing import Any

from schemagen.problems import UserError


class NoServerError(UserError):
    """No such API server is available; the message lists those that are."""


def opener(group: str, name: str) -> Callable[..., Any]:
    """Return the opener of an API server by its name on the command line.

    Args:
        group: The entry point group.
        name: The name of an entry point.

    Raises:
        NoServerError: if there is no opener of that name.
    """
    known = {point.name: point for point in metadata.entry_points(group=group)}
    if name not in known:
        names = ", ".join([*sorted(known), "none"])
        raise NoServerError(f"expected --server to be one of {names}, got {name}")
    loaded: Callable[..., Any] = known[name].load()
    return loaded


def not_opened(name: str, error: Exception) -> NoServerError:
    """Return the error for a server that failed to open; openers have their own exceptions."""
    return NoServerError(
        f"expected to open the API server of --server {name}, got an error: {error}"
    )
