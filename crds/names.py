"""Names that are made of others, and what is too long for a name. Pure."""

import base64
import hashlib
from typing import Final

# k8s.io/apimachinery/pkg/util/validation LabelValueMaxLength; of a volume's name as well.
MAX_LABEL: Final = 63


def short(data: bytes) -> str:
    """100 bits of SHA-256: 20 characters that any name may have."""
    return base64.b32encode(hashlib.sha256(data).digest()).decode().lower()[:20]


def label(value: str) -> str:
    """A value for a label: as it is, or its beginning with a hash where it is too long."""
    if len(value) <= MAX_LABEL:
        return value
    return f"{value[: MAX_LABEL - 21].rstrip('-.')}-{short(value.encode())}"
