"""Read a file of conversions, with a message and a line for each mistake. Pure."""

import dataclasses
import difflib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_args

import pydantic

from schemagen.problems import JSON, FieldPath, UserError, kind_of, quoted
from schemagen.versions.declared import file_format
from schemagen.versions.declared.file_format import ConversionFile, Strict
from schemagen.yaml import manifests


class DeclaredError(UserError):
    """A file of conversions is wrong; the message has a line for each mistake."""


@dataclasses.dataclass(frozen=True)
class Declared:
    """A file's conversions of a CRD.

    Attributes:
        content: What it says.
        source: Its name.
        line_of: From a field, such as ``spec.conversions[0].steps[2]``, to its line.
    """

    content: ConversionFile
    source: str
    line_of: Callable[[str], int] = dataclasses.field(repr=False)

    @property
    def name(self) -> str:
        """Return the name of the CRD."""
        return self.content.metadata.name

    def place(self, path: str) -> str:
        """Return ``FILE:LINE`` of a field."""
        return f"{self.source}:{self.line_of(path)}"


def is_ours(value: dict[str, JSON]) -> bool:
    """Return whether a document claims to be a file of conversions."""
    group = str(value.get("apiVersion")).partition("/")[0]
    return group == file_format.API_VERSION.partition("/")[0]


def declared(item: manifests.Object, source: str) -> Declared:
    """Return what a document says.

    Raises:
        DeclaredError: naming each mistake.
    """
    repeated = [f"{source}:{line}: key {key!r} is repeated" for key, line in item.repeated]
    try:
        content = ConversionFile.model_validate(item.value)
    except pydantic.ValidationError as error:
        lines = [f"{source}:{item.line_of(path)}: {path}: {text}"
                 for path, text in _problems(error)]  # fmt: skip
        raise DeclaredError("\n".join(dict.fromkeys((*repeated, *lines)))) from error
    if repeated:
        raise DeclaredError("\n".join(repeated))
    return Declared(content, source, item.line_of)


def _problems(error: pydantic.ValidationError) -> Iterator[tuple[str, str]]:
    """Yield the path and what is wrong there, of each mistake."""
    for fault in error.errors(include_url=False):
        parts = [*fault["loc"]]
        kind, given = fault["type"], fault["input"]
        if kind == "missing":
            yield _path(parts[:-1]), f"expected {parts[-1]}, got nothing"
        elif kind == "extra_forbidden":
            yield _path(parts), _unknown(str(parts[-1]), _model_at(parts[:-1]))
        elif kind == "value_error":
            yield _path(parts), fault["msg"].removeprefix("Value error, ")
        else:
            yield _path(parts), f"expected {_expected(kind, fault)}, got {_got(given)}"


def _path(parts: Sequence[str | int]) -> str:
    path = FieldPath()
    for part in parts:
        path = path.key(part) if isinstance(part, int) else path.member(part)
    return str(path) or "the file"


def _unknown(name: str, model: type[Strict] | None) -> str:
    known = [*file_format.names_of(model)] if model is not None else []
    alike = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {alike[0]}?" if alike else ""
    return f"expected one of {', '.join(known)}, got {name}{hint}"


def _model_at(parts: Sequence[str | int]) -> type[Strict] | None:
    """Return the model of the object at a path."""
    model: Any = ConversionFile
    for part in parts:
        if isinstance(model, type) and issubclass(model, Strict) and isinstance(part, str):
            name = file_format.names_of(model).get(part)
            model = model.model_fields[name].annotation if name is not None else None
        else:
            model = get_args(model)[-1] if get_args(model) else None
        model = _without_none(model)
    return model if isinstance(model, type) and issubclass(model, Strict) else None


def _without_none(annotation: Any) -> Any:
    others = [argument for argument in get_args(annotation) if argument is not type(None)]
    is_optional = len(others) == 1 and len(get_args(annotation)) > 1
    return others[0] if is_optional else annotation


_TYPES = {
    "string_type": "a string",
    "bool_type": "a boolean",
    "int_type": "an integer",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "none_required": "no arguments",
    "string_too_short": "a string that is not empty",
    "too_short": "more items",
}


def _expected(kind: str, error: Any) -> str:
    if kind == "literal_error":
        return str(error["ctx"]["expected"]).replace("'", "")
    return _TYPES.get(kind) or str(error["msg"]).lower()


def _got(value: JSON) -> str:
    if isinstance(value, dict | list):
        return f"an {kind_of(value)}"
    return "nothing" if value is None else quoted(value)
