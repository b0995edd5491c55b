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


def version_order(name: str) -> tuple[int, int, int] | None:
    """Where a version stands from old to new: v1alpha1 < v1beta1 < v1 < v2alpha1.

    None for a name that is not of Kubernetes' form: nobody knows its age.
    """
    found = _VERSION.fullmatch(name)
    if found is None:
        return None
    return int(found[1]), _STABILITY[found[2]], int(found[3] or 0)
