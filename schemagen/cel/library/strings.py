"""String functions: CEL's own and version 2 of the strings extension (cel-go 0.29)."""

import string

from schemagen import go_format
from schemagen.cel.library.registry import ANY, LIST, function
from schemagen.cel.values import EvaluationError, Value, no_such_overload, shown

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_UPPER = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)


@function("contains", str, str)
def contains(text: str, part: str) -> bool:
    """Return whether the text contains the part."""
    return part in text


@function("startsWith", str, str)
def starts_with(text: str, part: str) -> bool:
    """Return whether the text begins with the part."""
    return text.startswith(part)


@function("endsWith", str, str)
def ends_with(text: str, part: str) -> bool:
    """Return whether the text ends with the part."""
    return text.endswith(part)


@function("contains", ANY, ANY)
@function("startsWith", ANY, ANY)
@function("endsWith", ANY, ANY)
def no_strings(text: Value, part: Value) -> bool:
    """Refuse other types; cel-go has no guards for these three, so its message names nothing."""
    del text, part
    raise no_such_overload()


def _out_of_range(index: int) -> EvaluationError:
    return EvaluationError(f"index out of range: {index}")


@function("charAt", str, int)
def char_at(text: str, index: int) -> str:
    """Return the character at an index; empty at the end of the text."""
    if not 0 <= index <= len(text):
        raise _out_of_range(index)
    return text[index : index + 1]


@function("indexOf", str, str)
def index_of(text: str, part: str) -> int:
    """Return the first index of the part; -1 if absent."""
    return index_of_from(text, part, 0)


@function("indexOf", str, str, int)
def index_of_from(text: str, part: str, start: int) -> int:
    """Return the first index of the part from a position on."""
    if start < 0:
        raise _out_of_range(start)
    if not part:
        return min(start, len(text))
    return text.find(part, start)


@function("lastIndexOf", str, str)
def last_index_of(text: str, part: str) -> int:
    """Return the last index of the part; -1 if absent."""
    if not part:
        return len(text)
    if len(text.encode()) < len(part.encode()):
        return -1
    return last_index_of_to(text, part, len(text) - 1)


@function("lastIndexOf", str, str, int)
def last_index_of_to(text: str, part: str, end: int) -> int:
    """Return the last index of the part up to a position."""
    if end < 0:
        raise _out_of_range(end)
    if not part:
        return min(end, len(text))
    return -1 if end >= len(text) else text.rfind(part, 0, end + len(part))


@function("lowerAscii", str)
def lower_ascii(text: str) -> str:
    """Convert ASCII letters to lower case."""
    return text.translate(_LOWER)


@function("upperAscii", str)
def upper_ascii(text: str) -> str:
    """Convert ASCII letters to upper case."""
    return text.translate(_UPPER)


@function("replace", str, str, str)
def replace(text: str, old: str, new: str) -> str:
    """Replace all occurrences."""
    return text.replace(old, new)


@function("replace", str, str, str, int)
def replace_some(text: str, old: str, new: str, count: int) -> str:
    """Replace a number of occurrences; a negative count means all."""
    return text.replace(old, new, max(count, -1))


@function("split", str, str)
def split(text: str, separator: str) -> list[Value]:
    """strings.Split: without a separator, the characters."""
    return [*text.split(separator)] if separator else [*text]


@function("split", str, str, int)
def split_some(text: str, separator: str, count: int) -> list[Value]:
    """strings.SplitN: the last part is the rest."""
    if count <= 0:
        return split(text, separator) if count < 0 else []
    if separator:
        return [*text.split(separator, count - 1)]
    rest = text[count - 1 :]
    return [*text[: count - 1], *([rest] if rest else [])]


@function("substring", str, int)
def substring(text: str, start: int) -> str:
    """Return the text from a position on."""
    if not 0 <= start <= len(text):
        raise _out_of_range(start)
    return text[start:]


@function("substring", str, int, int)
def substring_to(text: str, start: int, end: int) -> str:
    """Return the text between two positions."""
    if start > end:
        raise EvaluationError(f"invalid substring range. start: {start}, end: {end}")
    for place in (start, end):
        if not 0 <= place <= len(text):
            raise _out_of_range(place)
    return text[start:end]


@function("trim", str)
def trim(text: str) -> str:
    """Remove white space at both ends."""
    return go_format.trimmed(text)


@function("join", LIST)
def join(items: Value) -> str:
    """Concatenate."""
    return _joined(items, "", (items,))


@function("join", LIST, str)
def join_with(items: Value, separator: str) -> str:
    """Concatenate with a separator."""
    return _joined(items, separator, (items, separator))


def _joined(items: Value, separator: str, arguments: tuple[Value, ...]) -> str:
    parts: list[str] = []
    for item in items:
        if type(item) is not str and not parts:
            raise no_such_overload("join", arguments)  # a guard checks the first item
        if type(item) is not str:
            raise EvaluationError(f"join: invalid input: {shown(item)}")
        parts.append(item)
    return separator.join(parts)


_QUOTED = str.maketrans(go_format.ESCAPES)


@function("strings.quote", str)
def quote(text: str) -> str:
    """Quote in CEL syntax."""
    return f'"{text.translate(_QUOTED)}"'
