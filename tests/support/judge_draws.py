"""CRDs and objects to ask the judge and a real API server about, good and bad; drawn from a seed.

Pure. Everything comes from the `random.Random` that is handed in: one seed, one sequence.
"""

import copy
import random
from typing import Any

from schemagen.problems import JSON
from tests.support import judge_schemas

GROUP = "judged.example.com"
NAMESPACE = "default"
NAME = "one"


def definition(rng: random.Random, number: int) -> JSON:
    """A CRD that the API server may well take."""
    kind = f"Kind{number}"
    versions = [_version(rng, "v1", storage=True)]
    if judge_schemas.chance(rng, 30):
        versions.append(_version(rng, "v1beta1", storage=False))
        if judge_schemas.chance(rng, 30):
            versions[1]["schema"] = copy.deepcopy(versions[0]["schema"])
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"kind{number}s.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": rng.choice(["Namespaced", "Namespaced", "Cluster"]),
            "names": {"plural": f"kind{number}s", "singular": f"kind{number}", "kind": kind},
            "versions": versions,
        },
    }


def _version(rng: random.Random, name: str, *, storage: bool) -> JSON:
    fields = {"spec": judge_schemas.schema(rng), "status": judge_schemas.schema(rng, 2)}
    version: JSON = {
        "name": name,
        "served": True,
        "storage": storage,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": fields}},
    }
    if judge_schemas.chance(rng, 40):
        version["subresources"] = {"status": {}}
        if judge_schemas.chance(rng, 30):
            replicas = {"type": "integer", "minimum": 0}
            fields |= {name: _with(fields[name], "replicas", replicas) for name in fields}
            version["subresources"]["scale"] = {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
            }
    if judge_schemas.chance(rng, 20):
        version["deprecated"] = True
        if judge_schemas.chance(rng, 50):
            version["deprecationWarning"] = "old"
    if judge_schemas.chance(rng, 20):
        column = {"name": "A", "type": "string", "jsonPath": ".spec.a"}
        version["additionalPrinterColumns"] = [column]
    return version


def _with(node: JSON, name: str, child: JSON) -> JSON:
    """An object's schema with a field more; another schema becomes such a one."""
    if "properties" not in node:
        return {"type": "object", "properties": {name: child}}
    return {**node, "properties": {**node["properties"], name: child}}


# What is put where it may not stand: keywords of schemas, parts of CRDs, and their values.
_SPOILS: JSON = {
    "type": ["strin", "object", "array", "string", "", None, 1],
    "items": [{"type": "string"}, [{"type": "string"}], {}, None],
    "properties": [{"a": {}}, {"a": {"type": "string"}}, [], None],
    "additionalProperties": [True, False, {"type": "string"}, {}],
    "default": [*judge_schemas.ANYTHING],
    "enum": [["a", "a"], [], [None], "a"],
    "format": [*judge_schemas.FORMATS, 1],
    "pattern": ["[", "(?=a)", "^a$", 1],
    "minimum": [*judge_schemas.NUMBERS, "1"],
    "exclusiveMinimum": [True, 1],
    "multipleOf": [0, -1, 2],
    "maxLength": [-1, 0, 1.5, 2**63],
    "maxItems": [-1, 3, 10**9],
    "uniqueItems": [True, False],
    "required": [["a"], ["nowhere"], [], "a"],
    "nullable": [True, "yes"],
    "allOf": [[{"type": "string"}], [{"properties": {"a": {"minLength": 1}}}], []],
    "not": [{"required": ["a"]}, {"default": 1}],
    "$ref": ["#/x"],
    "title": ["a", 1],
    "patternProperties": [{"a": {"type": "string"}}],
    "x-kubernetes-preserve-unknown-fields": [True, False, "a"],
    "x-kubernetes-embedded-resource": [True, False],
    "x-kubernetes-int-or-string": [True, False],
    "x-kubernetes-list-type": ["set", "map", "atomic", "bag", None],
    "x-kubernetes-list-map-keys": [["a"], ["a", "a"], ["nowhere"], []],
    "x-kubernetes-map-type": ["atomic", "granular", "set"],
    "x-kubernetes-validations": [
        [{"rule": "true"}],
        [{"rule": "("}],
        [{"rule": ""}],
        [{"rule": "self == oldSelf", "optionalOldSelf": True}],
        [{"rule": "true", "message": "a\nb"}],
        [{"rule": "true", "messageExpression": "1"}],
        [{"rule": "true", "reason": "Nonsense"}],
        [{"rule": "true", "fieldPath": ".nowhere"}],
        [],
    ],
    "nonsense": [1],
    "served": [False, None, "x"],
    "storage": [False, True],
    "deprecated": [True, 1],
    "deprecationWarning": ["old", "", "x" * 257, "a\nb"],
    "subresources": [{"status": {}}, {"scale": {}}, {"status": None}, 1],
    "selectableFields": [[{"jsonPath": ".spec.a"}], [{"jsonPath": "x"}], [{}]],
    "scope": ["Galaxy", "Cluster", "Namespaced", None],
    "group": ["nodots", "x.k8s.io", "", "a.example.com"],
    "plural": ["Not", "others", "", None],
    "kind": ["not a kind", "", None, "CustomResourceDefinition", "Pod"],
    "listKind": ["Kind0", "x y"],
    "shortNames": [["A"], ["a", "a"], "a"],
    "name": ["v1", "V1", "one", "v2", "", None, "Not_A_Name", 5],
    "jsonPath": [".a", "a", "", ".spec[*].a"],
    "conversion": [
        {"strategy": "None"},
        {"strategy": "Webhook"},
        {"strategy": "None", "webhook": {"conversionReviewVersions": ["v1"]}},
        {
            "strategy": "Webhook",
            "webhook": {
                "clientConfig": {"url": "https://localhost/convert"},
                "conversionReviewVersions": ["v1"],
            },
        },
    ],
    "preserveUnknownFields": [True, False],
    "apiVersion": ["apiextensions.k8s.io/v1beta1", "v1", "", None, 1, "a/b/c", "other.example/v1"],
    "metadata": [{}, None, "x", {"name": "x"}, []],
    "annotations": [{"api-approved.kubernetes.io": "x"}, {"/": "x"}, {"a": 1}],
}


