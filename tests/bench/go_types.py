"""CRDs -> Go types with kubebuilder's markers: the same API, as a Go project would write it.

Pure. A type stands once in a package, however often it is used. What no marker of controller-tools
v0.23 can say (a float, oneOf, allOf) is an error that names the field; nothing is left out.
"""

import dataclasses
import itertools
import json
import re
from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any

from schemagen.model import wire
from schemagen.problems import JSON

Schema = dict[str, Any]
Path = tuple[str, ...]

_IMPORTS = {
    "apiextensionsv1": "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1",
    "metav1": "k8s.io/apimachinery/pkg/apis/meta/v1",
    "resource": "k8s.io/apimachinery/pkg/api/resource",
    "runtime": "k8s.io/apimachinery/pkg/runtime",
    "intstr": "k8s.io/apimachinery/pkg/util/intstr",
}

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING = "x-kubernetes-int-or-string"

# By type and format; of another format only the type counts, and the format becomes a marker.
_SCALARS: dict[tuple[JSON, JSON], str] = {
    ("string", "date-time"): "metav1.Time",
    ("string", None): "string",
    ("integer", "int32"): "int32",
    ("integer", "int64"): "int64",
    ("integer", None): "int",
    ("boolean", None): "bool",
}

# What Go itself says, as types, tags and comments.
_SAID_IN_GO = frozenset(
    {"description", "type", "properties", "required", "items", "additionalProperties"}
)

# What a struct says of itself wherever it is used; the rest belongs to the field.
_ON_STRUCTS = frozenset(
    {"minProperties", "maxProperties", "x-kubernetes-map-type", _PRESERVE}
    | {"x-kubernetes-validations"}
)


def packages(crds: Sequence[JSON]) -> dict[str, str]:
    """The Go source of each version's package, by the version's name, which is the package's too.

    Args:
        crds: CustomResourceDefinitions of one group.

    Raises:
        ValueError: naming the field, and what no marker says.
    """
    kinds = frozenset(crd["spec"]["names"]["kind"] for crd in crds)
    built: dict[str, _Package] = {}
    for crd in crds:
        for version in crd["spec"]["versions"]:
            package = built.setdefault(version["name"], _Package(crd["spec"]["group"], kinds))
            package.add_kind(crd, version)
    return {name: package.source(name) for name, package in built.items()}


@dataclasses.dataclass
class _Declaration:
    """A type; one without a comment takes that of the first use that needs one."""

    name: str
    doc: str | None
    markers: tuple[str, ...]
    definition: str

    def is_what(self, doc: str | None, markers: tuple[str, ...], definition: str) -> bool:
        """Whether this type can stand where another one was about to be declared."""
        is_same = (markers, definition) == (self.markers, self.definition)
        return is_same and (doc is None or self.doc is None or doc == self.doc)

    def text(self) -> str:
        comment = _comment(self.doc, self.markers)
        return f"{comment}type {self.name} {self.definition}\n"


