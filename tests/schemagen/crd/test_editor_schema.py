"""JSON Schemas for editors: valid themselves, and consistent with the samples."""

import copy
import json
import pathlib
import random
import re
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from pydantic import ConfigDict, Field

import crds
from schemagen import (
    Api,
    EmbeddedResource,
    JSONObject,
    Kind,
    LocalRef,
    Model,
    Nullable,
    PreserveUnknown,
    Resource,
    Spec,
    Version,
    checking,
    wire,
    yaml,
)
from schemagen.crd import editor_schema
from schemagen.differential import generation
from schemagen.schema import structural
from tests.support import draws, manifests, objects

SAMPLES = sorted((pathlib.Path(crds.__file__).parent / "samples").rglob("*.yaml"))
UNKEPT = {"pattern", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "anyOf"}
VERSIONS = [
    pytest.param(kind, version, id=f"{kind.name}-{version.name}")
    for kind in crds.api
    for version in kind.versions
]


def faults(value: Any) -> list[str]:
    found = crds.api.find(value["apiVersion"], value["kind"])
    assert found is not None
    schema = editor_schema.schema_of(crds.api, *found)
    return [error.json_path for error in jsonschema.Draft202012Validator(schema).iter_errors(value)]


@pytest.mark.parametrize(("kind", "version"), VERSIONS)
def test_schema_is_valid_itself(kind: Any, version: Any) -> None:
    schema = editor_schema.schema_of(crds.api, kind, version)

    jsonschema.Draft202012Validator.check_schema(schema)
    assert "x-kubernetes" not in json.dumps(schema)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_sample_has_no_fault(path: pathlib.Path) -> None:
    assert [] == [fault for one in yaml.load_all(path.read_bytes()) for fault in faults(one)]


@pytest.mark.parametrize(("kind", "version"), VERSIONS)
def test_objects_of_the_shape_have_no_fault(kind: Any, version: Any) -> None:
    schema = editor_schema.schema_of(crds.api, kind, version)
    validator = jsonschema.Draft202012Validator(schema)
    spec = structural.schema_of(version.model, descriptions=False)["properties"]["spec"]

    for drawn in draws.drawn(objects.valid(spec), 50):
        value = {
            "apiVersion": crds.api.api_version(version),
            "kind": kind.name,
            "metadata": {},
            "spec": drawn,
        }
        kinds = {error.validator for error in validator.iter_errors(value)}

        # Generated values respect types and names, not every pattern, length and repetition.
        assert kinds <= UNKEPT, value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (manifests.run("v1beta1", pririty=1), "$.spec"),
        (manifests.run("v1beta1", priority="1"), "$.spec.priority"),
        (manifests.run("v1alpha1", runtime={"type": "magic"}), "$.spec.runtime.type"),
        (
            manifests.run("v1alpha1", goal={"objective": "o", "tokenBudget": 0}),
            "$.spec.goal.tokenBudget",
        ),
    ],
)
def test_mistake_is_reported_at_its_place(value: Any, expected: str) -> None:
    assert [expected] == faults(value)


class Open(Model):
    model_config = ConfigDict(extra="allow")

    named: int | None = None


class Hard(Spec):
    ios: Annotated[wire.IntOrString | None, Nullable()] = None
    amount: wire.Quantity | None = None
    word: Literal["a", "b"] | None = None
    size: Annotated[wire.Int32 | None, Nullable(), Field(gt=1, le=9)] = None
    anything: Annotated[Any, Nullable()] = None
    template: Annotated[LocalRef, EmbeddedResource()] | None = None
    parent: Annotated[JSONObject, EmbeddedResource()] | None = None
    kept: Annotated[Open | None, Nullable()] = None
    free: JSONObject | None = None
    labels: Annotated[dict[str, Annotated[str, Field(max_length=3)]], Field(max_length=2)] = Field(
        default_factory=dict
    )
    nested: Annotated[list[list[wire.Int64]] | None, Nullable()] = None
    tags: set[Literal["x", "y", "z"]] = Field(default_factory=set)
    cased: Annotated[str, Field(pattern="(?i)^[a-z]+$")] = "a"
    bare: Annotated[LocalRef, PreserveUnknown()] | None = None


