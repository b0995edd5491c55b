"""The configuration of another declarative converter: what maps, and what is said of the rest."""

import pathlib
from typing import Any

import pytest

from schemagen import yaml
from schemagen.problems import JSON, UserError
from schemagen.versions import graph, verification
from schemagen.versions.declared import foreign, kinds, loading
from tests.support.forked_commands import Commands

TEXT = {"type": "string"}
NUMBER = {"type": "integer"}
TEXTS = {"type": "array", "items": TEXT}


def fields(**properties: JSON) -> JSON:
    return {"type": "object", "properties": properties}


OLD = fields(
    storageSize=NUMBER,
    replicas=fields(count=NUMBER),
    cidr=TEXT,
    zone=TEXT,
    limits={"type": "object", "additionalProperties": TEXT},
    size={"type": "string", "enum": ["S", "L"]},
    memoryGB=NUMBER,
    dns=TEXT,
    priority=TEXT,
    wait=TEXT,
    value=TEXT,
    unit=TEXT,
    flag=TEXT,
    volumes={"type": "array", "items": fields(path=TEXT)},
    users={"type": "object", "additionalProperties": fields(role=TEXT)},
)
NEW = fields(
    storage=NUMBER,
    replicaCount=NUMBER,
    network=fields(cidr=TEXT),
    zones=TEXTS,
    cpuLimit=TEXT,
    size={"type": "string", "enum": ["Small", "Large"]},
    memoryMB=NUMBER,
    dnsServers=TEXTS,
    priority=NUMBER,
    waitSeconds=NUMBER,
    disk=TEXT,
    newFlag=TEXT,
    volumes={"type": "array", "items": fields(mountPath=TEXT)},
    users={"type": "array", "items": fields(name=TEXT, role=TEXT)},
)


def crd() -> JSON:
    versions = [
        {
            "name": name,
            "served": True,
            "storage": name == "v2",
            "schema": {"openAPIV3Schema": fields(spec=spec)},
        }
        for name, spec in (("v1", OLD), ("v2", NEW))
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets"},
            "versions": versions,
        },
    }


def rule(strategy: str, name: str, **arguments: JSON) -> JSON:
    return {"strategy": strategy, name: arguments}


RULES = [
    rule("FieldRename", "fieldRename", hubPath="spec.storage", spokePath="spec.storageSize"),
    rule(
        "ScalarToObject",
        "scalarToObject",
        hubPath="spec.replicaCount",
        spokePath="spec.replicas",
        key="count",
    ),
    rule(
        "ObjectToScalar",
        "objectToScalar",
        hubPath="spec.network",
        spokePath="spec.cidr",
        key="cidr",
    ),
    rule(
        "SingletonArrayToObject",
        "singletonArrayToObject",
        hubPath="spec.zones",
        spokePath="spec.zone",
    ),
    rule(
        "FieldsToMap",
        "fieldsToMap",
        hubPaths=["spec.cpuLimit"],
        spokeMapPath="spec.limits",
        keyNames={"spec.cpuLimit": "cpu"},
    ),
    rule(
        "EnumRemap",
        "enumRemap",
        path="spec.size",
        mapping=[{"hub": "Small", "spoke": "S"}, {"hub": "Large", "spoke": "L"}],
    ),
    rule(
        "NumericScale",
        "numericScale",
        hubPath="spec.memoryMB",
        spokePath="spec.memoryGB",
        factor=1024,
    ),
    rule("ListJoin", "listJoin", hubPath="spec.dnsServers", spokePath="spec.dns", separator=","),
    rule("TypeCoerce", "typeCoerce", path="spec.priority"),
    rule("Duration", "duration", hubPath="spec.waitSeconds", spokePath="spec.wait"),
    rule(
        "ScalarToFields",
        "scalarToFields",
        hubPath="spec.disk",
        pattern="(?P<value>.*)-(?P<unit>.*)",
        spokeFields={"value": "spec.value", "unit": "spec.unit"},
        joinTemplate="{{.value}}-{{.unit}}",
    ),
    rule(
        "JSONPatch",
        "jsonPatch",
        hubToSpoke=[{"op": "move", "from": "/spec/newFlag", "path": "/spec/flag"}],
        spokeToHub=[{"op": "move", "from": "/spec/flag", "path": "/spec/newFlag"}],
    ),
    rule(
        "ForEach",
        "forEach",
        hubItemsPath="spec.volumes",
        spokeItemsPath="spec.volumes",
        rules=[rule("FieldRename", "fieldRename", hubPath="mountPath", spokePath="path")],
    ),
    rule(
        "ArrayToMapByKey",
        "arrayToMapByKey",
        hubPath="spec.users",
        spokePath="spec.users",
        keyField="name",
    ),
]


def configuration(*rules: JSON, **spec: JSON) -> JSON:
    return {
        "apiVersion": "terasky.com/v1alpha1",
        "kind": "CRDConversionConfig",
        "metadata": {"name": "widgets"},
        "spec": {
            "targetCRD": {"name": "widgets.example.com"},
            "hubVersion": "v2",
            "spokes": [{"version": "v1", "rules": [*rules]}],
            **spec,
        },
    }


