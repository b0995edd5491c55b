"""Naming rules of groups, kinds and versions, and the order of versions.

Follows apiextensions-apiserver v0.37 (pkg/apis/apiextensions/validation), RFC 1035 and RFC 1123.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Final

from schemagen.formats import names
from schemagen.problems import quoted

_LABEL: Final = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?", re.ASCII)
_MAX_LABEL_LENGTH: Final = 63
_VERSION: Final = re.compile(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?", re.ASCII)
_STABILITY: Final = {"alpha": 0, "beta": 1, None: 2}


def label_fault(text: str) -> str | None:
    """Return what is wrong with a DNS label: plurals, short names, versions."""
    if _LABEL.fullmatch(text) and len(text) <= _MAX_LABEL_LENGTH:
        return None
    return (
        f"expected 1 to {_MAX_LABEL_LENGTH} characters of a-z, 0-9 and -, starting with a "
        f"letter and not ending in -, got {quoted(text)}"
    )


def kind_fault(text: str) -> str | None:
    """Return what is wrong with a kind's name; its lowercase form must be a DNS label."""
    if label_fault(text.lower()) is None and text.isascii():
        return None
    return f"expected a name in CamelCase such as AgentRun, got {quoted(text)}"


def group_fault(text: str) -> str | None:
    """Return what is wrong with a group."""
    if "." in text and names.is_long_name(text):
        return None
    return (
        "expected a lowercase DNS name with at least one dot, such as "
        f"example.com, got {quoted(text)}"
    )


def is_older(name: str, other: str) -> bool:
    """Return whether a version is certainly older than another, by number and stability.

    v1alpha1 < v1beta1 < v1 < v2. v1 and v2alpha1 are unordered: a development version follows v1,
    but Kubernetes' priority order (apimachinery, CompareKubeAwareVersionStrings) ranks it below.
    Names in any other form have no known age.
    """
    mine, theirs = _VERSION.fullmatch(name), _VERSION.fullmatch(other)
    if mine is None or theirs is None:
        return False
    major, stability, minor = _age(mine)
    other_major, other_stability, other_minor = _age(theirs)
    return (major, stability, minor) < (other_major, other_stability, other_minor) and (
        stability,
        major,
        minor,
    ) < (other_stability, other_major, other_minor)


def age(name: str) -> tuple[int, int, int]:
    """Return a sort key from the oldest version to the newest; unknown forms come first."""
    version = _VERSION.fullmatch(name)
    return (-1, 0, 0) if version is None else _age(version)


def _age(version: re.Match[str]) -> tuple[int, int, int]:
    return int(version[1]), _STABILITY[version[2]], int(version[3] or 0)


def order_faults(names: Sequence[str]) -> Iterator[str]:
    """Yield versions out of Kubernetes' order or duplicate; other names may appear anywhere."""
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield f"expected each version once, got {name} {names.count(name)} times"
    for name, later in itertools.combinations(dict.fromkeys(names), 2):
        if is_older(later, name):
            yield (
                f"expected versions from oldest to newest, got {name} before {later}; "
                f"list {later} first (Kubernetes' order: v1alpha1, v1beta1, v1, v2)"
            )
