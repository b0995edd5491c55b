"""The judge in this process and a real API server give the same verdicts, in the same words."""

import copy
import dataclasses
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import strategies as st

import crds
from controllers import devcluster, kube
from schemagen import Api, Kind, judge
from schemagen.crd import definitions
from schemagen.differential import generation
from schemagen.schema import structural
from tests.support import depth, draws, judge_proof, objects

pytestmark = pytest.mark.e2e

OBJECTS = depth.draws(150)
CRDS = kube.CUSTOM_RESOURCE_DEFINITIONS

Said = tuple[bool, str, list[tuple[str, str, str]]]


def said_by_judge(verdict: judge.Verdict) -> Said:
    causes = [(cause.reason, cause.message, cause.field) for cause in verdict.causes]
    return verdict.allowed, _ordered(verdict.message, causes), sorted(causes)


def _ordered(message: str, causes: list[tuple[str, str, str]]) -> str:
    """A message without its list: the API server's is in the order of Go's maps, which is none."""
    return message if len(causes) < 2 else message.partition("[")[0]


async def said_by_server(call: Any) -> Said:
    try:
        await call
    except kube.ApiError as error:
        causes = [(cause.reason, cause.message, cause.field) for cause in error.causes]
        return False, _ordered(error.message, causes), sorted(causes)
    return True, "", []


@dataclasses.dataclass
class Installed:
    """A version of a kind, alone in a group of its own: no webhook has a say."""

    resource: kube.Resource
    loaded: judge.Loaded
    schema: structural.Schema
    client: kube.Client

    def object(self, body: dict[str, Any], **metadata: Any) -> dict[str, Any]:
        """A whole object around a spec and status."""
        return {
            "apiVersion": self.resource.api_version,
            "kind": self.resource.kind,
            "metadata": {"name": "one", "namespace": "default"} | metadata,
            **body,
        }

    def valid(self) -> dict[str, Any]:
        """One that would be taken."""
        draw = generation.Draw(random.Random(0))  # noqa: S311 - nothing secret
        spec = self.schema["properties"]["spec"]
        drawn = (self.object({"spec": draw.valid(spec)}) for _ in range(1000))
        return next(value for value in drawn if self.loaded.create(value).allowed)


@pytest.fixture(scope="module")
def asked() -> Any:
    with judge.Judge(deadline_seconds=60) as found:
        yield found


@pytest.fixture(scope="module")
async def client(api_server: devcluster.Cluster) -> AsyncIterator[kube.Client]:
    async with kube.Client.from_kubeconfig(api_server.admin_kubeconfig) as opened:
        yield opened


VERSIONS = [
    pytest.param((kind, version.name), id=f"{kind.name}-{version.name}")
    for kind in crds.api
    for version in kind.versions
]


@pytest.fixture(scope="module", params=VERSIONS)
async def installed(
    request: pytest.FixtureRequest, asked: judge.Judge, client: kube.Client
) -> AsyncIterator[Installed]:
    kind, name = request.param
    (version,) = (version for version in kind.versions if version.name == name)
    alone = dataclasses.replace(version, storage=True, conversion=None)
    lone_kind: Kind = dataclasses.replace(kind, versions=(alone,))
    api = Api(f"{name}.judged.example.com", (lone_kind,))
    definition = definitions.crd(api, lone_kind)
    await client.create(CRDS, definition)
    resource = kube.Resource(api.group, name, kind.plural, kind.name)
    with asked.load(definition) as loaded:
        schema = structural.schema_of(version.model, descriptions=False)
        await _wait(client, resource)
        yield Installed(resource, loaded, schema, client)
    await client.delete(CRDS, api.crd_name(kind))


async def _wait(client: kube.Client, resource: kube.Resource) -> None:
    while True:
        try:
            await client.list(resource)
        except kube.ApiError:
            continue
        return


def bodies(schema: structural.Schema) -> st.SearchStrategy[Any]:
    fields = schema["properties"]
    valid = st.fixed_dictionaries({"spec": objects.valid(fields["spec"])})
    mangled = objects.mangled(valid).filter(lambda value: isinstance(value, dict))
    return valid | mangled


async def test_created_objects_get_the_same_verdict(installed: Installed) -> None:
    for body in draws.drawn(bodies(installed.schema), OBJECTS):
        value = installed.object({k: v for k, v in body.items() if k == "spec"})

        judged = said_by_judge(installed.loaded.create(value))
        served = await said_by_server(
            installed.client.create(
                installed.resource, value, dry_run=True, field_validation="Strict"
            )
        )

        assert served == judged, value


async def test_updated_objects_get_the_same_verdict(installed: Installed) -> None:
    """Ratcheting too: the old object breaks what the new one breaks, or other things."""
    drawn = [body for body in draws.drawn(bodies(installed.schema), OBJECTS) if "spec" in body]
    stored = await installed.client.create(installed.resource, installed.valid())
    for body in drawn:
        changed = {**copy.deepcopy(stored), **body}

        judged = said_by_judge(installed.loaded.update(changed, stored))
        served = await said_by_server(
            installed.client.replace(
                installed.resource, changed, dry_run=True, field_validation="Strict"
            )
        )

        assert served == judged, (stored, changed)