def test_rules_become_steps_that_convert_as_they_do(
    commands: Commands, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "crd.yaml").write_text(yaml.dumps(crd()))
    (tmp_path / "config.yaml").write_text(yaml.dumps(configuration(*RULES)))
    done = commands.run(
        *("schemagen", "suggest", "crd.yaml", "--from", "config.yaml", "-o", "found.yaml"),
        cwd=tmp_path,
    )
    assert 0 == done.code, done.err
    api = loading.load([str(tmp_path / "crd.yaml")], [str(tmp_path / "found.yaml")])
    verification.check(api)
    old = {
        "storageSize": 1,
        "replicas": {"count": 2},
        "cidr": "10.0.0.0/8",
        "zone": "a",
        "limits": {"cpu": "1"},
        "size": "L",
        "memoryGB": 2,
        "dns": "1.1.1.1,8.8.8.8",
        "priority": "5",
        "wait": "1m30s",
        "value": "50",
        "unit": "Gi",
        "flag": "f",
        "volumes": [{"path": "/"}],
        "users": {"ann": {"role": "admin"}},
    }
    value = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {}, "spec": old}

    new = graph.convert(api, api.kinds[0], value, source="v1", target="v2").object

    assert {
        "storage": 1,
        "replicaCount": 2,
        "network": {"cidr": "10.0.0.0/8"},
        "zones": ["a"],
        "cpuLimit": "1",
        "size": "Large",
        "memoryMB": 2048,
        "dnsServers": ["1.1.1.1", "8.8.8.8"],
        "priority": 5,
        "waitSeconds": 90,
        "disk": "50-Gi",
        "newFlag": "f",
        "volumes": [{"mountPath": "/"}],
        "users": [{"name": "ann", "role": "admin"}],
    } == new["spec"]


UNMAPPED: dict[str, tuple[JSON, str]] = {
    "an annotation": (
        rule("ToAnnotation", "toAnnotation", hubPath="spec.disk", key="a/b"),
        (
            "v1:rules[0].toAnnotation: does not map: a field of one version stays with the object "
            "without a step, and no annotation of its own is written"
        ),
    ),
    "a condition": (
        {**RULES[0], "when": {"path": "spec.size", "equals": "S"}},
        "v1:rules[0].fieldRename: does not map: a rule for some objects only (when) has no step",
    ),
    "a quantity": (
        rule("Quantity", "quantity", hubPath="spec.memoryMB", spokePath="spec.unit"),
        "v1:rules[0].quantity: does not map: there is no step between a quantity and an integer",
    ),
    "a patch that adds": (
        rule("JSONPatch", "jsonPatch", hubToSpoke=[{"op": "add", "path": "/spec/a", "value": 1}]),
        (
            "v1:rules[0].jsonPatch: does not map: only a JSON patch that moves fields there and "
            "back has steps"
        ),
    ),
    "a pattern": (
        rule(
            "ScalarToFields",
            "scalarToFields",
            hubPath="spec.disk",
            spokeFields={"value": "spec.value", "unit": "spec.unit"},
            joinTemplate="{{.value}}{{.unit}}",
        ),
        (
            "v1:rules[0].scalarToFields: does not map: only parts with one separator between them "
            "have a step"
        ),
    ),
    "a dropped field": (
        rule("Delete", "delete", path="spec.flag", existsOn="Spoke"),
        (
            "v1:rules[0].delete: needs no step: a field of one version stays with the object "
            "without a step; forget spec.flag if it must not"
        ),
    ),
    "a strategy that is new": (
        rule("Cel", "cel", expression="self"),
        "v1:rules[0].cel: does not map: it is no known strategy",
    ),
    "arguments that are missing": (
        {"strategy": "FieldRename"},
        (
            "v1:rules[0].fieldRename: does not map: expected the arguments of the strategy, got no "
            "'hubPath'"
        ),
    ),
}


@pytest.mark.parametrize(("given", "said"), UNMAPPED.values(), ids=[*UNMAPPED])
def test_what_does_not_map_is_said(given: JSON, said: str) -> None:
    (found,) = foreign.translated(configuration(given), "widgets.example.com", kinds.nodes(crd()))

    assert [said] == [*map(str, found.questions)]
    assert [] == found.steps


def test_settings_are_said_one_by_one() -> None:
    value = configuration(driftPolicy="FailClosed", conversionReviewVersions=["v1"])
    (found,) = foreign.translated(value, "widgets.example.com", kinds.nodes(crd()))

    assert {
        (
            "spec.driftPolicy: does not map: CRDs and conversions are read, and checked, when the "
            "server starts"
        ),
        "spec.conversionReviewVersions: does not map: reviews are of version v1",
    } == {*map(str, found.questions)}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (configuration(hubVersion="v3"), "expected a version of the CRD (v1, v2), got v3"),
        (
            configuration(targetCRD={"name": "gadgets.example.com"}),
            "expected a configuration of widgets.example.com, got one of 'gadgets.example.com'",
        ),
    ],
)
def test_a_configuration_of_something_else_is_refused(value: Any, message: str) -> None:
    with pytest.raises(UserError) as error:
        foreign.translated(value, "widgets.example.com", kinds.nodes(crd()))

    assert message == str(error.value)
