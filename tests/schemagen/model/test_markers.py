"""Each row of docs/markers.md holds: its left column yields its CRD column.

One table for one page, hence a long file.
"""

import dataclasses
import enum
import json
import pathlib
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from pydantic import Field

import schemagen
from schemagen import (
    Api,
    Atomic,
    Cel,
    Column,
    Condition,
    EmbeddedResource,
    ExternalConversion,
    ExternalDocs,
    Format,
    Granular,
    Immutable,
    JSONObject,
    Keywords,
    Kind,
    ListMap,
    ListSet,
    LocalRef,
    MaxBytes,
    MaxDescription,
    Model,
    Nullable,
    PreserveUnknown,
    Resource,
    Scale,
    Secret,
    Spec,
    Status,
    Type,
    Version,
    at_least_one_of,
    at_most_one_of,
    exactly_one_of,
    files,
    judge,
    wire,
)
from schemagen.crd import apply_size, definitions
from schemagen.problems import JSON
from schemagen.schema import structural

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "markers.md"


class Made(NamedTuple):
    """A CRD, if one was generated, and the part of it (or the message) for a row."""

    crd: JSON
    part: JSON


Case = tuple[Callable[[], Made], JSON]
"""How a row is written here, and the resulting part."""


class ThingSpec(Spec):
    replicas: wire.Int32 = Field(default=1, description="How many. One, unless said.")
    color: Annotated[str, MaxDescription(20)] = Field(
        default="Red", description="Its colour, as CSS. Red, unless said."
    )


class ThingStatus(Status):
    replicas: wire.Int32 | None = None
    selector: str | None = None


class Small(Resource):
    spec: JSONObject


class Thing(Resource):
    spec: ThingSpec
    status: ThingStatus | None = None


def made(kind: Kind, *, webhook: JSON = None) -> JSON:
    return definitions.crd(Api("example.com", (kind,)), kind, webhook=webhook)


def of_kind(part: Callable[[JSON], JSON], *versions: Version, **said: Any) -> Callable[[], Made]:
    """Return the CRD part of a kind, without the conversion webhook where it has one."""

    def make() -> Made:
        kind = Kind("Thing", "things", versions or (Version("v1", Small, storage=True),), **said)
        webhook = {"url": "https://localhost/convert"} if len(versions) > 1 else None
        found = made(kind, webhook=webhook)
        return Made(found, part(found))

    return make


def of_version(**said: Any) -> Callable[[], Made]:
    """Return the CRD part of a version without its schema."""
    version = Version(**{"name": "v1", "model": Thing, "storage": True, **said})
    return of_kind(lambda found: without_schema(found["spec"]["versions"][0]), version)


def of_older(**said: Any) -> Callable[[], Made]:
    """Return the CRD part of the older of two versions without its schema."""
    older = Version(name="v1alpha1", model=Small, conversion=ANY_CONVERSION, **said)
    return of_kind(
        lambda found: without_schema(found["spec"]["versions"][0]),
        older,
        Version("v1", Small, storage=True),
    )


def without_schema(version: JSON) -> JSON:
    return {name: value for name, value in version.items() if name != "schema"}


def of_model(model: type[Model]) -> Callable[[], Made]:
    """Return the schema of a model, as the spec of a kind."""

    def make() -> Made:
        root = type("Thing", (Resource,), {"__annotations__": {"spec": model}})
        found = made(Kind("Thing", "things", (Version("v1", root, storage=True),)))
        return Made(found, schema_of(found)["properties"]["spec"])

    return make


def of_field(annotation: Any, default: Any = ...) -> Callable[[], Made]:
    """Return the schema of a field of the spec."""

    def make() -> Made:
        members = {"__annotations__": {"field": annotation}, "field": Field(default)}
        found, spec = of_model(type("ThingSpec", (Spec,), members))()
        return Made(found, spec["properties"]["field"])

    return make


def of_error(make: Callable[[], Made]) -> Callable[[], Made]:
    """Return the error message, where there is no CRD."""

    def failing() -> Made:
        with pytest.raises(structural.SchemaError) as error:
            make()
        return Made(None, str(error.value))

    return failing


def schema_of(found: JSON) -> JSON:
    return found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