def spoiled_definition(rng: random.Random, crd: JSON) -> JSON:
    """A CRD with a few places changed: to what may stand there, or not."""
    found = copy.deepcopy(crd)
    for _ in range(rng.choice([1, 1, 2, 3])):
        spoil(rng, rng.choice(_objects_in(found)), _SPOILS)
    for node in _objects_in(found):
        _keep_within_int64(node)
    return found


def _keep_within_int64(node: JSON) -> None:
    """Take away the bounds that real API servers disagree about.

    kube-openapi's validate/values.go converts a bound to int64, which beyond its range Go does as
    the processor does: arm64 (and the judge) take the nearest number, amd64 takes the least.
    """
    for name in ("minimum", "maximum", "multipleOf"):
        bound = node.get(name)
        if isinstance(bound, int | float) and not -(2**63) <= float(bound) < 2**63:
            del node[name]


def _objects_in(value: Any) -> list[JSON]:
    """Every object in a value, the outermost first."""
    if isinstance(value, list):
        return [inner for item in value for inner in _objects_in(item)]
    if isinstance(value, dict):
        return [value, *(inner for item in value.values() for inner in _objects_in(item))]
    return []


def spoil(rng: random.Random, target: JSON, spoils: JSON) -> None:
    """Change, take away or add one member of an object."""
    match rng.randrange(4):
        case 0 if target:
            del target[rng.choice(sorted(target))]
        case 1 if target:
            target[rng.choice(sorted(target))] = copy.deepcopy(rng.choice(judge_schemas.ANYTHING))
        case 2 if target:
            key = rng.choice(sorted(target))
            target[key] = copy.deepcopy(rng.choice(spoils.get(key, judge_schemas.ANYTHING)))
        case _:
            key = rng.choice(sorted(spoils))
            target[key] = copy.deepcopy(rng.choice(spoils[key]))


_OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "1"}
_METADATA: JSON = {
    "name": [NAME, "Not_A_Name", "", None, 5, "x" * 254, "a/b", "."],
    "generateName": ["a-", "A_", "x" * 70],
    "labels": [{"a": "b c"}, {"a b": "c"}, {"a": 1}, "x", None, {"a": None}, {"a": "b"}],
    "annotations": [{"/": "x"}, {"a": "x" * (256 * 1024)}, {"A.b/c": "x"}, {"a": None}, []],
    "finalizers": [["not ok"], ["a"], ["a.b"], ["a.b/c"], ["foregroundDeletion"], [1], "a"],
    "ownerReferences": [[_OWNER], [_OWNER, _OWNER], [{"name": "x"}], [{**_OWNER, "uid": ""}], 1],
    "managedFields": [[{"manager": "x", "operation": "Nonsense"}], [], "x", [{"apiVersion": 1}]],
    "creationTimestamp": [None, "2026-01-19T00:00:00Z", "then"],
    "deletionTimestamp": [None, "2026-01-19T00:00:00Z"],
    "deletionGracePeriodSeconds": [3, -1, "x"],
    "generation": [7, -1, "x"],
    "selfLink": ["/x", 1],
    "unknown": [1],
}
_WHOLE: JSON = {
    "apiVersion": [f"{GROUP}/v1", f"{GROUP}/v7", "other.example/v1", "", None, 1, "a/b/c"],
    "kind": ["Other", "", None, 1, "List"],
    "metadata": [None, {}, "x", [], {"name": "two"}],
    "spec": judge_schemas.ANYTHING,
    "status": judge_schemas.ANYTHING,
    "unknown": [1],
}


def object_of(rng: random.Random, crd: JSON, version: JSON) -> JSON:
    """An object of a CRD, most often with a few places spoiled."""
    found: JSON = {
        "apiVersion": f"{crd['spec']['group']}/{version['name']}",
        "kind": crd["spec"]["names"]["kind"],
        "metadata": {"name": NAME},
        **judge_schemas.value_of(rng, version["schema"]["openAPIV3Schema"]),
    }
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
        _spoil_object(rng, found)
    return found


def _spoil_object(rng: random.Random, found: JSON) -> None:
    """Change a few places of an object's body, of its metadata or of the whole."""
    draw = rng.randrange(100)
    bodies = [inner for name in ("spec", "status") for inner in _objects_in(found.get(name))]
    if draw < 15 and isinstance(found.get("metadata"), dict):
        spoil(rng, found["metadata"], _METADATA)
    elif draw < 22 or not bodies:
        spoil(rng, found, _WHOLE)
    else:
        spoil(rng, rng.choice(bodies), dict.fromkeys(judge_schemas.FIELDS, judge_schemas.ANYTHING))


def changed(rng: random.Random, stored: JSON, drawn: JSON) -> JSON:
    """What an update of a stored object may send: some of it as it is, some as drawn."""
    found = copy.deepcopy(stored)
    for name in ("spec", "status", "kind", "apiVersion"):
        if name in drawn and judge_schemas.chance(rng, 60):
            found[name] = drawn[name]
    if isinstance(drawn.get("metadata"), dict):
        found["metadata"] |= {key: one for key, one in drawn["metadata"].items() if key != "name"}
    for _ in range(rng.choice([0, 1])):
        _spoil_object(rng, found)
    return found
