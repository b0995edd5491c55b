"""JSON Schemas for editors: valid themselves, and of one mind with the samples."""

import json
import pathlib
from typing import Any

import jsonschema
import pytest
import yaml

import crds
from schemagen import editor, structural
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
    schema = editor.schema_of(crds.api, *found)
    return [error.json_path for error in jsonschema.Draft202012Validator(schema).iter_errors(value)]


@pytest.mark.parametrize(("kind", "version"), VERSIONS)
def test_schema_is_valid_itself(kind: Any, version: Any) -> None:
    schema = editor.schema_of(crds.api, kind, version)

    jsonschema.Draft202012Validator.check_schema(schema)
    assert "x-kubernetes" not in json.dumps(schema)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_sample_has_no_fault(path: pathlib.Path) -> None:
    assert [] == [fault for one in yaml.safe_load_all(path.read_text()) for fault in faults(one)]


@pytest.mark.parametrize(("kind", "version"), VERSIONS)
def test_objects_of_the_shape_have_no_fault(kind: Any, version: Any) -> None:
    schema = editor.schema_of(crds.api, kind, version)
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

        # Draws keep to types and names, not to every pattern, length and repetition.
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
def test_mistake_is_found_where_it_is(value: Any, expected: str) -> None:
    assert [expected] == faults(value)
