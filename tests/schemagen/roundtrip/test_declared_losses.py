"""What the proof of conversions in YAML once found: nothing of it is lost, on the modelled CRDs."""

import functools
import pathlib
from dataclasses import replace
from typing import Any

import pytest

from schemagen import Api
from schemagen.roundtrip import Case, Change, Edit, Trial
from schemagen.roundtrip.changes import Action
from schemagen.roundtrip.differences import Item, Path
from schemagen.versions.declared import loading
from schemagen.versions.steps import ABSENT

DATA = pathlib.Path(__file__).parents[2] / "data/declared"


@functools.cache
def api(kind: str) -> Api:
    """The Api of one modelled CRD."""
    name = f"{kind.lower()}s.yaml"
    return loading.load([str(DATA / "crds" / name)], [str(DATA / "conversions" / name)])


def case(
    kind: str, version: str, *changes: Change, is_broken: bool = False, **members: Any
) -> Case:
    """An object that is stored in a version, and changed."""
    head = {
        "apiVersion": f"public.example.com/{version}",
        "kind": kind,
        "metadata": {"name": "x"},
    }
    return Case(
        origin=version,
        storage=version,
        value={**head, **members},
        is_broken=is_broken,
        changes=changes,
    )


def write(version: str, *edits: tuple[Path, Any], action: Action = "spec", by: str = "") -> Change:
    return Change(action=action, version=version, edits=tuple(Edit(*one) for one in edits), by=by)


def found_in_etcd(kind: str, version: str, change: Change, **members: Any) -> Case:
    return case(kind, version, change, is_broken=True, **members)


def interval(name: str) -> Path:
    return ("spec", "timeIntervals", Item(f'{{"name":"{name}"}}', ("name",)))


AGAIN = [
    *({"name": "a"}, {"name": "a"}, {"name": "b"}, {"name": "", "comment": "x"}),
    *({"name": "c"}, {"name": ""}, {"name": "b", "months": ["m"]}),
]
HOOKS = {"name": "", "webhookConfigs": [{"url": "x"}]}
STORE = {"secretStoreRef": {"name": "x"}}
# v1beta1 has each name once, and no item without one.
INTERVALS = [{"name": "a"}, {"name": "b"}, {}, {"name": "c", "comment": "x"}, {"name": "a"}]
REPEATED = [{"name": "a"}, {"name": "a"}, {"name": "c", "comment": "x"}, {"name": "c"}]
NOON = "2026-01-02T12:00:00Z"
# v1beta2 has the first of each name; an item is nearer to it that is another one.
VARIABLES = [
    *({"name": "a", "definitionFrom": "x"}, {"name": ""}, {"name": ""}, {"name": "a"}),
    *({"name": "", "value": {}, "definitionFrom": ""}, {"name": "c", "definitionFrom": "x"}),
]

CASES: dict[str, Case] = {
    "a repeated item beside one that has no name": found_in_etcd(
        "AlertmanagerConfig",
        "v1alpha1",
        write("v1beta1", ((*interval("b"), "months"), ["m"]), by="v1alpha1"),
        spec={"muteTimeIntervals": INTERVALS},
    ),
    "repeated items and items of one name": case(
        "AlertmanagerConfig",
        "v1alpha1",
        write("v1beta1", ((*interval("a"), "months"), ["m"])),
        spec={"muteTimeIntervals": REPEATED},
    ),
    "a repeated item before one of a name that is repeated": found_in_etcd(
        "AlertmanagerConfig",
        "v1alpha1",
        write("v1beta1", ((*interval("c"), "months"), ["m"])),
        spec={"muteTimeIntervals": AGAIN},
    ),
    "no loss: an item that its stored version moves and then edits, and nothing names": replace(
        case(
            "AlertmanagerConfig",
            "v1alpha1",
            write("v1beta1", (("spec", "receivers"), [{"name": "a"}, HOOKS, {"name": "b"}])),
            write("v1beta1", (("spec", "receivers", 1, "webhookConfigs", 0, "url"), "y")),
            spec={"receivers": [HOOKS, {"name": ""}]},
        ),
        storage="v1beta1",
    ),
    "no loss: other items, with the object that holds their list": found_in_etcd(
        "AlertmanagerConfig",
        "v1alpha1",
        write("v1beta1", (("spec",), {"timeIntervals": [{"name": "a"}, {"name": ""}]})),
        spec={"muteTimeIntervals": [{}, {"comment": "x"}]},
    ),
    "an empty object of the newer version alone, in objects that only it makes": case(
        "Cluster",
        "v1beta2",
        write("v1beta1", (("spec",), {"paused": True}), by="v1beta2"),
        spec={"topology": {"controlPlane": {"deletion": {}}}},
    ),
    "items of one name beside another value of their object": case(
        "Cluster",
        "v1beta2",
        write("v1beta1", (("spec",), {"topology": {"rolloutAfter": NOON, "variables": VARIABLES}})),
    ),
    "the default of a member, in an object that the newer version leaves empty": found_in_etcd(
        "Cluster",
        "v1beta2",
        write("v1beta1", (("status",), {}), action="status"),
        status={"phase": "", "deprecated": {}},
    ),
    "values of an object that says nothing in the other version but its default": found_in_etcd(
        "Database",
        "v1alpha1",
        write("v1", (("spec",), {"host": "h", "backup": {}}), by="v1alpha1"),
    ),
    "no loss: a text that is repeated, written where only the first one is shown": case(
        "Database",
        "v1",
        write("v1alpha1", (("spec", "owner"), "b")),
        spec={"owners": ["a", "b", "b"]},
    ),
    "a value beside the default of an object that was removed": case(
        "ExternalSecret",
        "v1beta1",
        write("v1alpha1", (("spec",), STORE)),
        spec=STORE | {"target": {"deletionPolicy": "Delete"}},
    ),
    "the same, by server-side apply": case(
        "ExternalSecret",
        "v1beta1",
        write("v1alpha1", (("spec",), STORE), by="v1beta1"),
        spec=STORE | {"target": {"deletionPolicy": "Delete"}},
    ),
    "a value written beside the default of an object that is not stored": case(
        "ExternalSecret",
        "v1alpha1",
        write("v1beta1", (("spec", "target", "deletionPolicy"), "Merge")),
        spec=STORE,
    ),
    "an item that is renamed to the name that its neighbour has": replace(
        case(
            "HTTPRoute",
            "v1",
            write("v1alpha2", (("spec", "parentRefs", 0, "name"), "b")),
            spec={"parentRefs": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]},
        ),
        storage="v1alpha2",
    ),
    "the default of a sentinel, where the newer version has an empty object": found_in_etcd(
        "VirtualServer",
        "v1beta1",
        write("v1alpha1", (("spec", "trafficPolicy"), ABSENT)),
        spec={"retries": {}, "trafficPolicy": "L"},
    ),
}


@pytest.mark.parametrize("one", CASES.values(), ids=CASES)
def test_nothing_is_lost(one: Case) -> None:
    own = api(one.value["kind"])
    [kind] = own

    loss = Trial(own, kind).replay(one)

    assert loss is None
