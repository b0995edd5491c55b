"""Where models get their verdicts from: the checks know the models, so they are handed down here.

``schemagen`` says how to load them; they are loaded with the first value that is checked, since
most programs that declare an API check none.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from schemagen.problems import JSON, Cause


class Checked(Protocol):
    """What became of a value."""

    @property
    def value(self) -> JSON:
        """With its defaults, pruned."""

    @property
    def causes(self) -> tuple[Cause, ...]:
        """Why the API server would refuse it."""


class Checker(Protocol):
    """Checks values against one schema."""

    def create(self, value: JSON, /) -> Checked:
        """Check a new value."""

    def default(self, value: JSON, /) -> Sequence[Cause]:
        """Why the API server would refuse a default of the schema."""


class Checks(Protocol):
    """The module ``schemagen.checking``."""

    Taken: type[dict[str, JSON]]
    """An object that was taken in and found right."""

    def of(self, model: Any, /) -> Checker:
        """The checker of a model's schema."""

    def of_keywords(self, schema: dict[str, Any], /) -> Checker:
        """The checker of a schema that is no model's."""


_loaders: list[Callable[[], Checks]] = []


def provide(load: Callable[[], Checks]) -> None:
    """Say how the checks are loaded."""
    _loaders[:] = [load]


def checks() -> Checks:
    """The checks."""
    return _loaders[0]()