# Never called: a CRD only says that there is one.
ANY_CONVERSION = schemagen.Conversion(schemagen.records.record())

VALIDATIONS = "x-kubernetes-validations"
UNKNOWN = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING = {
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "x-kubernetes-int-or-string": True,
}

V1 = {"name": "v1", "served": True, "storage": True}
SMALL_SCHEMA = {
    "type": "object",
    "properties": {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        "spec": {"type": "object", UNKNOWN: True},
    },
    "required": ["spec"],
}
# The whole CRD of the smallest kind, for features that leave no trace in it.
SMALL = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.example.com"},
    "spec": {
        "group": "example.com",
        "names": {
            "plural": "things",
            "singular": "thing",
            "kind": "Thing",
            "listKind": "ThingList",
        },
        "scope": "Namespaced",
        "versions": [{**V1, "schema": {"openAPIV3Schema": SMALL_SCHEMA}}],
    },
}
NO_TRACE: Case = (of_kind(lambda found: found), SMALL)

KINDS: dict[str, Case] = {
    "+groupName": (
        of_kind(lambda found: {"group": found["spec"]["group"], **found["metadata"]}),
        {"group": "example.com", "name": "things.example.com"},
    ),
    "+versionName": (
        of_version(model=Small, name="v2"),
        {**V1, "name": "v2"},
    ),
    "+kubebuilder:skip": NO_TRACE,
    "+kubebuilder:skipversion": NO_TRACE,
    "+kubebuilder:resource": (
        of_kind(
            lambda found: {name: found["spec"][name] for name in ("names", "scope")},
            singular="thingy",
            short_names=("th",),
            categories=("all",),
            scope="Cluster",
        ),
        {
            "names": {
                "plural": "things",
                "singular": "thingy",
                "kind": "Thing",
                "listKind": "ThingList",
                "shortNames": ["th"],
                "categories": ["all"],
            },
            "scope": "Cluster",
        },
    ),
    "+kubebuilder:metadata": (
        of_kind(lambda found: found["metadata"], labels={"a": "b"}, annotations={"c": "d"}),
        {"name": "things.example.com", "labels": {"a": "b"}, "annotations": {"c": "d"}},
    ),
    "+kubebuilder:subresource:status": (of_version(), {**V1, "subresources": {"status": {}}}),
    "+kubebuilder:subresource:scale": (
        of_version(scale=Scale(".spec.replicas", ".status.replicas", ".status.selector")),
        {
            **V1,
            "subresources": {
                "status": {},
                "scale": {
                    "specReplicasPath": ".spec.replicas",
                    "statusReplicasPath": ".status.replicas",
                    "labelSelectorPath": ".status.selector",
                },
            },
        },
    ),
    "+kubebuilder:printcolumn": (
        of_version(
            model=Small,
            columns=(
                Column("Color", ".spec.color", priority=1, description="Its colour."),
                Column("Wanted", ".spec.replicas", type="integer", format="int32"),
            ),
        ),
        {
            **V1,
            "additionalPrinterColumns": [
                {
                    "name": "Color",
                    "type": "string",
                    "description": "Its colour.",
                    "priority": 1,
                    "jsonPath": ".spec.color",
                },
                {
                    "name": "Wanted",
                    "type": "integer",
                    "format": "int32",
                    "jsonPath": ".spec.replicas",
                },
            ],
        },
    ),
    "+kubebuilder:selectablefield": (
        of_version(selectable=(".spec.color",)),
        {**V1, "subresources": {"status": {}}, "selectableFields": [{"jsonPath": ".spec.color"}]},
    ),
    "+kubebuilder:storageversion": (of_version(model=Small), V1),
    "+kubebuilder:unservedversion": (
        of_older(served=False),
        {"name": "v1alpha1", "served": False, "storage": False},
    ),
    "+kubebuilder:deprecatedversion": (
        of_older(deprecated="use v1"),
        {
            "name": "v1alpha1",
            "served": True,
            "storage": False,
            "deprecated": True,
            "deprecationWarning": "use v1",
        },
    ),
}


class One(Spec):
    one: str


class MaybeOne(Spec):
    one: str | None = None


class Color(enum.Enum):
    RED = "Red"
    GREEN = "Green"


class Port(Model):
    name: str
    protocol: str


