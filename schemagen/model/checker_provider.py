"""Interface of the checks that models use; inverts the dependency, as checks know the models.

``schemagen`` provides the loader; checks are loaded with the first validated value, since most
programs that declare an API validate none.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from schemagen.problems import JSON, Cause


class Checked(Protocol):
    """Result of checking a value."""

    @property
    def value(self) -> JSON:
        """Return the value with its defaults, pruned."""

    @property
    def causes(self) -> tuple[Cause, ...]:
        """Return why the API server would refuse it."""


class Checker(Protocol):
    """Checks values against one schema."""

    def create(self, value: JSON, /) -> Checked:
        """Check a new value."""

    def default(self, value: JSON, /) -> Sequence[Cause]:
        """Return why the API server would refuse a default of the schema."""


class Checks(Protocol):
    """The module ``schemagen.checking``."""

    NormalizedObject: type[dict[str, JSON]]
    """A normalized valid object."""

    def of(self, model: Any, /) -> Checker:
        """Return the checker of a model's schema."""

    def of_keywords(self, schema: dict[str, Any], /) -> Checker:
        """Return the checker of a schema without a model."""


_loaders: list[Callable[[], Checks]] = []


def provide(load: Callable[[], Checks]) -> None:
    """Register the loader of the checks."""
    _loaders[:] = [load]


def checks() -> Checks:
    """Return the checks."""
    return _loaders[0]()
