"""A kind with every feature becomes a CRD; paths that do not resolve are errors."""

from typing import Annotated, Any

import pytest
from pydantic import Field

from schemagen import (
    Api,
    Column,
    Condition,
    Conversion,
    Kind,
    ListMap,
    Model,
    Resource,
    Scale,
    Spec,
    Status,
    Version,
    judge,
    records,
)
from schemagen.crd import definitions
from schemagen.model.wire import Int32
from schemagen.schema import structural


class Part(Model):
    name: str


class ThingSpec(Spec):
    replicas: Int32 = Field(default=1, ge=0)
    color: str | None = None
    parts: Annotated[list[Part], ListMap("name"), Field(max_length=9)] | None = None


class ThingStatus(Status):
    replicas: Int32 | None = None
    selector: str | None = None
    conditions: list[Condition] | None = None


class OldThing(Resource):
    """A thing as it was."""

    spec: Part
    status: ThingStatus | None = None


class Thing(Resource):
    """A thing."""

    spec: ThingSpec
    status: ThingStatus | None = None


def version(**more: Any) -> Version:
    arguments: dict[str, Any] = {"name": "v1", "model": Thing, "storage": True}
    return Version(**(arguments | more))


def kind(*versions: Version, **more: Any) -> Kind:
    return Kind("Thing", "things", versions or (version(),), **more)


EVERYTHING = kind(
    Version(
        "v1alpha1",
        OldThing,
        served=False,
        deprecated="example.com/v1alpha1 Thing is deprecated; use v1",
        conversion=Conversion(records.record()),  # never called here
    ),
    version(
        columns=(
            Column("Color", ".spec.color", description="Its colour.", priority=1),
            Column("Wanted", ".spec.replicas", type="integer", format="int32"),
            Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
            Column("First", ".spec.parts[0].name"),
            Column("Age", ".metadata.creationTimestamp", type="date"),
        ),
        selectable=(".spec.color",),
        scale=Scale(".spec.replicas", ".status.replicas", ".status.selector"),
    ),
    short_names=("th",),
    categories=("all",),
    scope="Cluster",
    singular="thingy",
    list_name="ThingList",
    labels={"a": "b"},
    annotations={"example.com/a": "b"},
)


def test_crd_has_everything_that_a_kind_declares() -> None:
    definition = definitions.crd(
        Api("example.com", (EVERYTHING,)), EVERYTHING, webhook={"url": "https://x/c"}
    )

    versions = definition["spec"].pop("versions")
    assert {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": "things.example.com",
            "labels": {"a": "b"},
            "annotations": {"example.com/a": "b"},
        },
        "spec": {
            "group": "example.com",
            "names": {
                "plural": "things",
                "singular": "thingy",
                "kind": "Thing",
                "listKind": "ThingList",
                "shortNames": ["th"],
                "categories": ["all"],
            },
            "scope": "Cluster",
            "conversion": {
                "strategy": "Webhook",
                "webhook": {
                    "clientConfig": {"url": "https://x/c"},
                    "conversionReviewVersions": ["v1"],
                },
            },
        },
    } == definition
    schema = {"openAPIV3Schema": structural.schema_of(Thing)}
    assert [
        {
            "name": "v1alpha1",
            "served": False,
            "storage": False,
            "deprecated": True,
            "deprecationWarning": "example.com/v1alpha1 Thing is deprecated; use v1",
            "schema": {"openAPIV3Schema": structural.schema_of(OldThing)},
            "subresources": {"status": {}},
        },
        {
            "name": "v1",
            "served": True,
            "storage": True,
            "schema": schema,
            "subresources": {
                "status": {},
                "scale": {
                    "specReplicasPath": ".spec.replicas",
                    "statusReplicasPath": ".status.replicas",
                    "labelSelectorPath": ".status.selector",
                },
            },
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
                {
                    "name": "Ready",
                    "type": "string",
                    "jsonPath": '.status.conditions[?(@.type=="Ready")].status',
                },
                {"name": "First", "type": "string", "jsonPath": ".spec.parts[0].name"},
                {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
            ],
            "selectableFields": [{"jsonPath": ".spec.color"}],
        },
    ] == versions


