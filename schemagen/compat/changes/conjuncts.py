"""Split CEL rules into the parts that must all hold, and compare them by their text. Pure.

A rule ``a && b`` is two requirements, as are two rules; whitespace does not count. A requirement
``E <= 3`` that becomes ``E <= 5`` is implied by the one before.
"""

import re
from collections.abc import Iterable
from typing import Final

_TOKEN: Final = re.compile(
    r"""\s*([rRbB]{0,2}(?:'''.*?'''|\"\"\".*?\"\"\"|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
    r"""|[A-Za-z_][A-Za-z0-9_]*|[0-9][A-Za-z0-9_.]*|&&|\|\||[<>=!]=|.)""",
    re.DOTALL,
)
_OPENING: Final = frozenset("([{")
_CLOSING: Final = frozenset(")]}")
_LOOSER: Final = frozenset({"||", "?"})
_COMPARISONS: Final = ("<=", ">=", "<", ">")


def tokens(rule: str) -> tuple[str, ...]:
    """Return the tokens of a rule, without whitespace and comments."""
    without_comments = rule if "'" in rule or '"' in rule else re.sub(r"//[^\n]*", "", rule)
    return tuple(
        token for token in _TOKEN.findall(without_comments) if not token.isspace() and token
    )


def conjuncts(rule: str) -> frozenset[tuple[str, ...]]:
    """Return the requirements of a rule, each as tokens."""
    parts = _bare(tokens(rule))
    outermost = _outermost(parts)
    if any(parts[index] in _LOOSER for index in outermost):
        return frozenset({parts})
    cuts = [index for index in outermost if parts[index] == "&&"]
    if not cuts:
        return frozenset({parts})
    begins = [0, *(cut + 1 for cut in cuts)]
    pieces = [parts[begin:end] for begin, end in zip(begins, [*cuts, len(parts)], strict=True)]
    return frozenset(each for piece in pieces for each in conjuncts(" ".join(piece)))


def is_implied(part: tuple[str, ...], by: Iterable[tuple[str, ...]]) -> bool:
    """Return whether a requirement follows from others: it is one of them, or a looser bound."""
    others = set(by)
    if part in others or any(piece in others for piece in _alternatives(part)):
        return True
    bound = _bound(part)
    return bound is not None and any(_is_tighter(_bound(other), bound) for other in others)


def _alternatives(part: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return ``a`` and ``b`` of ``a || b``, one of which is enough."""
    outermost = _outermost(part)
    if any(part[index] == "?" for index in outermost):
        return []
    cuts = [index for index in outermost if part[index] == "||"]
    begins = [0, *(cut + 1 for cut in cuts)]
    pieces = [part[begin:end] for begin, end in zip(begins, [*cuts, len(part)], strict=True)]
    return [_bare(piece) for piece in pieces] if cuts else []


def _bare(parts: tuple[str, ...]) -> tuple[str, ...]:
    while _is_enclosed(parts):
        parts = parts[1:-1]
    return parts


def _is_tighter(
    one: tuple[tuple[str, ...], str, int] | None, other: tuple[tuple[str, ...], str, int]
) -> bool:
    """Return whether ``E <= 3`` implies ``E <= 5``; strict and inclusive ones are not mixed."""
    if one is None or one[:2] != other[:2]:
        return False
    return one[2] <= other[2] if other[1].startswith("<") else one[2] >= other[2]


def _bound(part: tuple[str, ...]) -> tuple[tuple[str, ...], str, int] | None:
    """Return ``E``, the comparison and the number of ``E <= 3``."""
    outermost = _outermost(part)
    comparisons = [index for index in outermost if part[index] in _COMPARISONS]
    is_plain = not any(part[index] in {*_LOOSER, "&&", "==", "!=", "in"} for index in outermost)
    if len(comparisons) != 1 or not is_plain:
        return None
    at = comparisons[0]
    number = "".join(part[at + 1 :])
    if re.fullmatch(r"-?[0-9]{1,15}", number) is None:
        return None
    return part[:at], part[at], int(number)


def _outermost(parts: tuple[str, ...]) -> list[int]:
    """Return the indexes of tokens outside of all parentheses."""
    depth, found = 0, []
    for index, part in enumerate(parts):
        depth -= part in _CLOSING
        if depth == 0 and part not in _CLOSING:
            found.append(index)
        depth += part in _OPENING
    return found


def _is_enclosed(parts: tuple[str, ...]) -> bool:
    """Return whether one pair of parentheses encloses all."""
    if len(parts) < 2 or parts[0] != "(" or parts[-1] != ")":  # noqa: PLR2004 - a pair
        return False
    return _outermost(parts) == [0]
