"""Kubernetes' named formats, such as ``format.dns1123Label().validate(name)``."""

import dataclasses
import re
from collections.abc import Callable
from typing import TypeAlias

from schemagen import formats
from schemagen.cel.library.kubernetes import urls
from schemagen.cel.library.registry import function
from schemagen.cel.values import NONE, Optional, Typed, Value, no_such_overload

_Validate: TypeAlias = Callable[[str], list[str]]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_OLD_LABEL = "[a-z]([-a-z0-9]*[a-z0-9])?"
_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_LENGTH, _SUBDOMAIN_LENGTH = 63, 253
_KEY_PARTS = 2


def _shape(problem: str, pattern: str, *examples: str) -> str:
    """content.RegexError."""
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{problem} (e.g. {shown}regex used for validation is '{pattern}')"


def _long(text: str, maximum: int) -> list[str]:
    return [f"must be no more than {maximum} bytes"] if len(text.encode()) > maximum else []


def _label(text: str) -> list[str]:
    problems = _long(text, _LABEL_LENGTH)
    if re.fullmatch(_LABEL, text):
        return problems
    if re.fullmatch(_SUBDOMAIN, text):
        return [*problems, "must not contain dots"]
    problem = (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
        "and must start and end with an alphanumeric character"
    )
    return [*problems, _shape(problem, _LABEL, "my-name", "123-abc")]


def _subdomain(text: str) -> list[str]:
    problems = _long(text, _SUBDOMAIN_LENGTH)
    if re.fullmatch(_SUBDOMAIN, text):
        return problems
    problem = (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' "
        "or '.', and must start and end with an alphanumeric character"
    )
    return [*problems, _shape(problem, _SUBDOMAIN, "example.com")]


def _old_label(text: str) -> list[str]:
    problems = _long(text, _LABEL_LENGTH)
    if re.fullmatch(_OLD_LABEL, text):
        return problems
    problem = (
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
        "alphabetic character, and end with an alphanumeric character"
    )
    return [*problems, _shape(problem, _OLD_LABEL, "my-name", "abc-123")]


def _as_prefix(validate: _Validate) -> _Validate:
    """Validate a name prefix, which may end with a dash (maskTrailingDash)."""

    def masked(text: str) -> list[str]:
        is_open = len(text.encode()) > 1 and text.endswith("-")
        return validate(f"{text[:-2]}a" if is_open else text)

    return masked


_KEY_SHAPE = _shape(
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character",
    _KEY,
    "MyName",
    "my.name",
    "123-abc",
)


def _qualified_name(text: str) -> list[str]:
    *prefixes, name = text.split("/")
    if len(prefixes) >= _KEY_PARTS:
        optional = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a valid label key {_KEY_SHAPE}{optional}"]
    problems = [f"prefix part {problem}" for prefix in prefixes for problem in _prefix(prefix)]
    if not name:
        problems.append("name part must be non-empty")
    problems += [f"name part {problem}" for problem in _long(name, _LABEL_LENGTH)]
    if not re.fullmatch(_KEY, name):
        problems.append(f"name part {_KEY_SHAPE}")
    return problems


def _prefix(prefix: str) -> list[str]:
    return _subdomain(prefix) if prefix else ["must be non-empty"]


def _label_value(text: str) -> list[str]:
    problems = _long(text, _LABEL_LENGTH)
    pattern = f"({_KEY})?"
    if re.fullmatch(pattern, text):
        return problems
    problem = (
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
        "'.', and must start and end with an alphanumeric character"
    )
    return [*problems, _shape(problem, pattern, "MyValue", "my_value", "12345")]


def _checked(name: str, problem: str) -> _Validate:
    return lambda text: [] if formats.is_string_format(name, text) else [problem]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class NamedFormat(Typed):
    """A format: its name for comparison, and its validation of a text."""

    name: str
    validate: _Validate

    type_name = "kubernetes.NamedFormat"

    def equals(self, other: Value) -> bool:
        """Return whether they are the same format."""
        if type(other) is not NamedFormat:
            raise no_such_overload()
        return self.name == other.name


_FORMATS: dict[str, _Validate] = {
    "dns1123Label": _label,
    "dns1123Subdomain": _subdomain,
    "dns1035Label": _old_label,
    "qualifiedName": _qualified_name,
    "dns1123LabelPrefix": _as_prefix(_label),
    "dns1123SubdomainPrefix": _as_prefix(_subdomain),
    "dns1035LabelPrefix": _as_prefix(_old_label),
    "labelValue": _label_value,
    "uri": urls.problems,
    "uuid": _checked("uuid", "does not match the UUID format"),
    "byte": _checked("byte", "invalid base64"),
    "date": _checked("date", "invalid date"),
    "datetime": _checked("datetime", "invalid datetime"),
}
_NAMED = {name: NamedFormat(name, validate) for name, validate in _FORMATS.items()}


def _declare(named_format: NamedFormat) -> None:
    function(f"format.{named_format.name}")(lambda: named_format)


for _format in _NAMED.values():
    _declare(_format)


@function("format.named", str)
def named(name: str) -> Optional:
    """Return the format of a name, if it exists."""
    return Optional(_NAMED[name]) if name in _NAMED else NONE


@function("validate", NamedFormat, str)
def validate(named_format: NamedFormat, text: str) -> Optional:
    """Return the problems of a text, or none."""
    problems = named_format.validate(text)
    return Optional(list(problems)) if problems else NONE
