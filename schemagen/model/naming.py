"""What the API server accepts as names of groups, kinds and versions, and how versions are ordered.

Rules of apiextensions-apiserver v0.37 (pkg/apis/apiextensions/validation), RFC 1035 and RFC 1123.
"""

import re
from typing import Final

from schemagen.formats import names
from schemagen.problems import quoted

_LABEL: Final = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?", re.ASCII)
_MAX_LABEL_LENGTH: Final = 63
_VERSION: Final = re.compile(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?", re.ASCII)
_STABILITY: Final = {"alpha": 0, "beta": 1, None: 2}


def label_fault(text: str) -> str | None:
    """What is wrong with a name that must be a DNS label: plurals, short names, versions."""
    if _LABEL.fullmatch(text) and len(text) <= _MAX_LABEL_LENGTH:
        return None
    return (
        f"expected 1 to {_MAX_LABEL_LENGTH} of a-z, 0-9 and -, a letter first and no - last, "
        f"got {quoted(text)}"
    )


def kind_fault(text: str) -> str | None:
    """What is wrong with a kind's name; in lower case it must be a DNS label."""
    if label_fault(text.lower()) is None and text.isascii():
        return None
    return f"expected a name in CamelCase such as AgentRun, got {quoted(text)}"


def group_fault(text: str) -> str | None:
    """What is wrong with a group."""
    if "." in text and names.is_long_name(text):
        return None
    return (
        "expected a group of DNS labels in lower case with at least one dot, such as "
        f"example.com, got {quoted(text)}"
    )


def is_older(name: str, other: str) -> bool:
    """Whether a version is certainly older than another: by its number and by its stability.

    v1alpha1 < v1beta1 < v1 < v2. Of v1 and v2alpha1 neither is: a development follows v1, while
    Kubernetes' own order of priority (apimachinery, CompareKubeAwareVersionStrings) has it below.
    Nor of names that are not of Kubernetes' form: nobody knows their age.
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


def _age(version: re.Match[str]) -> tuple[int, int, int]:
    return int(version[1]), _STABILITY[version[2]], int(version[3] or 0)
