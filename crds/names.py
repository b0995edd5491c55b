"""Derived names and label values of bounded length. Pure."""

import base64
import hashlib
from typing import Final

# k8s.io/apimachinery/pkg/util/validation LabelValueMaxLength; volume names have the same limit.
MAX_LABEL: Final = 63


def short(data: bytes) -> str:
    """Return 100 bits of SHA-256 as 20 characters that are valid in any name."""
    return base64.b32encode(hashlib.sha256(data).digest()).decode().lower()[:20]


def label(value: str) -> str:
    """Return a valid label value: unchanged, or truncated with a hash if too long."""
    if len(value) <= MAX_LABEL:
        return value
    return f"{value[: MAX_LABEL - 21].rstrip('-.')}-{short(value.encode())}"
