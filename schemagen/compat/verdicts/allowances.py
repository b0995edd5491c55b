"""Allow-lists: changes that are known and accepted, each with a reason and, best, an expiry date.

allow:
- change: widgets.example.com/v1/spec.size/max-length-lowered
  reason: no object has more than 20 characters
  expires: 2027-01-31
"""

import dataclasses
import datetime as dt
import fnmatch
import pathlib
from collections.abc import Iterator, Sequence
from typing import Final

from schemagen import files
from schemagen.compat.verdicts.differences import Difference
from schemagen.problems import JSON, UserError, quoted
from schemagen.yaml import manifests

_KEYS: Final = frozenset({"change", "reason", "expires"})


class AllowanceError(UserError):
    """An allow-list cannot be read; the message says where and why."""


@dataclasses.dataclass(frozen=True)
class Allowance:
    """An accepted change.

    Attributes:
        change: The identifier of the change, ``CRD/VERSION/PATH/RULE``; ``*`` matches anything.
        reason: Why it is accepted.
        expires: The last day on which it is; None for no end.
        source: The file.
        line: Its line there.
    """

    change: str
    reason: str
    expires: dt.date | None
    source: str
    line: int

    def is_expired(self, today: dt.date) -> bool:
        """Return whether it holds no longer."""
        return self.expires is not None and self.expires < today

    def covers(self, difference: Difference) -> bool:
        """Return whether it is about a change."""
        pattern = self.change.replace("[", "[[]")
        return fnmatch.fnmatchcase(difference.id, pattern)


def read(path: pathlib.Path) -> tuple[Allowance, ...]:
    """Read an allow-list.

    Raises:
        UserError: if it cannot be read, or an entry lacks a change or a reason.
    """
    source = files.name_of(path)
    documents = [*manifests.read(files.read_bytes(path), source)]
    return tuple(allowance for document in documents for allowance in _entries(document, source))


def _entries(document: manifests.Object, source: str) -> Iterator[Allowance]:
    entries = document.value.get("allow")
    if not isinstance(entries, list):
        raise AllowanceError(f"{source}: expected a list `allow`, got {quoted(document.value)}")
    for index, entry in enumerate(entries):
        line = document.line_of(f"allow[{index}]")
        yield _entry(entry, source, line)


def _entry(entry: JSON, source: str, line: int) -> Allowance:
    place = f"{source}:{line}"
    if not isinstance(entry, dict):
        raise AllowanceError(f"{place}: expected change, reason and expires, got {quoted(entry)}")
    if unknown := sorted(entry.keys() - _KEYS):
        raise AllowanceError(f"{place}: expected change, reason and expires, got {unknown[0]}")
    for name in ("change", "reason"):
        if not isinstance(entry.get(name), str) or not entry[name].strip():
            raise AllowanceError(
                f"{place}: expected a text in {name}, got {quoted(entry.get(name))}"
            )
    expires = entry.get("expires")
    try:
        end = None if expires is None else dt.date.fromisoformat(str(expires))
    except ValueError as error:
        raise AllowanceError(
            f"{place}: expected a date such as 2027-01-31 in expires, got {quoted(expires)}"
        ) from error
    return Allowance(entry["change"], entry["reason"], end, source, line)


@dataclasses.dataclass(frozen=True)
class Applied:
    """An allow-list put to use.

    Attributes:
        by_change: The allowance of each allowed change, by its identifier.
        expired: Allowances that are over.
        unused: Allowances of changes that are not there, or are safe.
    """

    by_change: dict[str, Allowance]
    expired: tuple[Allowance, ...]
    unused: tuple[Allowance, ...]


def apply(
    allowances: Sequence[Allowance], differences: Sequence[Difference], today: dt.date
) -> Applied:
    """Return which changes are allowed today."""
    by_change: dict[str, Allowance] = {}
    used: set[Allowance] = set()
    for difference in differences:
        if difference.outcome == "safe":
            continue
        for allowance in allowances:
            if allowance.covers(difference):
                used.add(allowance)
                if not allowance.is_expired(today):
                    by_change.setdefault(difference.id, allowance)
    expired = tuple(each for each in allowances if each.is_expired(today))
    unused = tuple(each for each in allowances if each not in used and each not in expired)
    return Applied(by_change, expired, unused)
