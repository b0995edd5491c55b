"""Fills in ``{{ a.b.c }}``. Pure.

One pass: what a name stands for is never looked at again, so an input cannot smuggle in a template.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from controllers.runner.errors import JSON, SpecError

# More than a ConfigMap or an environment holds.
MAX_BYTES: Final = 4 * 1024 * 1024

# Without braces inside, no two parts of the pattern can match the same text: it takes linear time.
_TEMPLATE = re.compile(r"\{\{([^{}]*)\}\}")


class Verbatim(str):
    """A value that means something where the outcome is read: it is not escaped."""

    __slots__ = ()


class TooLargeError(SpecError):
    """A template would become too large; says how large it may be."""


def render(
    template: str,
    names: Mapping[str, JSON],
    max_bytes: int = MAX_BYTES,
    *,
    escape: Callable[[str], str] = str,
) -> str:
    """Return the template with each name replaced by its value.

    A missing name and null become the empty text; text stays as it is; all else becomes JSON.
    ``a.0`` is the first item of the list ``a``.

    Args:
        template: The text.
        names: What it may name.
        max_bytes: How large the outcome may be.
        escape: Has a value mean itself where the outcome is read.

    Raises:
        TooLargeError: The outcome would have more bytes than allowed; known before it is built.
    """
    texts: dict[str, str] = {}
    room = max_bytes - size(template)
    for match in _TEMPLATE.finditer(template):
        path = match[1]
        if path not in texts:
            value = _value(path, names)
            texts[path] = value if isinstance(value, Verbatim) else escape(_text(value))
        room += size(match[0]) - size(texts[path])
        if room < 0:
            break
    if room < 0:
        raise TooLargeError(f"expected a template to become at most {max_bytes} bytes, got more")
    return _TEMPLATE.sub(lambda match: texts[match[1]], template)


def size(text: str) -> int:
    """Bytes of UTF-8, without making them where that is known."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _value(path: str, names: Mapping[str, JSON]) -> JSON:
    value: JSON = names
    for name in path.split("."):
        value = _member(value, name.strip())
    return value


def _member(value: JSON, name: str) -> JSON:
    if isinstance(value, Mapping):
        return value.get(name)
    if isinstance(value, list) and name.isascii() and name.isdecimal():
        # More digits than any list is long, and more than Python converts.
        return value[int(name)] if len(name) < 10 and int(name) < len(value) else None  # noqa: PLR2004
    return None


def _text(value: JSON) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
