"""Names of hosts and of Kubernetes objects."""

import functools
import re

from schemagen.formats import letters

_LABEL_BYTES = 63
_HOSTNAME_BYTES = 255
_SHORT_NAME_LENGTH = 63
_LONG_NAME_LENGTH = 253

_SHORT_NAME = re.compile("[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_LONG_NAME = re.compile(rf"{_SHORT_NAME.pattern}(?:\.{_SHORT_NAME.pattern})*")


def is_hostname(text: str) -> bool:
    """Whether the text is a host name by strfmt's pattern.

    The pattern accepts letters of any script and symbols (``☃.net``). A name without a dot may end
    in a dash, and a name with one must end in at least two letters: ``10.0.0.1`` is invalid.
    """
    if len(text.encode()) > _HOSTNAME_BYTES:
        return False
    if any(len(label.encode()) > _LABEL_BYTES for label in text.split(".")):
        return False
    return _hostname().fullmatch(text) is not None


def is_short_name(text: str) -> bool:
    """Whether the text is a lowercase DNS label (RFC 1123)."""
    return len(text) <= _SHORT_NAME_LENGTH and _SHORT_NAME.fullmatch(text) is not None


def is_long_name(text: str) -> bool:
    """Whether the text is a lowercase DNS subdomain; each label may use the full length."""
    return len(text) <= _LONG_NAME_LENGTH and _LONG_NAME.fullmatch(text) is not None


@functools.cache
def _hostname() -> re.Pattern[str]:
    """Return the compiled pattern, cached; lengths are omitted, as no label exceeds 63 bytes."""
    letter = letters.character_class(letters.LETTERS)
    part = f"0-9{letter}{letters.character_class(letters.SYMBOLS)}"
    return re.compile(
        rf"[{part}]-?[{part}]*|(?:[{part}](?:[-{part}]*[{part}])?\.)+[{letter}]{{2,}}"
    )