class Metadata(Model):
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class Template(Model):
    metadata: Metadata


PORT = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "protocol": {"type": "string"}},
    "required": ["name", "protocol"],
}
STRINGS = {"type": "array", "items": {"type": "string"}}
STRING_MAP = {"type": "object", "additionalProperties": {"type": "string"}}


def two_of(rule: Cel) -> Callable[[], Made]:
    members = {
        "__annotations__": {"left": str | None, "right": str | None},
        "left": None,
        "right": None,
    }
    return of_model(type("ThingSpec", (Spec,), members, rules=[rule]))


def two_with(comparison: str, message: str) -> JSON:
    """Return two fields and the rule for how many of them are set."""
    rule = f"(has(self.left) ? 1 : 0) + (has(self.right) ? 1 : 0) {comparison}"
    return {
        "type": "object",
        "properties": {"left": {"type": "string"}, "right": {"type": "string"}},
        VALIDATIONS: [{"rule": rule, "message": message}],
    }


FIELDS: dict[str, Case] = {
    "+required, +k8s:required, +kubebuilder:validation:Required": (
        of_model(One),
        {"type": "object", "properties": {"one": {"type": "string"}}, "required": ["one"]},
    ),
    "+optional, +k8s:optional, +kubebuilder:validation:Optional": (
        of_model(MaybeOne),
        {"type": "object", "properties": {"one": {"type": "string"}}},
    ),
    "+nullable": (
        of_field(Annotated[str | None, Nullable()]),
        {"type": "string", "nullable": True},
    ),
    "+kubebuilder:default, +default": (
        of_field(list[int], [80, 443]),
        {"type": "array", "default": [80, 443], "items": {"type": "integer"}},
    ),
    "+kubebuilder:example": (
        of_field(Annotated[str, Field(examples=["a", "b"])]),
        {"type": "string", "example": "a"},
    ),
    "+kubebuilder:title": (
        of_field(Annotated[str, Field(title="Colour")]),
        {"title": "Colour", "type": "string"},
    ),
    "+kubebuilder:externalDocs": (
        of_field(Annotated[str, ExternalDocs("https://example.com", "more")]),
        {"type": "string", "externalDocs": {"url": "https://example.com", "description": "more"}},
    ),
    "+kubebuilder:validation:Maximum, +k8s:maximum": (
        of_field(Annotated[int, Field(le=9)]),
        {"type": "integer", "maximum": 9},
    ),
    "+kubebuilder:validation:Minimum, +k8s:minimum": (
        of_field(Annotated[int, Field(ge=1)]),
        {"type": "integer", "minimum": 1},
    ),
    "+kubebuilder:validation:ExclusiveMaximum": (
        of_field(Annotated[int, Field(lt=9)]),
        {"type": "integer", "maximum": 9, "exclusiveMaximum": True},
    ),
    "+kubebuilder:validation:ExclusiveMinimum": (
        of_field(Annotated[int, Field(gt=1)]),
        {"type": "integer", "minimum": 1, "exclusiveMinimum": True},
    ),
    "+kubebuilder:validation:MultipleOf": (
        of_field(Annotated[int, Field(multiple_of=5)]),
        {"type": "integer", "multipleOf": 5},
    ),
    "+kubebuilder:validation:MaxLength": (
        of_field(Annotated[str, Field(max_length=63)]),
        {"type": "string", "maxLength": 63},
    ),
    "+kubebuilder:validation:MinLength": (
        of_field(Annotated[str, Field(min_length=1)]),
        {"type": "string", "minLength": 1},
    ),
    "+kubebuilder:validation:Pattern": (
        of_field(Annotated[str, Field(pattern="^[a-z]+$")]),
        {"type": "string", "pattern": "^[a-z]+$"},
    ),
    "+kubebuilder:validation:Format": (
        of_field(Annotated[str, Format("hostname")]),
        {"type": "string", "format": "hostname"},
    ),
    "+kubebuilder:validation:MaxItems, +k8s:maxItems": (
        of_field(Annotated[list[str], Field(max_length=9)]),
        {**STRINGS, "maxItems": 9},
    ),
    "+kubebuilder:validation:MinItems": (
        of_field(Annotated[list[str], Field(min_length=1)]),
        {**STRINGS, "minItems": 1},
    ),
    "+kubebuilder:validation:UniqueItems": (
        of_field(set[str]),
        {**STRINGS, "x-kubernetes-list-type": "set"},
    ),
    "+kubebuilder:validation:MaxProperties": (
        of_field(Annotated[dict[str, str], Field(max_length=9)]),
        {**STRING_MAP, "maxProperties": 9},
    ),
    "+kubebuilder:validation:MinProperties": (
        of_field(Annotated[dict[str, str], Field(min_length=1)]),
        {**STRING_MAP, "minProperties": 1},
    ),
    "+kubebuilder:validation:items:": (
        of_field(list[Annotated[str, Field(pattern="^[a-z]+$"), Cel("self != 'x'", "not x")]]),
        {
            "type": "array",
            "items": {
                "type": "string",
                "pattern": "^[a-z]+$",
                VALIDATIONS: [{"rule": "self != 'x'", "message": "not x"}],
            },
        },
    ),
    "+kubebuilder:validation:Enum": (
        of_field(Literal["Red", "Green"]),
        {"type": "string", "enum": ["Red", "Green"]},
    ),
    "+k8s:enum": (of_field(Color), {"type": "string", "enum": ["Red", "Green"]}),
    "+kubebuilder:validation:Type": (of_field(Annotated[Any, Type("string")]), {"type": "string"}),
    "+kubebuilder:validation:Schemaless": (of_field(Any), {UNKNOWN: True}),
    "+kubebuilder:validation:EmbeddedResource, +kubebuilder:validation:XEmbeddedResource": (
        of_field(Annotated[JSONObject, EmbeddedResource()]),
        {"type": "object", UNKNOWN: True, "x-kubernetes-embedded-resource": True},
    ),
    "+kubebuilder:pruning:PreserveUnknownFields, +kubebuilder:validation:XPreserveUnknownFields": (
        of_field(Annotated[Port, PreserveUnknown()]),
        {**PORT, UNKNOWN: True},
    ),
    "+kubebuilder:validation:XIntOrString": (
        of_field(Annotated[wire.IntOrString, Field(pattern="^[0-9]+%$")]),
        {**INT_OR_STRING, "pattern": "^[0-9]+%$"},
    ),
    "+listType=map, +listMapKey, +k8s:listType=map, +k8s:listMapKey": (
        of_field(Annotated[list[Port], ListMap("name", "protocol")]),
        {
            "type": "array",
            "items": PORT,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name", "protocol"],
        },
    ),
    "+listType=set, +k8s:listType=set": (
        of_field(Annotated[list[str], ListSet()]),
        {**STRINGS, "x-kubernetes-list-type": "set"},
    ),
    "+listType=atomic, +k8s:listType=atomic": (
        of_field(Annotated[list[str], Atomic()]),
        {**STRINGS, "x-kubernetes-list-type": "atomic"},
    ),
    "+mapType=atomic": (
        of_field(Annotated[dict[str, str], Atomic()]),
        {**STRING_MAP, "x-kubernetes-map-type": "atomic"},
    ),
    "+mapType=granular": (
        of_field(Annotated[dict[str, str], Granular()]),
        {**STRING_MAP, "x-kubernetes-map-type": "granular"},
    ),
    "+structType=atomic": (
        of_field(Annotated[Port, Atomic()]),
        {**PORT, "x-kubernetes-map-type": "atomic"},
    ),
    "+structType=granular": (
        of_field(Annotated[Port, Granular()]),
        {**PORT, "x-kubernetes-map-type": "granular"},
    ),
    "+kubebuilder:validation:XValidation": (
        of_field(
            Annotated[
                Port,
                Cel(
                    "!oldSelf.hasValue() || self.name == oldSelf.value().name",
                    "must keep its name",
                    message_expression="'must stay %s'.format([oldSelf.value().name])",
                    reason="FieldValueForbidden",
                    field_path=".name",
                    optional_old_self=True,
                ),
            ]
        ),
        {
            **PORT,
            VALIDATIONS: [
                {
                    "rule": "!oldSelf.hasValue() || self.name == oldSelf.value().name",
                    "message": "must keep its name",
                    "messageExpression": "'must stay %s'.format([oldSelf.value().name])",
                    "reason": "FieldValueForbidden",
                    "fieldPath": ".name",
                    "optionalOldSelf": True,
                }
            ],
        },
    ),
    "+kubebuilder:validation:ExactlyOneOf": (
        two_of(exactly_one_of("left", "right")),
        two_with("== 1", "exactly one of left, right must be set"),
    ),
    "+kubebuilder:validation:AtMostOneOf": (
        two_of(at_most_one_of("left", "right")),
        two_with("<= 1", "at most one of left, right may be set"),
    ),
    "+kubebuilder:validation:AtLeastOneOf": (
        two_of(at_least_one_of("left", "right")),
        two_with(">= 1", "at least one of left, right must be set"),
    ),
    "+k8s:immutable": (
        of_field(Annotated[str, Immutable()]),
        {
            "type": "string",
            VALIDATIONS: [{"rule": "self == oldSelf", "message": "must not be changed"}],
        },
    ),
}