METADATA = [
    {"name": "Not_A_Name"},
    {"name": ""},
    {"name": None, "generateName": "a-"},
    {"labels": {"a": "b c"}},
    {"labels": {"a b": "c"}},
    {"annotations": {"/": "x"}},
    {"finalizers": ["not ok"]},
    {"labels": {"a": 1}},
    {"labels": "x"},
    {"unknown": 1},
    {"ownerReferences": [{"name": "x"}]},
]


@pytest.mark.parametrize("metadata", METADATA, ids=str)
async def test_metadata_gets_the_same_verdict(
    installed: Installed, metadata: dict[str, Any]
) -> None:
    drawn = draws.drawn(objects.valid(installed.schema["properties"]["spec"]), 10)
    value = installed.object({"spec": drawn[0]}, **metadata)

    judged = said_by_judge(installed.loaded.create(value))
    served = await said_by_server(
        installed.client.create(installed.resource, value, dry_run=True, field_validation="Strict")
    )

    if "generateName" not in metadata:  # its suffix is random
        assert served == judged
    assert served[0] == judged[0]


TEXT = {"type": "string"}
NUMBER = {"type": "integer"}


def rules(*expressions: str, **more: Any) -> dict[str, Any]:
    return {"x-kubernetes-validations": [{"rule": rule, **more} for rule in expressions]}


# What a field may not be, by the structural rules, and what may surprise but is fine.
FIELDS: list[dict[str, Any]] = [
    {},
    {"type": "strin"},
    {"type": "array"},
    {"type": "array", "items": [TEXT]},
    {"type": "object", "properties": {"a": {}}},
    {"type": "object", "properties": {"a": TEXT}, "additionalProperties": TEXT},
    {"type": "object", "properties": {"a": TEXT}, "additionalProperties": False},
    {"type": "object", "additionalProperties": False},
    {"type": "object", "patternProperties": {"a": TEXT}},
    {"type": "array", "items": TEXT, "uniqueItems": True},
    {"$ref": "#/x"},
    {"type": "string", "const": "a"},
    {"type": "string", "pattern": "(?=a)"},
    {"type": "string", "pattern": "["},
    {"type": "string", "format": "zzz"},
    {"type": "string", "enum": ["a", "a"]},
    {"type": "string", "enum": ["a"], "default": "b"},
    {"type": "string", "default": 1},
    {"type": "string", "default": None},
    {"type": "string", "nullable": True, "default": None},
    {"type": "integer", "minimum": 3, "default": 2},
    {"type": "integer", "exclusiveMinimum": 3},
    {"type": "integer", "minimum": 3, "exclusiveMinimum": True},
    {"anyOf": [NUMBER, TEXT], "x-kubernetes-int-or-string": True},
    {"anyOf": [TEXT, NUMBER], "x-kubernetes-int-or-string": True},
    {"allOf": [{"anyOf": [NUMBER, TEXT]}], "x-kubernetes-int-or-string": True},
    {"type": "string", "allOf": [{"type": "string"}]},
    {"type": "string", "oneOf": [{"pattern": "a"}, {"maxLength": 1}]},
    {"type": "string", "not": {"default": "a"}},
    {"x-kubernetes-preserve-unknown-fields": True},
    {"type": "object", "x-kubernetes-preserve-unknown-fields": False},
    {"type": "object", "x-kubernetes-embedded-resource": True},
    {
        "type": "object",
        "x-kubernetes-embedded-resource": True,
        "x-kubernetes-preserve-unknown-fields": True,
    },
    {"type": "array", "items": TEXT, "x-kubernetes-list-type": "map"},
    {"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"},
    {"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "set"},
    {
        "type": "array",
        "items": {"type": "object", "properties": {"k": TEXT}},
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
    },
    {
        "type": "array",
        "items": {"type": "object", "properties": {"k": TEXT}, "required": ["k"]},
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k", "k"],
    },
    {"type": "object", "x-kubernetes-map-type": "set"},
    {"type": "object", "required": ["nowhere"]},
    {"type": "string", **rules("self.matches('^[a-z]+$')")},
    {"type": "string", **rules("self == 1")},
    {"type": "string", **rules("self.nowhere == 'a'")},
    {"type": "string", **rules("(")},
    {"type": "string", **rules("")},
    {"type": "string", **rules("self == oldSelf")},
    {"type": "string", **rules("self == oldSelf", optionalOldSelf=True)},
    {"type": "string", **rules("self != 'a'", reason="Nonsense")},
    {"type": "string", **rules("self != 'a'", messageExpression="'no ' + self")},
    {"type": "string", **rules("self != 'a'", messageExpression="1")},
    {"type": "string", **rules("self != 'a'", fieldPath=".a")},
    {
        "type": "object",
        "properties": {"a": TEXT},
        **rules("has(self.a)", fieldPath=".a", message="a"),
    },
    {"type": "object", "properties": {"a": TEXT}, **rules("has(self.a)", fieldPath=".b")},
    {"type": "array", "items": TEXT, **rules("self.all(x, self.exists_one(y, x == y))")},
    {"type": "array", "items": {"type": "string", **rules("self == oldSelf")}},
    {
        "type": "array",
        "items": {"type": "object", "properties": {"a": TEXT}, **rules("self.a != 'b'")},
    },
    {"type": "string", "x-kubernetes-nonsense": True},
]


def definition(number: int, field: dict[str, Any]) -> dict[str, Any]:
    """A CRD whose spec has one field."""
    spec = {"type": "object", "properties": {"field": field}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"fields{number}.judged.example.com"},
        "spec": {
            "group": "judged.example.com",
            "scope": "Namespaced",
            "names": {"plural": f"fields{number}", "kind": f"Field{number}"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
                }
            ],
        },
    }