class _Package:
    """The types of one version, while they are collected."""

    def __init__(self, group: str, kinds: frozenset[str]) -> None:
        self._group, self._kinds = group, kinds
        self._declarations: dict[str, _Declaration] = {}

    def source(self, name: str) -> str:
        """The package's only file."""
        types = "\n".join(declaration.text() for declaration in self._declarations.values())
        used = [f'\t{alias} "{path}"' for alias, path in _IMPORTS.items() if f"{alias}." in types]
        head = [f"// +groupName={self._group}", "", f"package {name}", ""]
        return "\n".join([*head, "import (", *used, ")", "", types])

    def add_kind(self, crd: JSON, version: JSON) -> None:
        """Declare a kind, and all that is in it."""
        schema = version["schema"]["openAPIV3Schema"]
        kind = crd["spec"]["names"]["kind"]
        embedded = (
            '\tmetav1.TypeMeta `json:",inline"`\n\tmetav1.ObjectMeta `json:"metadata,omitempty"`\n'
        )
        definition = self._struct(schema, (kind,), embedded)
        markers = [*_kind_markers(crd, version), *_markers(schema, (kind,), _SAID_IN_GO)]
        self._declarations[kind] = _Declaration(
            kind, schema.get("description", ""), tuple(markers), definition
        )

    def _struct(self, node: Schema, path: Path, head: str = "") -> str:
        given = ("apiVersion", "kind", "metadata") if head else ()
        required = node.get("required", ())
        fields = [
            self._field(name, child, (*path, _pascal(name)), is_required=name in required)
            for name, child in node.get("properties", {}).items()
            if name not in given
        ]
        return f"struct {{\n{head}{''.join(fields)}}}"

    def _field(self, name: str, node: Schema, path: Path, *, is_required: bool) -> str:
        # A field's comment goes before its type's, which may then be any.
        go_type = self._type(node, path, doc=None if node.get("description") else "")
        is_pointer = not is_required and not go_type.startswith(("[", "map["))
        comment = _comment(node.get("description"), _markers_beside(node, path), indent="\t")
        tag = name if is_required else f"{name},omitempty"
        return f'{comment}\t{path[-1]} {"*" if is_pointer else ""}{go_type} `json:"{tag}"`\n'

    def _element(self, node: Schema, path: Path) -> str:
        """The type of an item or value: markers need a name there to stand at."""
        doc = node.get("description", "")
        go_type = self._type(node, path, doc=doc)
        markers = _markers_beside(node, path)
        if markers or (doc and not _is_struct(node)):
            return self._declared(path, doc, tuple(markers), go_type)
        return go_type

    def _type(self, node: Schema, path: Path, *, doc: str | None) -> str:
        if node.get(_INT_OR_STRING):
            return "resource.Quantity" if _is_quantity(node) else "intstr.IntOrString"
        if _is_free_form(node):
            return "runtime.RawExtension" if "type" in node else "apiextensionsv1.JSON"
        if _is_struct(node):
            markers = _markers(node, path, node.keys() - _ON_STRUCTS)
            return self._declared(path, doc, tuple(markers), self._struct(node, path))
        if "items" in node:
            return "[]" + self._element(node["items"], (*path[:-1], _singular(path[-1])))
        if "additionalProperties" in node:
            value = node["additionalProperties"]
            return "map[string]" + self._element(value, (*path[:-1], f"{path[-1]}Value"))
        return _scalar(node, path)

    def _declared(
        self, path: Path, doc: str | None, markers: tuple[str, ...], definition: str
    ) -> str:
        """The name of a type: the one there is, or a new one."""
        for there in self._declarations.values():
            if there.is_what(doc, markers, definition):
                there.doc = doc if there.doc is None else there.doc
                return there.name
        taken = self._kinds | self._declarations.keys()
        name = next(name for name in _names(path) if name not in taken)
        self._declarations[name] = _Declaration(name, doc, markers, definition)
        return name


def _names(path: Path) -> Iterator[str]:
    """Names for a type, the best ones first: its field's, with more of the path, with a number."""
    # The spec of a kind is no Spec, but an AgentRunSpec.
    shortest = 2 if len(path) == 2 else 1
    yield from ("".join(path[-count:]) for count in range(shortest, len(path) + 1))
    yield from (f"{''.join(path)}{number}" for number in itertools.count(2))


def _pascal(name: str) -> str:
    """``specRef`` -> ``SpecRef``: Go exports what starts with a capital."""
    return "".join(word[0].upper() + word[1:] for word in re.findall("[A-Za-z0-9]+", name))


def _singular(name: str) -> str:
    return name.removesuffix("s") or name


def _is_struct(node: Schema) -> bool:
    is_map = "additionalProperties" in node or _is_free_form(node)
    return node.get("type") == "object" and not is_map


def _is_free_form(node: Schema) -> bool:
    has_fields = "properties" in node or "additionalProperties" in node
    return _PRESERVE in node and not has_fields and node.get("type", "object") == "object"


def _is_quantity(node: Schema) -> bool:
    return _INT_OR_STRING in node and node.get("pattern") == wire.QUANTITY


def _scalar(node: Schema, path: Path) -> str:
    kind = node.get("type")
    go_type = _SCALARS.get((kind, node.get("format"))) or _SCALARS.get((kind, None))
    if go_type is None:
        raise ValueError(
            f"expected a type that controller-gen takes, got {kind} at {'.'.join(path)}; "
            "leave the kind out"
        )
    return go_type


def _markers_beside(node: Schema, path: Path) -> list[str]:
    """The markers of a field, or of a name for an item: what its Go type does not say yet."""
    said = set(_SAID_IN_GO)
    first = []
    if _is_struct(node):
        said |= _ON_STRUCTS
    if _is_free_form(node) and "type" in node:
        # controller-gen learns what a struct of another package is after it has read the markers.
        first = ["kubebuilder:validation:Type=object"]
    if (node.get("type"), node.get("format")) in _SCALARS:
        said.add("format")
    if node.get(_INT_OR_STRING):
        said |= {"anyOf"} | ({_INT_OR_STRING, "pattern"} if _is_quantity(node) else set())
    return [*first, *_markers(node, path, said)]


