"""The objects of a manifest, as kubectl takes them: lists in parts, each with its lines.

What kubectl refuses before it asks the API server is a refusal here (kubectl, pkg/validation;
cli-runtime, FlattenListVisitor).
"""

import dataclasses
from collections.abc import Iterator

from schemagen import yaml
from schemagen.problems import JSON, UserError

_LIST = ("v1", "List")
_TYPES = {list: "list", str: "string", bool: "boolean", int: "number", float: "number"}


class ManifestError(UserError):
    """A text is no YAML, or a document of it no object: users read where and why."""


@dataclasses.dataclass(frozen=True)
class Object:
    """One object of a manifest.

    Attributes:
        value: The object.
        refusal: Why kubectl does not send it; nothing if it does.
    """

    value: dict[str, JSON]
    refusal: str
    _document: yaml.Document = dataclasses.field(repr=False)
    _path: str = dataclasses.field(repr=False)

    @property
    def line(self) -> int:
        """The line that it starts at, from 1."""
        return self._document.line_of(self._path) if self._path else self._document.line

    def line_of(self, field: str) -> int:
        """The line of a field as the API server names it, or of what is left of it there."""
        if field.startswith("<"):  # <nil> is no field
            return self.line
        found = self._document.line_of(f"{self._path}.{field}")
        return max(found, self.line)

    @property
    def subject(self) -> str:
        """The kind and the name, as far as it has them."""
        metadata = self.value.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        return " ".join(str(one) for one in (self.value.get("kind"), name) if one)

    @property
    def repeated(self) -> list[tuple[str, int]]:
        """Keys that the text repeats, with the lines of what counts."""
        return self._document.repeated(self._path)


def read(content: bytes, source: str) -> Iterator[Object]:
    """The objects of a YAML or JSON text, those of a list one by one; empty documents left out.

    Raises:
        ManifestError: naming source and line, at the first document that cannot be read.
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
    whole: dict[str, JSON], item: dict[str, JSON], document: yaml.Document, path: str
) -> Object:
    """An item of a list; one without apiVersion and kind has those that the list's say."""
    if not item.get("kind") and not item.get("apiVersion") and whole["kind"] != "List":
        kind = str(whole["kind"]).removesuffix("List")
        item = {**item, "apiVersion": whole["apiVersion"], "kind": kind}
    refusal = _refusal(item)
    if not refusal and isinstance(item.get("items"), list):
        refusal = "*unstructured.Unstructured is not a list: no Items field in this object"
    return Object(item, refusal, document, path)


def _refusal(value: dict[str, JSON]) -> str:
    """What is wrong with an object's apiVersion and kind (kubectl, getObjectKind)."""
    found = [*_version_problems(value.get("apiVersion")), *_kind_problems(value.get("kind"))]
    return f"[{', '.join(found)}]" if len(found) > 1 else "".join(found)


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