async def crd_said_by_server(client: kube.Client, value: dict[str, Any]) -> Said:
    return await said_by_server(client.create(CRDS, value, dry_run=True, field_validation="Strict"))


@pytest.mark.parametrize(("number", "field"), list(enumerate(FIELDS)), ids=str)
async def test_crd_with_a_field_gets_the_same_verdict(
    asked: judge.Judge, client: kube.Client, number: int, field: dict[str, Any]
) -> None:
    value = definition(number, field)

    assert await crd_said_by_server(client, value) == said_by_judge(asked.check(value))


def changed(*path: str | int, to: Any) -> dict[str, Any]:
    """A good CRD with one thing changed; None takes it away."""
    value = definition(999, TEXT)
    target: Any = value
    for step in path[:-1]:
        target = target[step]
    if to is None:
        del target[path[-1]]
    else:
        target[path[-1]] = to
    return value


V = ("spec", "versions", 0)
WHOLES = [
    changed("metadata", "name", to="wrong.judged.example.com"),
    changed("spec", "group", to="nodots"),
    changed("spec", "group", to="x.k8s.io"),
    changed("spec", "scope", to="Galaxy"),
    changed("spec", "scope", to=None),
    changed("spec", "names", "kind", to="not a kind"),
    changed("spec", "names", "plural", to=None),
    changed("spec", "names", "listKind", to="Field999"),
    changed("spec", "names", "shortNames", to=["A"]),
    changed(*V, "name", to="one"),
    changed(*V, "name", to="V1"),
    changed(*V, "storage", to=False),
    changed(*V, "served", to=None),
    changed(*V, "schema", to=None),
    changed(*V, "deprecationWarning", to="old"),
    changed(*V, "subresources", to={"scale": {"specReplicasPath": "x", "statusReplicasPath": ""}}),
    changed(*V, "selectableFields", to=[{"jsonPath": ".metadata.name"}]),
    changed(*V, "selectableFields", to=[{"jsonPath": ".spec.nowhere"}]),
    changed(*V, "additionalPrinterColumns", to=[{"name": "A", "type": "text", "jsonPath": ".a"}]),
    changed(*V, "additionalPrinterColumns", to=[{"name": "A", "type": "string", "jsonPath": "a"}]),
    changed(*V, "schema", "openAPIV3Schema", "nullable", to=True),
    changed(*V, "schema", "openAPIV3Schema", "type", to="string"),
    changed("spec", "conversion", to={"strategy": "Webhook"}),
    changed("spec", "conversion", to={"strategy": "None", "webhook": {}}),
    changed("spec", "preserveUnknownFields", to=True),
    changed("spec", "versions", to=[]),
    changed("spec", "versions", to="v1"),
    changed("spec", "nonsense", to=1),
    changed("spec", to=None),
]


@pytest.mark.parametrize("value", WHOLES, ids=lambda value: str(WHOLES.index(value)))
async def test_crd_gets_the_same_verdict(
    asked: judge.Judge, client: kube.Client, value: dict[str, Any]
) -> None:
    assert await crd_said_by_server(client, value) == said_by_judge(asked.check(value))


@pytest.fixture(scope="module")
async def proof(
    asked: judge.Judge, api_server: devcluster.Cluster
) -> AsyncIterator[judge_proof.Proof]:
    async with judge_proof.Server.of(api_server) as server:
        yield judge_proof.Proof(server, asked, seed=0)


async def test_drawn_crds_get_the_same_answer(proof: judge_proof.Proof) -> None:
    """Codes, words, causes and warnings; `tests/bench/prove_judge.py` asks at length."""
    asked_about = [await proof.definitions(number) for number in range(depth.draws(30))]

    assert [] == [split for tally in asked_about for split in tally.splits]


async def test_drawn_objects_get_the_same_answer(proof: judge_proof.Proof) -> None:
    """What would be stored, too; and updates of their CRDs."""
    asked_about = [await proof.objects(number, count=50) for number in range(depth.draws(4))]

    assert [] == [split for tally in asked_about for split in tally.splits]