def _markers(node: Schema, path: Path, said: Container[str]) -> list[str]:
    """The markers that say what is not ``said``, in the schema's order.

    Raises:
        ValueError: naming the first keyword that has none.
    """
    markers = []
    for keyword, value in node.items():
        if keyword in said:
            continue
        if keyword not in _WRITERS:
            raise ValueError(
                f"expected a keyword that a marker writes, got {keyword} at {'.'.join(path)}; "
                "leave the kind out, or name the marker in _WRITERS"
            )
        markers += _WRITERS[keyword](value)
    return markers


def _quoted(value: JSON) -> str:
    """A scalar as a marker takes it: JSON's strings are Go's."""
    return json.dumps(value, ensure_ascii=False)


def _list(values: Sequence[JSON]) -> str:
    return f"{{{','.join(map(_quoted, values))}}}"


# Where a marker's argument has another name than the field of the CRD.
_ARGUMENTS = {
    "jsonPath": "JSONPath",
    "deprecationWarning": "warning",
    "specReplicasPath": "specpath",
    "statusReplicasPath": "statuspath",
    "labelSelectorPath": "selectorpath",
}


def _arguments(values: dict[str, JSON]) -> str:
    return ",".join(
        f"{_ARGUMENTS.get(name, name)}={_quoted(value)}" for name, value in values.items()
    )


def _validation(name: str) -> Callable[[JSON], list[str]]:
    return lambda value: [f"kubebuilder:validation:{name}={_quoted(value)}"]


_WRITERS: dict[str, Callable[[JSON], list[str]]] = {
    **{
        f"{name[0].lower()}{name[1:]}": _validation(name)
        for name in (
            *("Minimum", "Maximum", "ExclusiveMinimum", "ExclusiveMaximum", "MultipleOf"),
            *("MinLength", "MaxLength", "Pattern", "Format"),
            *("MinItems", "MaxItems", "MinProperties", "MaxProperties"),
        )
    },
    "enum": lambda value: [f"kubebuilder:validation:Enum={_list(value)}"],
    "default": lambda value: [f"default={_quoted(value)}"],
    "title": lambda value: [f"kubebuilder:title={_quoted(value)}"],
    "nullable": lambda _: ["nullable"],
    "x-kubernetes-list-type": lambda value: [f"listType={value}"],
    "x-kubernetes-list-map-keys": lambda value: [f"listMapKey={key}" for key in value],
    "x-kubernetes-map-type": lambda value: [f"mapType={value}"],
    "x-kubernetes-embedded-resource": lambda _: ["kubebuilder:validation:EmbeddedResource"],
    "x-kubernetes-validations": lambda value: [
        f"kubebuilder:validation:XValidation:{_arguments(rule)}" for rule in value
    ],
    _INT_OR_STRING: lambda _: ["kubebuilder:validation:XIntOrString"],
    _PRESERVE: lambda _: ["kubebuilder:pruning:PreserveUnknownFields"],
}


def _kind_markers(crd: JSON, version: JSON) -> list[str]:
    """What a CRD says outside its schema."""
    names = crd["spec"]["names"]
    resource = [
        f"path={names['plural']},singular={names['singular']},scope={crd['spec']['scope']}",
        *(
            f"{argument}={_list(names[key])}"
            for key, argument in (("shortNames", "shortName"), ("categories", "categories"))
            if key in names
        ),
    ]
    metadata = [
        f"kubebuilder:metadata:{name}={_list([f'{key}={value}' for key, value in values.items()])}"
        for name in ("annotations", "labels")
        if (values := crd["metadata"].get(name))
    ]
    return [f"kubebuilder:resource:{','.join(resource)}", *metadata, *_version_markers(version)]


def _version_markers(version: JSON) -> list[str]:
    subresources = version.get("subresources", {})
    warning = {name: version[name] for name in ("deprecationWarning",) if name in version}
    said: dict[str, list[dict[str, JSON]]] = {
        "storageversion": [{}] if version["storage"] else [],
        "unservedversion": [] if version["served"] else [{}],
        "deprecatedversion": [warning] if version.get("deprecated") else [],
        "subresource:status": [{}] if "status" in subresources else [],
        "subresource:scale": [subresources["scale"]] if "scale" in subresources else [],
        "printcolumn": version.get("additionalPrinterColumns", []),
        "selectablefield": version.get("selectableFields", []),
    }
    return [
        f"kubebuilder:{name}{f':{_arguments(values)}' if values else ''}"
        for name, every in said.items()
        for values in every
    ]


def _comment(doc: str | None, markers: Sequence[str], indent: str = "") -> str:
    """Text for people, then markers."""
    lines = [*(doc.splitlines() if doc else ()), *(f"+{marker}" for marker in markers)]
    return "".join(f"{indent}// {line}\n" for line in lines)
