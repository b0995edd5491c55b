"""Evaluate the rules of a schema node with the API server's semantics and messages.

Follows apiextensions-apiserver 1.37's ``pkg/apiserver/schema/cel/validation.go``.
"""

import dataclasses
import re
from collections.abc import Iterator
from typing import Any, Final

from schemagen import go_format
from schemagen.cel.calls import UnsupportedError
from schemagen.cel.compiler import Program
from schemagen.cel.data import Node
from schemagen.cel.values import (
    MISSING,
    NONE,
    BreakdownError,
    EvaluationError,
    Optional,
    UndecidedError,
    Value,
)
from schemagen.problems import JSON
from schemagen.schema.keywords import Schema


class Absent:
    """The type of ABSENT."""


ABSENT: Final = Absent()
"""No value, where null is a value."""

OMITTED: Final = Absent()
"""No value is quoted."""

# k8s.io/apiserver/pkg/apis/cel, MaxEvaluatedMessageExpressionSizeBytes
_MAX_MESSAGE_BYTES = 5120

_BEGINNINGS = {
    "FieldValueDuplicate": "Duplicate value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueInvalid": "Invalid value",
    "FieldValueRequired": "Required value",
}


@dataclasses.dataclass(frozen=True, slots=True)
class UndecidedRule:
    """A rule that this evaluator cannot decide, for any value or a particular one.

    Attributes:
        rule: Its expression.
        why: What only the judge can evaluate.
    """

    rule: str
    why: str


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """A rule violation.

    Attributes:
        reason: metav1.CauseType.
        detail: The rule's message, or the evaluation error.
        value: The value that the API server quotes before it, or OMITTED.
        field_path: From the node to the reported field; empty is the node. With a map key in it, it
            is a single part, as the API server writes it.
        uses_old_self: Whether it is a transition rule, to which ratcheting does not apply.
        is_error: Whether the evaluation failed, to which ratcheting does not apply either.
    """

    reason: str
    detail: str
    value: Any
    field_path: tuple[str, ...] = ()
    uses_old_self: bool = False
    is_error: bool = False

    @property
    def message(self) -> str:
        """Return the message of the cause in the API server's response."""
        text = _BEGINNINGS[self.reason]
        if self.value is not OMITTED and self.reason not in _WITHOUT_VALUE:
            text += f": {_quoted(self.value)}"
        return f"{text}: {self.detail}" if self.detail else text

    @property
    def may_stay(self) -> bool:
        """Return whether an update with an unchanged value is accepted (KEP-4008)."""
        return not self.uses_old_self and not self.is_error


_WITHOUT_VALUE = frozenset(("FieldValueForbidden", "FieldValueRequired"))


def _quoted(value: JSON) -> str:
    return go_format.quoted(value) if isinstance(value, str) else go_format.plain(value)


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """Result of the rules for a value.

    Attributes:
        findings: Violations, in the order of the rules.
        undecided: Rules that only the judge can evaluate for this value, but maybe not for others.
    """

    findings: tuple[Finding, ...] = ()
    undecided: tuple[UndecidedRule, ...] = ()


_FINE: Final = Outcome()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    text: str
    program: Program
    message: str
    message_program: Program | None
    reason: str
    field_path: tuple[str, ...]
    has_optional_old: bool

    @property
    def fallback(self) -> str:
        return self.message or f"failed rule: {self.text}"

    @property
    def shown(self) -> str:
        """Return the rule's name in errors: ruleErrorString."""
        return self.message or self.text


