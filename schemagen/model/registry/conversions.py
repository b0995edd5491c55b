"""Who converts between the versions of a kind: steps of its Api, or something else."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol

from schemagen.model import field_types
from schemagen.problems import JSON


class ConversionProtocol(Protocol):
    """Conversion between two adjacent versions: total, pure, and limited to what both express.

    Each direction takes a whole object and returns the part of it that the other version can
    express; the rest is found by ``schemagen.versions.residue`` and kept in an annotation.
    """

    @property
    def unordered(self) -> Sequence[Sequence[str]]:
        """Return paths of the newer version's lists that are (unordered) maps in the older."""

    def up(self, value: dict[str, JSON], /) -> dict[str, JSON]:
        """Convert to the newer version."""

    def down(self, value: dict[str, JSON], /) -> dict[str, JSON]:
        """Convert to the older version."""


@dataclasses.dataclass(frozen=True)
class ExternalConversion:
    """Conversion of a kind's versions by something else than the webhooks of this project.

    Attributes:
        webhook: The ``clientConfig`` of the webhook that converts; None if the API server only
            changes apiVersion (``strategy: None``).
        review_versions: Versions of ConversionReview that the webhook knows.
    """

    webhook: Mapping[str, JSON] | None = None
    review_versions: tuple[str, ...] = ("v1",)

    def __post_init__(self) -> None:
        field_types.check(self)
