"""Fills in ``{{ a.b.c }}``. Pure.

One pass: what a name stands for is never looked at again, so an input cannot smuggle in a template.
"""

import re
from collections.abc import Mapping

import msgspec

from controllers.runner.errors import JSON

# Without braces inside, no two parts of the pattern can match the same text: it takes linear time.
_TEMPLATE = re.compile(r"\{\{([^{}]*)\}\}")


def render(template: str, names: Mapping[str, JSON]) -> str:
    """Return the template with each name replaced by its value.

    A missing name and null become the empty text; text stays as it is; all else becomes JSON.
    ``a.0`` is the first item of the list ``a``.
    """
    return _TEMPLATE.sub(lambda match: _text(_value(match[1], names)), template)


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