class Rules:
    """The rules of one schema node, compiled once.

    The API server's runtime cost limits are not emulated: a rule accepted at generation is bounded
    by its estimate for the largest object.

    Attributes:
        left: Rules that this evaluator cannot run, and why; left to the judge.
        uses_old_self: Whether any rule is a transition rule.
    """

    def __init__(self, schema: Schema, *, is_resource_root: bool = False) -> None:
        """Compile the rules of a node.

        Args:
            schema: A structural node with ``x-kubernetes-validations``. The judge must have
                accepted it: types are not checked here.
            is_resource_root: Whether values are whole objects, whose rules see apiVersion, kind,
                metadata.name and metadata.generateName.
        """
        self._node = Node(schema, is_resource_root=is_resource_root)
        self._type: str = schema.get("type", "")
        rules: list[_Rule] = []
        left: list[UndecidedRule] = []
        for entry in schema.get("x-kubernetes-validations", ()):
            if not go_format.trimmed(entry["rule"]):
                continue
            try:
                rules.append(_compiled(entry, self._node, schema))
            except UnsupportedError as error:
                left.append(UndecidedRule(entry["rule"], str(error)))
        self._rules = rules
        self.left = tuple(left)
        self.uses_old_self = any(rule.program.uses_old_self for rule in rules)

    def check(self, value: JSON, old: JSON | Absent = ABSENT) -> Outcome:
        """Evaluate the rules on a value.

        Args:
            value: Pruned, defaulted and valid by the schema; null is skipped.
            old: The value before an update; without it, transition rules are not run.
        """
        if value is None or not self._rules:
            return _FINE
        before = old if isinstance(old, _JSON_TYPES) else MISSING
        violations = [
            finding for rule in self._rules for finding in self._apply(rule, value, before)
        ]
        if not violations:
            return _FINE
        findings = tuple(finding for finding in violations if isinstance(finding, Finding))
        undecided = tuple(finding for finding in violations if isinstance(finding, UndecidedRule))
        return Outcome(findings, undecided)

    def _apply(self, rule: _Rule, value: JSON, old: Value) -> Iterator[Finding | UndecidedRule]:
        uses_old_self = rule.program.uses_old_self
        if uses_old_self and old is MISSING and not rule.has_optional_old:
            return
        try:
            seen = self._optional(old) if uses_old_self and rule.has_optional_old else old
            if rule.program.run(value, seen) is True:
                return
            detail = self._detail(rule, value, old)
        except (EvaluationError, BreakdownError) as error:
            yield self._error(rule, str(error))
        except (UndecidedError, RecursionError, UnicodeEncodeError) as error:
            # A URL's escapes may encode invalid UTF-8, which Python keeps as surrogates.
            yield UndecidedRule(rule.text, str(error))
        else:
            quoted = OMITTED if self._type in {"object", "array"} else value
            # field.Duplicate has no detail.
            words = "" if rule.reason == "FieldValueDuplicate" else detail
            yield Finding(rule.reason, words, quoted, rule.field_path, uses_old_self)

    def _optional(self, old: Value) -> Optional:
        return NONE if old is MISSING else Optional(self._node.read(old))

    def _detail(self, rule: _Rule, value: JSON, old: Value) -> str:
        """Return the message of a violated rule; a failing messageExpression falls back to message.

        ``oldSelf`` is never an optional here, even if it is for the rule, and exists only if a rule
        of the node uses it: 1.37 evaluates the expression so.
        """
        if rule.message_program is None:
            return rule.fallback
        try:
            text = rule.message_program.run(value, old if self.uses_old_self else MISSING)
        except (EvaluationError, BreakdownError):
            return rule.fallback
        if not isinstance(text, str):
            return rule.fallback
        text = _BYTES.sub("\ufffd", go_format.trimmed(text))
        is_usable = text and "\n" not in text and len(text.encode()) <= _MAX_MESSAGE_BYTES
        return text if is_usable else rule.fallback

    def _error(self, rule: _Rule, problem: str) -> Finding:
        if problem.startswith("no such overload"):
            what = "call arguments did not match a supported operator, function or macro signature"
            detail = f"'{problem}': {what} for rule: {rule.shown}"
        else:
            detail = f"{problem} evaluating rule: {rule.shown}"
        uses_old_self = rule.program.uses_old_self
        return Finding(
            "FieldValueInvalid", detail, self._type, uses_old_self=uses_old_self, is_error=True
        )


_BYTES = re.compile(r"[\udc80-\udcff]")  # json.Marshal's form of a byte that is not UTF-8
_JSON_TYPES = (dict, list, str, int, float)


def _compiled(entry: Schema, node: Node, schema: Schema) -> _Rule:
    expression = entry.get("messageExpression", "")
    reason = entry.get("reason") or "FieldValueInvalid"
    has_optional_old = entry.get("optionalOldSelf", False)
    return _Rule(
        text=go_format.trimmed(entry["rule"]),
        program=Program(entry["rule"], node, has_optional_old=has_optional_old),
        message=go_format.trimmed(entry.get("message", "")),
        message_program=Program(expression, node) if expression else None,
        reason=reason if reason in _BEGINNINGS else "FieldValueInvalid",
        field_path=_field_path(entry.get("fieldPath", ""), schema),
        has_optional_old=has_optional_old,
    )


_STEP = re.compile(r"\.([^.\[\]]+)|\['((?:[^'\\]|\\.)*)'\]")
_ESCAPED = re.compile(r"\\(.)")
_CONTROLS = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
}


def _field_path(text: str, schema: Schema) -> tuple[str, ...]:
    """Return the parts of a rule's ``fieldPath``; with a map key, a single part."""
    parts: list[str] = []
    has_key = False
    for match in _STEP.finditer(text):
        unescaped = _ESCAPED.sub(lambda escape: _CONTROLS.get(escape[1], escape[1]), match[2] or "")
        name = match[1] or unescaped
        if schema.get("properties"):
            parts.append(f".{name}")
            schema = schema["properties"].get(name, {})
        else:
            has_key = True
            parts.append(f"[{name}]")
            additional = schema.get("additionalProperties")
            schema = additional if isinstance(additional, dict) else {}
    if has_key:
        return ("".join(parts).removeprefix("."),)
    return tuple(part[1:] for part in parts)
