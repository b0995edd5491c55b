"""Compare the CEL rules of two nodes. Pure.

What a rule means is compared as far as its text tells: parts of a conjunction, bounds that are
numbers. Everything else is left to sampling.
"""

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from schemagen.compat.changes import conjuncts
from schemagen.compat.changes.changes import NARROWER, RATCHETED, WIDER, Audience, Change, all_safe
from schemagen.compat.changes.nodes import Node

KEYWORD: Final = "x-kubernetes-validations"
_ALIKE: Final = 0.6
_UPDATES_ONLY: Final = "a transition rule constrains updates, not what an object may hold"
_UNCHANGED_FITS: Final = "an unchanged value fulfils it"

_Rule = dict[str, Any]
_Parts = frozenset[tuple[str, ...]]


def of(node: Node) -> Iterator[Change]:
    """Yield the changes of a node's rules."""
    old, new = _rules(node.old), _rules(node.new)
    for key in old.keys() & new.keys():
        if old[key] != new[key]:
            yield _reworded(node, old[key], new[key])
    removed = [rule for key, rule in old.items() if key not in new]
    added = [rule for key, rule in new.items() if key not in old]
    before, after = _parts(old.values()), _parts(new.values())
    for gone, come in _paired(removed, added):
        yield _compared(node, gone, come, before, after)


def _reworded(node: Node, before: _Rule, after: _Rule) -> Change:
    names = sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )
    rule = "rule-reformatted" if names == ["rule"] else "rule-message-changed"
    text = f"{', '.join(names)} of the rule {_brief(after)} changed"
    return _change(
        node, rule, text, (before, after), all_safe("only the text of a refusal changes")
    )


def _rules(schema: dict[str, Any]) -> dict[tuple[Any, ...], _Rule]:
    return {
        (conjuncts.tokens(rule.get("rule", "")), bool(rule.get("optionalOldSelf"))): rule
        for rule in schema.get(KEYWORD) or ()
    }


def _parts(rules: Any) -> _Parts:
    """Return what rules require, besides those that see an absent old value."""
    return frozenset(
        part
        for rule in rules
        if not rule.get("optionalOldSelf")
        for part in conjuncts.conjuncts(rule.get("rule", ""))
    )


def _paired(
    removed: Sequence[_Rule], added: Sequence[_Rule]
) -> Iterator[tuple[_Rule | None, _Rule | None]]:
    """Yield rules that became others, then those that have no counterpart."""
    rest = list(added)
    for gone in removed:
        come = max(rest, key=lambda rule: _likeness(gone, rule), default=None)
        if come is not None and _likeness(gone, come) >= _ALIKE:
            rest.remove(come)
            yield gone, come
        else:
            yield gone, None
    for come in rest:
        yield None, come


def _likeness(one: _Rule, other: _Rule) -> float:
    if one.get("message") and one.get("message") == other.get("message"):
        return 1
    if _parts([one]) & _parts([other]) or _is_part(one, other) or _is_part(other, one):
        return 0.9
    return difflib.SequenceMatcher(None, one.get("rule", ""), other.get("rule", "")).ratio()


def _is_part(one: _Rule, other: _Rule) -> bool:
    return " ".join(one.get("rule", "").split()) in " ".join(other.get("rule", "").split())


def _compared(
    node: Node, gone: _Rule | None, come: _Rule | None, before: _Parts, after: _Parts
) -> Change:
    is_optional = any(rule is not None and rule.get("optionalOldSelf") for rule in (gone, come))
    is_looser = come is None or (not is_optional and _are_implied(_parts([come]), before))
    is_tighter = gone is None or (not is_optional and _are_implied(_parts([gone]), after))
    safe: dict[Audience, str] = {}
    if is_looser:
        safe |= {Audience.WRITERS: WIDER, Audience.STORED: WIDER}
    if is_tighter:
        safe[Audience.READERS] = NARROWER
    if not is_optional:
        safe = _of_transitions(node, gone, come) | safe
    if gone is None:
        rule, text = "rule-added", f"rule {_brief(come)} added"
    elif come is None:
        rule, text = "rule-removed", f"rule {_brief(gone)} removed"
    else:
        word = {(True, True): "changed", (True, False): "loosened", (False, True): "tightened"}.get(
            (is_looser, is_tighter), "changed"
        )
        rule, text = f"rule-{word}", f"rule {_brief(gone)} {word} to {_brief(come)}"
    return _change(node, rule, text, (gone, come), safe)


def _of_transitions(node: Node, gone: _Rule | None, come: _Rule | None) -> dict[Audience, str]:
    """Return what is proved by whether rules read the old value."""
    safe: dict[Audience, str] = {}
    if gone is None or _is_transition(gone):
        safe[Audience.READERS] = _UPDATES_ONLY
    if come is not None and _is_transition(come):
        if all(map(_is_reflexive, conjuncts.conjuncts(come["rule"]))):
            safe[Audience.STORED] = _UNCHANGED_FITS
    elif node.is_ratcheted:
        safe[Audience.STORED] = RATCHETED
    return safe


def _are_implied(parts: _Parts, by: _Parts) -> bool:
    return all(conjuncts.is_implied(part, by) for part in parts)


def _is_transition(rule: _Rule) -> bool:
    return "oldSelf" in conjuncts.tokens(rule["rule"])


def _is_reflexive(part: tuple[str, ...]) -> bool:
    """Return whether a requirement holds where nothing changed: ``self >= oldSelf``."""
    if part.count("oldSelf") == 0:
        return False
    for comparison in ("==", ">=", "<="):
        if part.count(comparison) == 1:
            at = part.index(comparison)
            left, right = (
                tuple("self" if name == "oldSelf" else name for name in side)
                for side in (part[:at], part[at + 1 :])
            )
            return left == right and not {"||", "&&", "?"} & set(part)
    return False


def _brief(rule: _Rule | None) -> str:
    text = " ".join(str((rule or {}).get("rule", "")).split())
    return f"«{text if len(text) <= _SHOWN else text[:_SHOWN] + '...'}»"


_SHOWN: Final = 80


def _change(
    node: Node,
    rule: str,
    text: str,
    values: tuple[_Rule | None, _Rule | None],
    safe: dict[Audience, str],
) -> Change:
    before, after = values
    return node.change(rule, text, before=before, after=after, keyword=KEYWORD, safe=safe)
