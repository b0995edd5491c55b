"""Conversion of whole objects between two adjacent versions."""

import dataclasses

from schemagen.model.field_types import DeclarationError
from schemagen.problems import JSON
from schemagen.versions.records.fields import keep, record
from schemagen.versions.steps import Path, Step, expect_step


@dataclasses.dataclass(frozen=True)
class Conversion:
    """Conversion of a version to its next newer one (``registry.ConversionProtocol``).

    Attributes:
        step: The step for the whole object, usually a ``record``.
        unordered: Dotted paths of the newer version's keyed lists that are maps in the older one:
            ``spec.steps.[].parameters``.
    """

    step: Step
    unordered_paths: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        expect_step(self.step, "Conversion(...)")
        if isinstance(self.unordered_paths, str):
            raise DeclarationError(
                "Conversion(unordered_paths=...): expected a tuple, got a string; write "
                f"({self.unordered_paths!r},)"
            )

    @property
    def unordered(self) -> tuple[Path, ...]:
        """Return the paths, split."""
        return tuple(tuple(path.split(".")) for path in self.unordered_paths)

    def up(self, value: dict[str, JSON], /) -> dict[str, JSON]:
        """Convert to the newer version."""
        return self._object(self.step.up(value))

    def down(self, value: dict[str, JSON], /) -> dict[str, JSON]:
        """Convert to the older version."""
        return self._object(self.step.down(value))

    def _object(self, value: JSON) -> dict[str, JSON]:
        return value if type(value) is dict else {}


UNCHANGED = Conversion(record(keep("kind", "metadata", "spec", "status")))
"""The conversion of a kind whose spec and status are the same in both versions."""
