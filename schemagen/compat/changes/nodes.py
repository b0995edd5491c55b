"""Two nodes at the same place of two schemas. Pure."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from schemagen.compat.changes.changes import RATCHETED, Audience, Change, Direction, safe_by
from schemagen.problems import JSON
from schemagen.schema.keywords import Schema

_SCALARS: Final = frozenset({"string", "integer", "number", "boolean"})
_COUNTING: Final = (
    *("minProperties", "maxProperties", "enum", "allOf", "anyOf", "oneOf", "not"),
    "x-kubernetes-validations",
)


@dataclasses.dataclass(frozen=True)
class Node:
    """The schemas of a field, before and now.

    Attributes:
        old: The schema before.
        new: The schema now.
        steps: The field: ``(".spec", ".steps", "[]")``.
        place: The field of the CRD that holds the schema.
        is_correlated: Whether an update compares the value with the old one: items of lists are
            only if the list is a map.
        is_counted: Whether some schema around constrains which fields there are.
        is_required: Whether the field is required now.
    """

    old: Schema
    new: Schema
    steps: tuple[str, ...] = ()
    place: str = ""
    is_correlated: bool = True
    is_counted: bool = False
    is_required: bool = False

    @property
    def is_retyped(self) -> bool:
        """Return whether it held fields or items and now cannot, or the reverse."""
        return bool(_shape(self.old) != _shape(self.new))

    @property
    def is_ratcheted(self) -> bool:
        """Return whether an update of another field cannot be refused for this value."""
        return self.is_correlated and bool(self.steps) and _is_scalar(self.old, self.new)

    def child(self, step: str, old: Schema, new: Schema, *, keyword: str | None = None) -> "Node":
        """Return the nodes of a property, of the items or of the values."""
        below = f".{keyword}" if keyword else f".properties{step}"
        is_map_list = self.new.get("x-kubernetes-list-type") == "map"
        return Node(
            old,
            new,
            (*self.steps, step),
            f"{self.place}{below}",
            is_correlated=self.is_correlated and (step != "[]" or is_map_list),
            is_counted=self.is_counted
            or any(schema.get(name) for schema in (self.old, self.new) for name in _COUNTING),
            is_required=step[1:] in (self.new.get("required") or ()),
        )

    def own(
        self,
        direction: Direction,
        rule: str,
        message: str,
        *,
        keyword: str,
        values: tuple[JSON, JSON] | None = None,
    ) -> Change:
        """Return a change of a keyword that constrains the value and nothing else."""
        safe = safe_by(direction)
        if direction in {Direction.TIGHTENED, Direction.CHANGED} and self.is_ratcheted:
            safe[Audience.STORED] = RATCHETED
        before, after = values or (self.old.get(keyword), self.new.get(keyword))
        return self.change(rule, message, before=before, after=after, keyword=keyword, safe=safe)

    def change(
        self,
        rule: str,
        message: str,
        *,
        before: JSON = None,
        after: JSON = None,
        keyword: str = "",
        safe: Mapping[Audience, str] | None = None,
        place: str = "",
        gone: bool = False,
        at: "Node | None" = None,
    ) -> Change:
        """Build a change at this place.

        Args:
            rule: Its kind.
            message: In a line.
            before: The earlier value.
            after: The present value.
            keyword: The keyword that changed.
            safe: The audiences that it cannot harm, with the proof.
            place: The field of the CRD, if it is not the keyword.
            gone: Whether the node is not there any more.
            at: The node whose ``required`` changed.
        """
        below = f".{keyword}" if keyword and keyword in self.new else ""
        if at is not None:
            below, place = "", f"{at.place}.required" if at.new.get("required") else at.place
        return Change(
            rule,
            message,
            self.steps,
            before=before,
            after=after,
            safe=dict(safe or {}),
            place=place or f"{self.place}{below}",
            old=self.old,
            new=None if gone else self.new,
        )


def _shape(schema: Schema) -> Any:
    kind = schema.get("type") or ""
    return kind if kind in {"array", "object"} or not kind else "scalar"


def _is_scalar(old: Schema, new: Schema) -> bool:
    both = [
        "string" if schema.get("x-kubernetes-int-or-string") else schema.get("type")
        for schema in (old, new)
    ]
    return all(kind in _SCALARS for kind in both)
