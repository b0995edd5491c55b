"""Forgotten fields and secrets are never stored in an annotation."""

import json
import random
from typing import Annotated, Any

import pytest

from schemagen import (
    Api,
    Conversion,
    JSONObject,
    Kind,
    ListMap,
    Model,
    Resource,
    Secret,
    Spec,
    Version,
    records,
    steps,
)
from schemagen.differential import generation
from schemagen.problems import JSON
from schemagen.versions import graph, schema_coverage
from schemagen.versions.records import keep, move, record, same_name
from schemagen.versions.residue import exclusions
from schemagen.versions.verification import verification

PASSWORD = Annotated[str, Secret()]


class OldLogin(Model):
    """A login, by the older version."""

    name: str
    password: PASSWORD | None = None
    since: int | None = None


class NewLogin(Model):
    """A login, by the newer version."""

    name: str
    passphrase: PASSWORD | None = None
    note: str | None = None


class OldSpec(Spec):
    """What the older version says."""

    image: str | None = None
    logins: list[OldLogin] | None = None
    by_host: dict[str, PASSWORD] | None = None
    tokens: list[PASSWORD] | None = None
    master: str | None = None
    host: str | None = None


class NewSpec(Spec):
    """What the newer version says."""

    image: str | None = None
    logins: Annotated[list[NewLogin], ListMap("name")] | None = None
    by_host: dict[str, PASSWORD] | None = None
    tokens: list[PASSWORD] | None = None
    seal: PASSWORD | None = None
    extra: JSONObject | None = None


class OldSafe(Resource):
    """A safe."""

    spec: OldSpec


class NewSafe(Resource):
    """A safe."""

    spec: NewSpec


LOGIN = record(keep("name"), move("password", "passphrase"))
SPEC = record(
    keep("image", "byHost", "tokens"),
    same_name("logins", steps.each_by("name", LOGIN)),
    records.forget("master", new=("seal",)),
)
API = Api(
    "safes.example.com",
    (
        Kind(
            "Safe",
            "safes",
            (
                Version(
                    "v1",
                    OldSafe,
                    conversion=Conversion(record(keep("metadata"), same_name("spec", SPEC))),
                ),
                Version("v2", NewSafe, storage=True),
            ),
        ),
    ),
)
SAFE = API.kinds[0]
WAYS = [("v1", "v2"), ("v2", "v1")]


def safe(version: str, spec: JSON) -> dict[str, Any]:
    return {
        "apiVersion": f"safes.example.com/{version}",
        "kind": "Safe",
        "metadata": {"name": "one"},
        "spec": spec,
    }


def converted(value: dict[str, Any], source: str, target: str) -> dict[str, Any]:
    return graph.convert(API, SAFE, value, source=source, target=target).object


def test_conversion_of_the_example_fits() -> None:
    verification.check(API)


def test_forgotten_field_does_not_come_back() -> None:
    old = safe("v1", {"image": "app", "master": "hunter2", "host": "a"})

    new = converted(old, "v1", "v2")
    back = converted(new, "v2", "v1")

    assert "hunter2" not in json.dumps(new)
    assert {"image": "app", "host": "a"} == back["spec"]


def test_forgotten_field_of_the_newer_version_does_not_come_back() -> None:
    new = safe("v2", {"seal": "hunter2", "extra": {"a": 1}})

    old = converted(new, "v2", "v1")

    assert "hunter2" not in json.dumps(old)
    assert {"extra": {"a": 1}} == converted(old, "v1", "v2")["spec"]


def test_object_that_only_forgets_gets_no_annotation() -> None:
    assert {"name": "one"} == converted(safe("v1", {"master": "x"}), "v1", "v2")["metadata"]


def test_secrets_are_carried_both_ways() -> None:
    logins = [{"name": "a", "password": "hunter2", "since": 3}]
    old = safe("v1", {"logins": logins, "byHost": {"h": "hunter2"}, "tokens": ["hunter2"]})

    new = converted(old, "v1", "v2")

    assert [{"name": "a", "passphrase": "hunter2"}] == new["spec"]["logins"]
    assert "hunter2" not in json.dumps(new["metadata"])
    assert old["spec"] == converted(new, "v2", "v1")["spec"]


@pytest.mark.parametrize(("source", "target"), WAYS)
def test_no_object_leaves_a_secret_in_an_annotation(source: str, target: str) -> None:
    version = SAFE.version(source)
    assert version is not None
    schema = schema_coverage.schema_of(version.model)["properties"]["spec"]
    draw = generation.Draw(random.Random(7), pool=3)  # noqa: S311 - nothing secret
    residues = 0

    for number in range(300):
        spec = draw.valid(schema)
        if number % 2:  # objects that violate the current schema
            spec = draw.near_miss(spec, schema)
        new = converted(safe(source, with_secrets(spec, schema)), source, target)
        annotations = new["metadata"].get("annotations", {})
        residues += len(annotations)

        assert "hunter2" not in json.dumps(annotations), spec

    assert residues > 30


def with_secrets(value: JSON, schema: Any) -> JSON:
    """Return the value with a known text in place of each secret."""
    for path, node in [*generation.places_of(value, schema)]:
        is_secret = node.get("format") == exclusions.SECRET_FORMAT
        if (is_secret or path[-1:] in {("master",), ("seal",)}) and type(value) is dict:
            value = generation.replaced(value, path, "hunter2")
    return value
