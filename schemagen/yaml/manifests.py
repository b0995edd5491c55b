"""Split a manifest into objects as kubectl does: lists flattened, each object with its lines.

What kubectl refuses before calling the API server is refused here (kubectl, pkg/validation;
cli-runtime, FlattenListVisitor).
"""

import dataclasses
from collections.abc import Iterator

from schemagen import yaml
from schemagen.problems import JSON, UserError

_LIST = ("v1", "List")
_TYPES = {list: "list", str: "string", bool: "boolean", int: "number", float: "number"}


class ManifestError(UserError):
    """A manifest is not YAML, or a document is not an object; the message says where and why."""


@dataclasses.dataclass(frozen=True)
class Object:
    """One object of a manifest.

    Attributes:
        value: The object.
        refusal: Why kubectl does not send it; empty if it does.
    """

    value: dict[str, JSON]
    refusal: str
    _document: yaml.Document = dataclasses.field(repr=False)
    _path: str = dataclasses.field(repr=False)

    @property
    def line(self) -> int:
        """Return the line at which it starts, from 1."""
        return self._document.line_of(self._path) if self._path else self._document.line

    def line_of(self, field: str) -> int:
        """Return the line of a field, or of its nearest existing ancestor."""
        if field.startswith("<"):  # <nil> is not a field
            return self.line
        line = self._document.line_of(f"{self._path}.{field}")
        return max(line, self.line)

    @property
    def subject(self) -> str:
        """Return the kind and the name, as far as present."""
        metadata = self.value.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        return " ".join(str(part) for part in (self.value.get("kind"), name) if part)

    @property
    def repeated(self) -> list[tuple[str, int]]:
        """Return duplicate keys, with the lines of the values that count."""
        return self._document.repeated(self._path)


def read(content: bytes, source: str) -> Iterator[Object]:
    """Read the objects of a YAML or JSON text, lists flattened and empty documents dropped.

    Raises:
        ManifestError: naming source and line, at the first document that cannot be parsed.
    """
    try:
        for document in yaml.read(content):
            if not isinstance(document.value, dict):
                raise ManifestError(
                    f"{source}:{document.line}: expected an object with apiVersion and kind, got a "
                    f"{_TYPES[type(document.value)]}"
                )
            yield from _objects(document)
    except yaml.YAMLError as error:
        raise ManifestError(f"{source}:{error.line}: expected YAML: {error.problem}") from error


def _objects(document: yaml.Document) -> Iterator[Object]:
    value = document.value
    refusal = _refusal(value)
    items = value.get("items")
    is_list = isinstance(items, list) or (value.get("apiVersion"), value.get("kind")) == _LIST
    if refusal or not is_list:
        yield Object(value, refusal, document, "")
    elif not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        yield Object(value, "invalid object to validate", document, "")
    else:
        for index, item in enumerate(items):
            yield _item(value, item, document, f"items[{index}]")


def _item(
    list_: dict[str, JSON], item: dict[str, JSON], document: yaml.Document, path: str
) -> Object:
    """Return an item of a list; it inherits missing apiVersion and kind from the list's kind."""
    if not item.get("kind") and not item.get("apiVersion") and list_["kind"] != "List":
        kind = str(list_["kind"]).removesuffix("List")
        item = {**item, "apiVersion": list_["apiVersion"], "kind": kind}
    refusal = _refusal(item)
    if not refusal and isinstance(item.get("items"), list):
        refusal = "*unstructured.Unstructured is not a list: no Items field in this object"
    return Object(item, refusal, document, path)


def _refusal(value: dict[str, JSON]) -> str:
    """Return what is wrong with an object's apiVersion and kind (kubectl, getObjectKind)."""
    problems = [*_version_problems(value.get("apiVersion")), *_kind_problems(value.get("kind"))]
    return f"[{', '.join(problems)}]" if len(problems) > 1 else "".join(problems)


def _version_problems(version: JSON) -> Iterator[str]:
    if version is None:
        yield "apiVersion not set"
    elif not isinstance(version, str):
        yield "apiVersion isn't string type"
    elif version.count("/") > 1:
        yield f"unexpected GroupVersion string: {version}"


def _kind_problems(kind: JSON) -> Iterator[str]:
    if kind is None:
        yield "kind not set"
    elif not isinstance(kind, str):
        yield "kind isn't string type"