GENERATORS: dict[str, Case] = {
    "+kubebuilder:object:root, +k8s:deepcopy-gen:interfaces": (of_kind(schema_of), SMALL_SCHEMA),
    "+kubebuilder:object:generate, +k8s:deepcopy-gen": NO_TRACE,
    "+kubebuilder:ac:generate, +kubebuilder:ac:output:package": NO_TRACE,
    "+kubebuilder:rbac": NO_TRACE,
    "+kubebuilder:webhook, +kubebuilder:webhookconfiguration": NO_TRACE,
}


class Hidden(Spec):
    one: str
    _cache: int = 3


def shortened() -> Made:
    """Return descriptions of at most ten characters, of twenty for a field with its own limit."""
    kind = Kind("Thing", "things", (Version("v1", Thing, storage=True),))
    found = definitions.crd(Api("example.com", (kind,)), kind, max_description=10)
    return Made(found, schema_of(found)["properties"]["spec"]["properties"])


def written() -> Made:
    found = of_kind(lambda found: found)()
    (text,) = files.generated_files([("thing.yaml", found.crd)], command="COMMAND").values()
    return Made(found.crd, text.splitlines()[0])


FLAGS: dict[str, Case] = {
    "maxDescLen": (
        shortened,
        {
            "replicas": {
                "description": "How many.",
                "type": "integer",
                "format": "int32",
                "default": 1,
            },
            "color": {"description": "Its colour, as CSS.", "type": "string", "default": "Red"},
        },
    ),
    "generateEmbeddedObjectMeta": (
        of_field(Template),
        {
            "type": "object",
            "properties": {
                "metadata": {
                    "type": "object",
                    "properties": {"labels": STRING_MAP, "annotations": STRING_MAP},
                }
            },
            "required": ["metadata"],
        },
    ),
    "allowDangerousTypes": (of_field(float), {"type": "number"}),
    "ignoreUnexportedFields": (
        of_model(Hidden),
        {"type": "object", "properties": {"one": {"type": "string"}}, "required": ["one"]},
    ),
    "crdVersions": (
        of_kind(lambda found: {"apiVersion": found["apiVersion"]}),
        {"apiVersion": "apiextensions.k8s.io/v1"},
    ),
    "headerFile, year": (written, "# Generated by `COMMAND`; change the models and run it again."),
    "omitToolVersion": NO_TRACE,
    "deprecatedV1beta1CompatibilityPreserveUnknownFields": NO_TRACE,
}