def test_api_server_would_take_it() -> None:
    definition = definitions.crd(
        Api("example.com", (EVERYTHING,)), EVERYTHING, webhook={"url": "https://x/c"}
    )

    with judge.Judge(deadline_seconds=60) as asked:
        assert "" == asked.check(definition).message


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"columns": (Column("C", ".spec.colour"),)},
            (
                "Thing v1: column C .spec.colour: "
                "expected one of replicas, color, parts, got colour; did you mean color?"
            ),
        ),
        (
            {"columns": (Column("C", ".spec.parts.name"),)},
            "Thing v1: column C .spec.parts.name: expected an item such as [0], got name",
        ),
        (
            {"columns": (Column("C", "spec.color"),)},
            (
                "Thing v1: column C spec.color: "
                "expected a JSONPath of fields such as .spec.name, got another expression"
            ),
        ),
        (
            {"selectable": (".spec.color.red",)},
            (
                "Thing v1: selectable field .spec.color.red: "
                "expected the end of the path at a string, got red"
            ),
        ),
        (
            {"columns": (Column("C", ".metadata.annotations['a.b/c']"),)},
            (
                "Thing v1: column C .metadata.annotations['a.b/c']: expected the end of the path "
                r"at a string, got b/c; did you mean .metadata.annotations['a\.b/c']?"
            ),
        ),
        (
            {"columns": (Column("C", '.spec["color"]'),)},
            (
                "Thing v1: column C .spec[\"color\"]: expected ['name'], [0], [0:2], [*] or "
                "[?(...)], got [\"color\"]; did you mean .spec['color']?"
            ),
        ),
        (
            {"columns": (Column("C", ".metadata.nam"),)},
            (
                "Thing v1: column C .metadata.nam: expected one of name, generateName, namespace, "
                "uid, resourceVersion, generation, creationTimestamp, deletionTimestamp, "
                "deletionGracePeriodSeconds, labels, annotations, finalizers, ownerReferences, "
                "managedFields, got nam; did you mean name?"
            ),
        ),
        (
            {"columns": (Column("C", ".spec.replicas", type="boolean"),)},
            (
                "Thing v1: column C .spec.replicas: expected a field of type boolean, got integer: "
                'kubectl would show nothing; write type="integer"'
            ),
        ),
        (
            {"columns": (Column("C", ".spec.color", type="integer"),)},
            (
                "Thing v1: column C .spec.color: expected a field of type integer, got string: "
                'kubectl would show nothing; write type="string"'
            ),
        ),
        (
            {"columns": (Column("C", ".spec.replicas", type="date"),)},
            (
                "Thing v1: column C .spec.replicas: expected a time (wire.Timestamp) for a column "
                "of type date, got integer: kubectl would show none; leave type out"
            ),
        ),
        (
            {"scale": Scale(".spec.parts[0].name", ".status.replicas")},
            (
                "Thing v1: scale .spec.parts[0].name: expected plain names separated by dots, got "
                "parts[0]: indices, quotes and escapes are not supported; name a field outside "
                "lists"
            ),
        ),
        (
            {"scale": Scale(".spec.color", ".status.replicas")},
            ("Thing v1: scale .spec.color: expected an integer for specReplicasPath, got a string"),
        ),
        (
            {"scale": Scale(".status.replicas", ".status.replicas")},
            "Thing v1: scale .status.replicas: expected specReplicasPath below spec; write one",
        ),
        (
            {"selectable": (".metadata.name",)},
            (
                "Thing v1: selectable field .metadata.name: expected a field outside metadata, "
                "got metadata; name and namespace are always selectable"
            ),
        ),
        (
            {"selectable": (".spec.parts",)},
            (
                "Thing v1: selectable field .spec.parts: expected a string, boolean or integer, "
                "got a list; name such a field of it"
            ),
        ),
        (
            {"selectable": (".spec.color", ".spec.color")},
            "Thing v1: selectable field .spec.color: expected each field once, got a duplicate",
        ),
        (
            {"scale": Scale(".spec.replica", ".status.replicas")},
            (
                "Thing v1: scale .spec.replica: "
                "expected one of replicas, color, parts, got replica; did you mean replicas?"
            ),
        ),
    ],
)
def test_path_that_leads_nowhere_is_an_error(more: dict[str, Any], words: str) -> None:
    bad = kind(version(**more))

    with pytest.raises(structural.SchemaError) as error:
        definitions.crd(Api("example.com", (bad,)), bad)

    assert words == str(error.value)


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        ((version(storage=False),), "expected one storage version, got none"),
        (
            (version(name="v1"), version(name="v2")),
            r"expected one storage version, got \['v1', 'v2'\]",
        ),
        (
            (version(name="v1", storage=False), version(name="v2")),
            "Thing v1: expected a conversion to the next newer version, got none",
        ),
    ],
)
def test_versions_that_cannot_be_served_are_an_error(
    versions: tuple[Version, ...], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        kind(*versions)


def test_a_version_may_leave_the_warning_to_the_api_server() -> None:
    version = Version("v1", Thing, storage=True, deprecated=True)
    api = Api("example.com", (Kind("Simple", "simples", (version,)),))

    (entry,) = definitions.crd(api, api.kinds[0])["spec"]["versions"]

    assert entry["deprecated"] is True
    assert "deprecationWarning" not in entry


def test_an_empty_warning_is_an_error() -> None:
    with pytest.raises(ValueError, match="write True for the API server's default"):
        Version("v1", Thing, deprecated="")
