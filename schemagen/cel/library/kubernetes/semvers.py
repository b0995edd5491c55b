"""Kubernetes' semantic versions (apiserver 1.37; messages of blang/semver 4)."""

import dataclasses
import re

from schemagen import go_format
from schemagen.cel.library.registry import function
from schemagen.cel.values import (
    MAX_INT,
    MAX_UINT,
    EvaluationError,
    Typed,
    Value,
    no_such_overload,
)

_DIGITS = re.compile(r"[0-9]*")
_WORD = re.compile(r"[0-9A-Za-z-]*")
_MAX_DIGITS = 4000  # Python parses at most 4300 digits
_PARTS = 3


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Semver(Typed):
    """A version, without build metadata (``+``).

    Attributes:
        numbers: Major, minor, patch.
        pre: Prerelease parts (``-``): numbers sort before words.
    """

    numbers: tuple[int, int, int]
    pre: tuple[tuple[bool, int, str], ...] = ()

    type_name = "kubernetes.Semver"

    def equals(self, other: Value) -> bool:
        """Return whether neither precedes the other."""
        if type(other) is not Semver:
            raise no_such_overload()
        return compare_to(self, other) == 0

    def order(self) -> tuple[object, ...]:
        """Return the sort key: a prerelease precedes its release."""
        return (self.numbers, not self.pre, self.pre)


def _number(text: str, name: str) -> int:
    if not _DIGITS.fullmatch(text):
        raise EvaluationError(
            f"Invalid character(s) found in {name.lower()} number {go_format.quoted(text)}"
        )
    if len(text) > 1 and text.startswith("0"):
        raise EvaluationError(
            f"{name} number must not contain leading zeroes {go_format.quoted(text)}"
        )
    return _unsigned(text)


def _unsigned(text: str) -> int:
    """strconv.ParseUint of digits."""
    if not text or len(text) > _MAX_DIGITS or int(text) > MAX_UINT:
        problem = "value out of range" if text else "invalid syntax"
        raise EvaluationError(f"strconv.ParseUint: parsing {go_format.quoted(text)}: {problem}")
    return int(text)


def _pre(text: str) -> tuple[bool, int, str]:
    if not text:
        raise EvaluationError("Prerelease is empty")
    if _DIGITS.fullmatch(text):
        if len(text) > 1 and text.startswith("0"):
            what = "Numeric PreRelease version must not contain leading zeroes"
            raise EvaluationError(f"{what} {go_format.quoted(text)}")
        return False, _unsigned(text), ""
    if not _WORD.fullmatch(text):
        raise EvaluationError(f"Invalid character(s) found in prerelease {go_format.quoted(text)}")
    return True, 0, text


def _check_build(text: str) -> None:
    if not text:
        raise EvaluationError("Build meta data is empty")
    if not _WORD.fullmatch(text):
        raise EvaluationError(
            f"Invalid character(s) found in build meta data {go_format.quoted(text)}"
        )


def parsed(text: str) -> Semver:
    """semver.Parse.

    Raises:
        EvaluationError: with its message.
    """
    if not text:
        raise EvaluationError("Version string empty")
    parts = text.split(".", _PARTS - 1)
    if len(parts) != _PARTS:
        raise EvaluationError("No Major.Minor.Patch elements found")
    major, minor = _number(parts[0], "Major"), _number(parts[1], "Minor")
    rest, plus, build = parts[2].partition("+")
    patch_text, dash, pre = rest.partition("-")
    patch = _number(patch_text, "Patch")
    version = Semver((major, minor, patch), tuple(map(_pre, pre.split("."))) if dash else ())
    for part in build.split(".") if plus else ():
        _check_build(part)
    return version


def _normalised(text: str) -> str:
    """Return the text without ``v`` and leading zeros, with minor and patch version added."""
    parts = [_without_zeros(part) for part in text.removeprefix("v").split(".", _PARTS - 1)]
    if len(parts) < _PARTS:
        if set(parts[-1]) & {"+", "-"}:
            raise EvaluationError("short version cannot contain PreRelease/Build meta data")
        parts += ["0"] * (_PARTS - len(parts))
    return ".".join(parts)


def _without_zeros(part: str) -> str:
    if len(part.encode()) <= 1:
        return part
    stripped = part.lstrip("0")
    return stripped if stripped[:1] in set("0123456789") else f"0{stripped}"


@function("semver", str)
def semver(text: str) -> Semver:
    """Parse a version."""
    return parsed(text)


@function("semver", str, bool)
def semver_normalised(text: str, normalise: bool) -> Semver:  # noqa: FBT001 - CEL's signature
    """Parse a version, leniently if normalized."""
    return parsed(_normalised(text) if normalise else text)


@function("isSemver", str)
def is_semver(text: str) -> bool:
    """Return whether the text is a version."""
    return is_semver_normalised(text, False)  # noqa: FBT003 - CEL's signature


@function("isSemver", str, bool)
def is_semver_normalised(text: str, normalise: bool) -> bool:  # noqa: FBT001 - CEL's signature
    """Return whether the text is a version, leniently if normalized."""
    try:
        semver_normalised(text, normalise)
    except EvaluationError:
        return False
    return True


def _wrapped(number: int) -> int:
    """Convert Go's uint64 to int64."""
    return number if number <= MAX_INT else number - (1 << 64)


@function("major", Semver)
def major_of(value: Semver) -> int:
    """Return the major version."""
    return _wrapped(value.numbers[0])


@function("minor", Semver)
def minor_of(value: Semver) -> int:
    """Return the minor version."""
    return _wrapped(value.numbers[1])


@function("patch", Semver)
def patch_of(value: Semver) -> int:
    """Return the patch version."""
    return _wrapped(value.numbers[2])


@function("compareTo", Semver, Semver)
def compare_to(left: Semver, right: Semver) -> int:
    """-1, 0 or 1."""
    order, other = left.order(), right.order()
    return (order > other) - (order < other)


@function("isGreaterThan", Semver, Semver)
def is_greater_than(left: Semver, right: Semver) -> bool:
    """Return whether the first is greater."""
    return compare_to(left, right) > 0


@function("isLessThan", Semver, Semver)
def is_less_than(left: Semver, right: Semver) -> bool:
    """Return whether the first is less."""
    return compare_to(left, right) < 0
