"""Renders ``{{ a.b.c }}``. Pure.

In a single pass: values are not rendered again, so an input cannot inject a template.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from controllers.runner.errors import JSON, SpecError

# More than a ConfigMap or an environment can hold.
MAX_BYTES: Final = 4 * 1024 * 1024

# Without braces inside, matching takes linear time (no backtracking between parts).
_TEMPLATE = re.compile(r"\{\{([^{}]*)\}\}")


class Verbatim(str):
    """A value with a meaning for the reader of the result: it is not escaped."""

    __slots__ = ()


class TooLargeError(SpecError):
    """The rendered template exceeds the limit; the message has the limit."""


def render(
    template: str,
    names: Mapping[str, JSON],
    max_bytes: int = MAX_BYTES,
    *,
    escape: Callable[[str], str] = str,
) -> str:
    """Return the template with each name replaced by its value.

    A missing name and null become the empty text; text is inserted as is; other values as JSON.
    ``a.0`` is the first item of the list ``a``.

    Args:
        template: The text.
        names: The values.
        max_bytes: Maximum size of the result.
        escape: Escapes a value for the reader of the result.

    Raises:
        TooLargeError: The result would exceed the limit; raised before it is built.
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
        raise TooLargeError(f"expected a rendered template of at most {max_bytes} bytes, got more")
    return _TEMPLATE.sub(lambda match: texts[match[1]], template)


def size(text: str) -> int:
    """Return the number of UTF-8 bytes, without encoding ASCII."""
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
        # More digits than any index, and than Python converts.
        return value[int(name)] if len(name) < 10 and int(name) < len(value) else None  # noqa: PLR2004
    return None


def _text(value: JSON) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
