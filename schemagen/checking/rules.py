"""Run the CEL rules of a whole value, each with its correlated old value."""

import dataclasses

from schemagen import cel
from schemagen.cel import ABSENT, Absent
from schemagen.checking import correlation
from schemagen.checking.field_errors import Fault, bracketed
from schemagen.checking.nodes import Node, Path
from schemagen.problems import JSON


@dataclasses.dataclass(slots=True)
class Results:
    """Results of the rules of a value."""

    faults: list[Fault] = dataclasses.field(default_factory=list)
    undecided: list[cel.UndecidedRule] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class _Old:
    """The old value that rules see, and whether the new one is unchanged.

    Without an old value, that of the nearest ancestor which has one decides on ratcheting
    (``ratchetingOptions`` in schema/cel/validation.go).
    """

    value: JSON | Absent
    is_unchanged: bool


def evaluated(node: Node, value: JSON, old: JSON | Absent) -> Results:
    """Run all rules of a value and its children."""
    results = Results()
    is_unchanged = old is not ABSENT and correlation.equal(node, value, old)
    _walk(node, value, (), _Old(old, is_unchanged), results)
    return results


def _walk(node: Node, value: JSON, path: Path, old: _Old, results: Results) -> None:
    if value is None or not node.has_rules:
        return
    if node.rules is not None:
        _own(node.rules, value, path, old, results)
    before = correlation.children(node, value, old.value)
    for (child, part, key), previous in zip(node.children(value), before, strict=True):
        _walk(child, part, (*path, key), _below(child, part, previous, old), results)


def _below(node: Node, value: JSON, previous: JSON | Absent, above: _Old) -> _Old:
    """Return the old value of a member or item; without one, its ancestor's state is inherited."""
    if previous is ABSENT:
        return _Old(ABSENT, above.is_unchanged)
    return _Old(previous, correlation.equal(node, value, previous))


def _own(rules: cel.Rules, value: JSON, path: Path, old: _Old, results: Results) -> None:
    outcome = rules.check(value, ABSENT if old.value is None else old.value)
    results.undecided += (*rules.left, *outcome.undecided)
    for finding in outcome.findings:
        if old.is_unchanged and finding.may_stay:
            continue
        where = (*path, *finding.field_path)
        field = bracketed(where)
        fault = Fault(finding.reason, where, finding.detail, finding.value, field)
        results.faults.append(dataclasses.replace(fault, is_transition=finding.uses_old_self))
