"""Checker of one schema: values in, the API server's causes out, in pure Python.

Gives the same result as ``schemagen.judge`` for the part of an object that a schema describes,
without WebAssembly: models are built from its output. Anything only the judge can decide is listed
in ``Checker.left``.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Final

from schemagen import cel
from schemagen.cel import ABSENT, Absent
from schemagen.checking import (
    embedded,
    fast_path,
    lists,
    nodes,
    normalization,
    rules,
    scale_subresource,
    values,
)
from schemagen.checking.field_errors import Fault, bracketed, by_field
from schemagen.checking.nodes import Node
from schemagen.model import markers
from schemagen.problems import JSON, Cause
from schemagen.schema.keywords import Schema

# OpenAPI errors after which rules are not run (registry/customresource/strategy.go).
_BLOCKING = frozenset(
    {
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    }
)
NOT_RUN: Final = Fault(
    "FieldValueInvalid",
    (),
    "some validation rules were not checked because the object was invalid; correct the existing "
    "errors to complete validation",
    None,
)
"""Message shown where schema errors keep the rules from running."""
_NO_NUMBER = "expected a number that a float64 can hold"


@dataclasses.dataclass(frozen=True, slots=True)
class Checked:
    """Result of a check.

    Attributes:
        value: The value with defaults, pruned; it shares nothing with the input.
        causes: Why the API server would refuse it, sorted by field; empty if it would not.
        undecided: What only the judge can check: rules, metadata of embedded objects.
    """

    value: JSON
    causes: tuple[Cause, ...]
    undecided: tuple[cel.UndecidedRule, ...] = ()

    @property
    def allowed(self) -> bool:
        """Return whether there are no causes."""
        return not self.causes


class Checker:
    """Checks values against one structural schema.

    Args:
        schema: A structural schema that the API server accepts.
        is_root: Whether it describes a whole object.
        scale: The scale subresource, whose values the API server checks too.
    """

    def __init__(
        self, schema: Schema, *, is_root: bool = False, scale: markers.Scale | None = None
    ) -> None:
        self._node = nodes.compiled(schema, is_root=is_root)
        self._is_root = is_root
        self._scale = scale

    @functools.cached_property
    def left(self) -> tuple[cel.UndecidedRule, ...]:
        """Return rules that only the judge can run on any value, and why."""
        return tuple(_left(self._node))

    @functools.cached_property
    def _fast(self) -> fast_path.IsFine:
        return fast_path.compiled(self._node, is_root=self._is_root)

    def is_fine(self, value: JSON, old: JSON | Absent = ABSENT) -> bool:
        """Return True if a value is surely accepted, at a tenth of the cost; False is unknown."""
        if self._scale is not None and any(
            scale_subresource.faults(self._scale, value, is_status=False)
        ):
            return False
        try:
            return self._fast(value, old)
        except RecursionError:
            return False

    def create(self, value: JSON) -> Checked:
        """Check a new value."""
        return self._read(self._checked, value)

    def default(self, value: JSON) -> Sequence[Cause]:
        """Return why a default of the schema would be refused, by itself or after defaulting.

        The API server checks a default as written, before the defaults below it are set
        (defaulting/validation.go).
        """
        faults: list[Fault] = [*normalization.unknown(value, self._node)]
        faults += embedded.faults(self._node, value)
        faults += values.validate(self._node, value).faults
        if not faults and self._node.has_rules:
            faults += rules.evaluated(self._node, value, ABSENT).faults
        return by_field(faults) or self.create(value).causes

    def update(self, value: JSON, old: JSON) -> Checked:
        """Check a changed value: unchanged invalid parts are accepted (ratcheting)."""
        return self._read(self._checked, value, old)

    def update_status(self, value: JSON, old: JSON) -> Checked:
        """Check an update through the status subresource: only the status may change."""
        return self._read(self._status_checked, value, old)

    def transitions(self, value: JSON, old: JSON) -> tuple[Cause, ...]:
        """Return the result of transition rules only, ignoring other errors."""
        return self._read(self._transitions, value, old).causes

    def _transitions(self, value: JSON, old: JSON) -> Checked:
        results = (
            rules.evaluated(self._node, value, old) if self._node.has_rules else rules.Results()
        )
        return Checked(value, by_field([fault for fault in results.faults if fault.is_transition]))

    def decode(self, value: JSON) -> Checked:
        """Check that a whole object, including ignored parts, can be decoded: embedded objects."""
        return self._read(self._decoded, value)

    def _decoded(self, value: JSON) -> Checked:
        causes = by_field([*embedded.unreadable(self._node, value)])
        return Checked(value, causes, tuple(embedded.left(self._node, value)))

    def _read(self, check: Callable[..., Checked], *sent: JSON) -> Checked:
        """Check values after intake; one that cannot be decoded is refused unchanged."""
        try:
            normalized = [
                normalization.taken_in(item, self._node, is_root=self._is_root) for item in sent
            ]
        except normalization.UnreadableError as error:
            field = bracketed(error.path)
            fault = Fault("FieldValueInvalid", error.path, _NO_NUMBER, field=field)
            return Checked(sent[0], (fault.cause(),))
        return check(*normalized)

    def _status_checked(self, given: JSON, before: JSON) -> Checked:
        status = {"status": given["status"]} if "status" in given else {}
        after = {name: member for name, member in before.items() if name != "status"} | status
        checked = self._checked(after, before, part="status")
        # The whole request is decoded, although only the status counts then.
        causes = by_field([*embedded.unreadable(self._node, given)]) or checked.causes
        undecided = (*checked.undecided, *embedded.left(self._node, given))
        return dataclasses.replace(checked, causes=causes, undecided=undecided)

    def _checked(
        self, value: JSON, old: JSON | Absent = ABSENT, *, part: str | None = None
    ) -> Checked:
        faults = [*self._schema_faults(value, old, part)]
        if self._scale is not None:
            faults += scale_subresource.faults(self._scale, value, is_status=part is not None)
        if part is None:  # registry/customresource/status_strategy.go skips them
            faults += embedded.faults(self._node, value)
        if old is ABSENT or not [*lists.duplicates(self._node, old)]:
            faults += lists.duplicates(self._node, value)
        undecided = [*embedded.left(self._node, value)]
        if any(fault.reason in _BLOCKING for fault in faults):
            faults += [NOT_RUN] * self._node.has_rules
        elif self._node.has_rules:
            results = rules.evaluated(self._node, value, old)
            faults += results.faults
            undecided += results.undecided
        return Checked(value, by_field(faults), tuple(undecided))

    def _schema_faults(self, value: JSON, old: JSON | Absent, part: str | None) -> Sequence[Fault]:
        if part is None:
            return values.validate(self._node, value, old=old).faults
        if part not in value:
            return ()
        node = self._node.properties[part]
        before = old.get(part, ABSENT) if isinstance(old, dict) else ABSENT
        return values.validate(node, value[part], old=before, prefix=(part,)).faults


def _left(node: Node) -> Sequence[cel.UndecidedRule]:
    own = node.rules.left if node.rules is not None else ()
    below = (*node.properties.values(), node.values, node.items)
    return [*own, *(left for child in below if child is not None for left in _left(child))]