Name = Annotated[str, Field(max_length=63)]

TYPES: dict[str, Case] = {
    "int32": (of_field(wire.Int32), {"type": "integer", "format": "int32"}),
    "int64": (of_field(wire.Int64), {"type": "integer", "format": "int64"}),
    "[]byte": (of_field(wire.Base64), {"type": "string", "format": "byte"}),
    "type Name string": (of_field(Name), {"type": "string", "maxLength": 63}),
    "resource.Quantity": (of_field(wire.Quantity), {**INT_OR_STRING, "pattern": wire.QUANTITY}),
    "intstr.IntOrString": (of_field(wire.IntOrString), INT_OR_STRING),
    "metav1.Time, metav1.MicroTime": (
        of_field(wire.Timestamp),
        {"type": "string", "format": "date-time"},
    ),
    "metav1.Duration": (of_field(wire.GoDuration), {"type": "string", "format": "duration"}),
    "runtime.RawExtension, unstructured.Unstructured, metav1.Fields": (
        of_field(JSONObject),
        {"type": "object", UNKNOWN: True},
    ),
    "apiextensionsv1.JSON": (of_field(Any), {UNKNOWN: True}),
    "metav1.ObjectMeta": (of_kind(schema_of), SMALL_SCHEMA),
    "metav1.Condition": (
        of_field(Annotated[list[Condition], ListMap("type")]),
        {
            "type": "array",
            "items": structural.schema_of(Condition),
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    ),
    "corev1.LocalObjectReference": (
        of_field(LocalRef),
        {
            "description": "The name of an object in the same namespace.",
            "type": "object",
            "properties": {
                "name": {
                    "description": "Name of the object, in the same namespace.",
                    "type": "string",
                }
            },
            "required": ["name"],
        },
    ),
}


class Local(Model):
    kind: Literal["Local"]
    path: str


class Remote(Model):
    kind: Literal["Remote"]
    url: str


LowPort = Annotated[int, Field(ge=1, le=65535)]


def fitted() -> Made:
    """With filler in its annotations, a CRD drops its last description."""
    kind = Kind("Thing", "things", (Version("v1", Thing, storage=True),), annotations={"a": ""})
    room = apply_size.LIMIT_BYTES - apply_size.annotation_bytes(made(kind))
    # A character of an annotation counts twice: in place, and in kubectl's copy.
    full = dataclasses.replace(kind, annotations={"a": "x" * (room // 2 + 1)})
    found = apply_size.for_apply(made(full))
    return Made(found.crd, list(found.left_out))


class Verbatim(Resource, verbatim=True, description="One line,\n  and another.\n"):
    """For readers of the code."""

    spec: JSONObject


def verbatim() -> Made:
    found = made(Kind("Thing", "things", (Version("v1", Verbatim, storage=True),)))
    return Made(found, schema_of(found)["description"])


BEYOND: dict[str, Case] = {
    "conversion": (
        of_kind(
            lambda found: found["spec"]["conversion"],
            Version("v1alpha1", Small, conversion=ANY_CONVERSION),
            Version("v1", Small, storage=True),
        ),
        {
            "strategy": "Webhook",
            "webhook": {
                "clientConfig": {"url": "https://localhost/convert"},
                "conversionReviewVersions": ["v1"],
            },
        },
    ),
    "listKind": (
        of_kind(lambda found: found["spec"]["names"], list_name="ThingSet"),
        {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingSet"},
    ),
    "tagged union": (
        of_field(Annotated[Local | Remote, Field(discriminator="kind")]),
        {
            "type": "object",
            "properties": {
                "kind": {"type": "string", "enum": ["Local", "Remote"]},
                "path": {"type": "string"},
                "url": {"type": "string"},
            },
            "required": ["kind"],
            "oneOf": [
                {
                    "properties": {"kind": {"enum": ["Local"]}},
                    "required": ["kind", "path"],
                    "not": {"anyOf": [{"required": ["url"]}]},
                },
                {
                    "properties": {"kind": {"enum": ["Remote"]}},
                    "required": ["kind", "url"],
                    "not": {"anyOf": [{"required": ["path"]}]},
                },
            ],
        },
    ),
    "keys of a map": (
        of_field(Annotated[dict[Name, str], Field(max_length=9)]),
        {
            **STRING_MAP,
            "maxProperties": 9,
            VALIDATIONS: [
                {
                    "rule": "self.all(key, size(key) <= 63)",
                    "message": "keys must have at most 63 characters",
                }
            ],
        },
    ),
    "bytes of a string": (
        of_field(Annotated[str, MaxBytes(64)]),
        {"type": "string", "maxLength": 64},
    ),
    "secret text": (
        of_field(Annotated[str, Secret()]),
        {"type": "string", "format": "password"},
    ),
    "description of one field": (
        of_field(Annotated[LocalRef, MaxDescription(0)]),
        {
            "type": "object",
            "properties": {
                "name": {
                    "description": "Name of the object, in the same namespace.",
                    "type": "string",
                }
            },
            "required": ["name"],
        },
    ),
    "size of the CRD": (fitted, ["v1 spec.color"]),
    "any other keyword": (
        of_field(
            Annotated[Any, Keywords({"type": "array", "items": {"type": "string"}, UNKNOWN: None})]
        ),
        {"type": "array", "items": {"type": "string"}},
    ),
    "conversion by others": (
        of_kind(
            lambda found: found["spec"]["conversion"],
            Version("v1alpha1", Small),
            Version("v1", Small, storage=True),
            external_conversion=ExternalConversion({"url": "https://a.example/b"}, ("v1beta1",)),
        ),
        {
            "strategy": "Webhook",
            "webhook": {
                "clientConfig": {"url": "https://a.example/b"},
                "conversionReviewVersions": ["v1beta1"],
            },
        },
    ),
    "status without subresource": (of_version(status_subresource=False), V1),
    "text to the letter": (verbatim, "One line,\n  and another.\n"),
    "column of no field": (
        of_version(columns=(Column("Color", ".spec.colour", checked=False),)),
        {
            **V1,
            "subresources": {"status": {}},
            "additionalPrinterColumns": [
                {"name": "Color", "type": "string", "jsonPath": ".spec.colour"}
            ],
        },
    ),
    "path that leads nowhere": (
        of_error(of_version(columns=(Column("Color", ".spec.colour"),))),
        (
            "Thing v1: column Color .spec.colour: "
            "expected one of replicas, color, got colour; did you mean color?"
        ),
    ),
    "unknown marker": (
        of_error(of_field(Annotated[str, "+nullable"])),
        (
            "ThingSpec.field: expected a marker that schemagen knows, got '+nullable'; "
            "use schemagen's markers, annotated_types' bounds, or Field(...)"
        ),
    ),
    "marker on the wrong type": (
        of_error(of_field(Annotated[int, Field(min_length=1)])),
        (
            "ThingSpec.field: expected MinLen(min_length=1) on string or array or object, "
            "got integer; leave it out"
        ),
    ),
    "two bounds": (
        of_field(Annotated[LowPort, Field(ge=1024)]),
        {"type": "integer", "minimum": 1024, "maximum": 65535},
    ),
}

# By the text of the first column.
CASES = KINDS | FIELDS | GENERATORS | FLAGS | TYPES | BEYOND


@pytest.mark.parametrize("words", CASES)
def test_row_yields_its_crd_column(words: str) -> None:
    make, expected = CASES[words]

    assert expected == make().part


def test_api_server_accepts_every_crd() -> None:
    found = {words: make().crd for words, (make, _) in CASES.items()}

    with judge.Judge(deadline_seconds=60) as asked:
        messages = {words: asked.check(one).message for words, one in found.items() if one}

    assert dict.fromkeys(messages, "") == messages


class Row(NamedTuple):
    """A row of the page: the quoted text of each column."""

    words: str
    here: tuple[str, ...]
    keywords: tuple[str, ...]


def rows() -> Iterator[Row]:
    for line in PAGE.read_text().splitlines():
        if line.startswith("| `"):
            columns = re.split(r"(?<!\\)\|", line)[1:-1]
            words, here, keywords = (tuple(re.findall(r"`([^`]+)`", one)) for one in columns)
            yield Row(", ".join(words), here, keywords)


def test_every_row_has_its_case_and_every_case_its_row() -> None:
    assert [row.words for row in rows()] == list(CASES)


def test_keywords_of_a_row_are_those_of_its_case() -> None:
    missing = [
        (row.words, keyword)
        for row in rows()
        for keyword in row.keywords
        if keyword not in json.dumps(CASES[row.words][1]).replace('"', "")
    ]

    assert [] == missing


def test_names_of_a_row_exist() -> None:
    text = " ".join(code for row in rows() for code in row.here)
    called = set(re.findall(r"(?<![\w.])([A-Za-z_]\w*)\(", text))
    wired = set(re.findall(r"wire\.(\w+)", text))

    # Pydantic's two, a model of the row's own, and what controller-gen writes.
    elsewhere = {"Field", "ConfigDict", "ThingSpec", "ref"}
    assert set() == {name for name in called - elsewhere if not hasattr(schemagen, name)}
    assert set() == {name for name in wired if not hasattr(wire, name)}