class HardRoot(Resource):
    spec: Hard


HARD = Api("example.com", (Kind("Hard", "hards", (Version("v1", HardRoot, storage=True),)),))
VALUE = {"apiVersion": "example.com/v1", "kind": "Hard", "metadata": {"name": "a"}}


def hard_schema() -> Any:
    return editor_schema.schema_of(HARD, HARD.kinds[0], HARD.kinds[0].versions[0])


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (
            "ios",
            {"anyOf": [{"type": "null"}, {"anyOf": [{"type": "integer"}, {"type": "string"}]}]},
        ),
        ("word", {"type": "string", "enum": ["a", "b"]}),
        ("anything", {}),
        (
            "size",
            {
                "type": ["integer", "null"],
                "format": "int32",
                "exclusiveMinimum": 1,
                "maximum": 9,
            },
        ),
        (
            "kept",
            {
                "type": ["object", "null"],
                "properties": {"named": {"type": "integer"}},
                "additionalProperties": True,
            },
        ),
        (
            "parent",
            {
                "type": "object",
                "required": ["apiVersion", "kind"],
                "properties": {
                    "apiVersion": {"type": "string", "minLength": 1},
                    "kind": {"type": "string", "minLength": 1},
                    "metadata": {"type": "object", "additionalProperties": True},
                },
                "additionalProperties": True,
            },
        ),
        ("cased", {"type": "string", "default": "a"}),
    ],
)
def test_a_field_in_the_words_of_json_schema(field: str, expected: Any) -> None:
    assert expected == _bare(hard_schema()["properties"]["spec"]["properties"][field])


def _bare(node: Any) -> Any:
    """Return a schema without descriptions."""
    if isinstance(node, list):
        return [_bare(child) for child in node]
    if isinstance(node, dict):
        return {name: _bare(child) for name, child in node.items() if name != "description"}
    return node


@pytest.mark.parametrize("seed", range(4))
def test_editor_schema_accepts_what_the_api_server_accepts(seed: int) -> None:
    validator = jsonschema.Draft202012Validator(hard_schema())
    checker = checking.of(HardRoot)
    schema = structural.schema_of(HardRoot, descriptions=False)
    draw = generation.Draw(random.Random(seed))  # noqa: S311 - nothing secret
    spec = schema["properties"]["spec"]

    for _ in range(150):
        drawn = draw.valid(spec)
        drawn = draw.near_miss(drawn, spec) if draw._is(0.6) else drawn  # noqa: SLF001 - a chance
        value = {**VALUE, "spec": copy.deepcopy(drawn)}
        checked = checker.create(value)
        is_right = validator.is_valid(value)
        causes = [cause for cause in checked.causes if not _is_unsaid(cause)]
        if re.search(r"\d{16}\.0|e\+", json.dumps(drawn)):
            continue  # a large float is an integer in JSON Schema, but not in Go

        assert is_right <= (not causes), (drawn, causes)
        if checked.allowed and _is_kept(drawn, checked.value["spec"]):
            assert is_right, (drawn, [*validator.iter_errors(value)])


def _is_unsaid(cause: Any) -> bool:
    """Return whether only the API server checks this."""
    return "should match" in cause.message or "metadata" in cause.field


def _is_kept(sent: Any, stored: Any) -> bool:
    """Return whether nothing was dropped as unknown or null."""
    if isinstance(sent, dict):
        return isinstance(stored, dict) and all(
            name in stored and _is_kept(child, stored[name]) for name, child in sent.items()
        )
    if isinstance(sent, list):
        return all(map(_is_kept, sent, stored))
    return bool(sent == stored)
