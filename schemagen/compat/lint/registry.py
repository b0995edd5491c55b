"""The one list of lint rules: what each finds, why it matters, and how to fix it. Pure."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from schemagen.compat.findings import Level
from schemagen.compat.lint.targets import Found, Target
from schemagen.problems import UserError, quoted

ALL: Final = "all"


@dataclasses.dataclass(frozen=True)
class Rule:
    """A lint rule.

    Attributes:
        id: ``list-type-missing``.
        theme: The group that it belongs to, also a word for ``--select``.
        level: How much its findings weigh.
        finds: What it finds, without a full stop.
        why: Why it matters.
        fix: What to do.
        check: Finds the places.
        is_default: Whether it runs unless ignored; the others are selected by name.
        is_fixed: Whether ``--fix`` can fix it.
        others: The same rule elsewhere: ``kube-api-linter nofloats``.
    """

    id: str
    theme: str
    level: Level
    finds: str
    why: str
    fix: str
    check: Callable[[Target], Iterator[Found]]
    is_default: bool = True
    is_fixed: bool = False
    others: tuple[str, ...] = ()


def chosen(rules: Sequence[Rule], select: Iterable[str], ignore: Iterable[str]) -> list[Rule]:
    """Return the rules to run.

    Args:
        rules: All rules.
        select: Ids, themes or ``all``; nothing stands for the rules that run by default.
        ignore: Ids or themes.

    Raises:
        UserError: if a word is neither.
    """
    wanted, unwanted = [*select], [*ignore]
    _check_known(rules, [*wanted, *unwanted])
    return [
        rule
        for rule in rules
        if (_is_named(rule, wanted) if wanted else rule.is_default)
        and not _is_named(rule, unwanted)
    ]


def _is_named(rule: Rule, words: Sequence[str]) -> bool:
    return not {rule.id, rule.theme, ALL}.isdisjoint(words)


def _check_known(rules: Sequence[Rule], words: Sequence[str]) -> None:
    known = {ALL, *(rule.id for rule in rules), *(rule.theme for rule in rules)}
    for word in words:
        if word not in known:
            themes = ", ".join(dict.fromkeys(rule.theme for rule in rules))
            raise UserError(
                f"expected a rule (schemagen lint --list-rules), a theme ({themes}) or {ALL}, got "
                f"{quoted(word)}"
            )
