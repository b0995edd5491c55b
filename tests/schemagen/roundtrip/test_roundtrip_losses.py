"""What the proof of round trips once found: nothing of it is lost, and the proof calls none so."""

import json
from typing import Any

import pytest

import crds
from schemagen import Api, Kind
from schemagen.roundtrip import Case, Change, Edit, Trial
from schemagen.roundtrip.differences import Item, Path
from schemagen.versions import graph
from schemagen.versions.steps import ABSENT
from tests.support import harbor


def kind_of(api: Api, name: str) -> Kind:
    return next(kind for kind in api if kind.name == name)


def stored(api: Api, kind: str, version: str, **members: Any) -> dict[str, Any]:
    head = {"apiVersion": f"{api.group}/{version}", "kind": kind, "metadata": {"name": "x"}}
    return {**head, **members}


def berth(version: str, *ports: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return stored(harbor.api, "Berth", version, spec={"ports": [*ports], **spec})


def berth_v1(**members: Any) -> dict[str, Any]:
    return stored(harbor.api, "Berth", "v1", **members)


def provider(version: str, spec: dict[str, Any]) -> dict[str, Any]:
    return stored(crds.api, "AgentProvider", version, spec=spec)


def agent(*env: dict[str, Any]) -> dict[str, Any]:
    spec = {"providerRef": {"name": "p"}, "env": [*env]}
    return stored(crds.api, "Agent", "v1alpha1", spec=spec)


def workflow_run(*steps: dict[str, Any]) -> dict[str, Any]:
    spec = {
        "agentRef": {"name": "a"},
        "implementation": {"inline": {"text": ""}},
        "runtime": {"type": "workflow"},
        "workflow": {"steps": [*steps]},
    }
    return stored(crds.api, "AgentRun", "v1alpha1", spec=spec)


def source(*signing: dict[str, Any], **ingestion: Any) -> dict[str, Any]:
    credentials = {"secretKeyRef": {"name": "token", "key": "k"}}
    webhook = {"signingSecretRefs": [*signing]}
    spec = {"linear": {}, "credentials": credentials}
    ingestion |= {"webhook": webhook}
    return stored(crds.api, "ImplementationSource", "v1beta1", spec=spec | {"ingestion": ingestion})


def port(name: str, protocol: str = "TCP") -> Path:
    identity = json.dumps({"name": name, "protocol": protocol}, separators=(",", ":"))
    return ("spec", "ports", Item(identity, ("name", "protocol")))


def write(version: str, *edits: tuple[Path, Any], **how: Any) -> Change:
    return Change(action="spec", version=version, edits=tuple(Edit(*one) for one in edits), **how)


SCTP = ({"name": "a", "protocol": "UDP"}, {"name": ""}, {"name": "a", "protocol": "SCTP"})
ALIKE = ({"name": ""}, {"name": "a", "comment": "c"}, {"name": "a"})
NONE, PHASE, SLOW = {"name": ""}, {"phase": "p"}, {"idle": "5m"}
NEW_TOKEN = ("spec", "auth"), {"secretRef": {"name": "new", "key": "key"}}
# A Secret has no medium: only v1alpha1 can say so.
VOLUME = {"name": "v", "type": "secret", "mountPath": "p", "medium": "x"}
ODD_STEP = {"name": "s", "workload": {"volumes": [VOLUME]}}
POSTGRES = (
    (("spec", "type"), "postgres"),
    (("spec", "connection", "secretRef", "name"), "s"),
    (("spec", "connection", "secretRef", "key"), "k"),
)
MOUNT_PATH: Path = (
    *("spec", "runtime", "workflow", "steps", Item('{"name":"s"}', ("name",))),
    *("workload", "volumes", Item('{"name":"v"}', ("name",)), "mountPath"),
)
EXTRA: Path = ("spec", "adapter", "extra")

CASES: dict[str, tuple[Api, Case]] = {
    "a default in its author's spelling, after it was stored in the version that counts": (
        harbor.api,
        Case(
            origin="v3",
            storage="v1",
            value=stored(harbor.api, "Berth", "v3", spec={}),
            changes=(
                write("v1", (("spec", "ports"), [{"name": "a"}]), replaces=True),
                Change(action="store", version="v2"),
            ),
        ),
    ),
    "a value beyond the bound of the version between, beside an edit": (
        harbor.api,
        Case(
            origin="v3",
            storage="v1",
            value=berth("v3", {"name": "a", "timeout": {"idle": "55m"}}, retention="5m"),
            changes=(write("v1", (("spec", "keepDays"), 0)),),
        ),
    ),
    "a value beyond the bound of the version between, of an item that is known by its place": (
        harbor.api,
        Case(
            origin="v3",
            storage="v3",
            value=berth(
                "v3",
                {"name": "", "protocol": "SCTP"},
                {"name": "", "timeout": {"idle": "67m"}},
            ),
            changes=(
                Change(action="status", version="v1", edits=(Edit(("status", "progress"), 1),)),
            ),
        ),
    ),
    "the same, beside an edit of the item": (
        harbor.api,
        Case(
            origin="v3",
            storage="v1",
            value=berth(
                "v3",
                {"name": ""},
                {"name": "", "protocol": "SCTP", "timeout": {"idle": "55m"}},
            ),
            changes=(write("v1", (("spec", "ports", 1, "number"), 80)),),
        ),
    ),
    "a value that its version does not know, beside a default of the version between": (
        harbor.api,
        Case(
            origin="v1",
            storage="v1",
            value=berth_v1(spec={"mode": "s"}),
            is_broken=True,
            changes=(
                Change(
                    action="labels", version="v3", edits=(Edit(("metadata", "labels", "a"), "b"),)
                ),
            ),
        ),
    ),
    "an item of a list with repeated names, beside an edited one": (
        harbor.api,
        Case(
            origin="v1",
            storage="v2",
            value=berth("v1", *ALIKE),
            changes=(write("v2", (("spec", "ports", 0, "number"), 1)),),
        ),
    ),
    "an edited item of which there is another one alike": (
        harbor.api,
        Case(
            origin="v1",
            storage="v2",
            value=berth("v1", *ALIKE),
            changes=(write("v2", (("spec", "ports", 1, "number"), 1)),),
        ),
    ),
    "a key that the other version cannot say, beside an edited item": (
        harbor.api,
        Case(
            origin="v3",
            storage="v3",
            value=berth("v3", *SCTP),
            changes=(write("v2", ((*port(""), "idleSeconds"), 7)),),
        ),
    ),
    "a key that the other version cannot say, beside an edited key": (
        harbor.api,
        Case(
            origin="v3",
            storage="v2",
            value=berth("v3", *SCTP),
            changes=(write("v2", ((*port(""), "protocol"), "UDP"), replaces=True),),
        ),
    ),
    "a key that the other version cannot say, beside a removed item": (
        harbor.api,
        Case(
            origin="v3",
            storage="v1",
            value=berth("v3", *SCTP),
            changes=(write("v2", (port("a", "UDP"), ABSENT), replaces=True),),
        ),
    ),
    "defaults of the writer's version in the items of a list without keys": (
        harbor.api,
        Case(
            origin="v2",
            storage="v2",
            value=berth("v2"),
            changes=(write("v1", (("spec", "ports"), [{"name": ""}, {"name": "a"}]), by="v2"),),
        ),
    ),
    "defaults of the writer's version in a list that has repeated keys": (
        harbor.api,
        Case(
            origin="v1",
            storage="v1",
            is_broken=True,
            value=berth(
                "v1", {"name": "", "protocol": "udp"}, {"name": ""}, {"name": "", "protocol": "udp"}
            ),
            changes=(write("v3", (("spec", "ports", 1, "number"), ABSENT), by="v1"),),
        ),
    ),
    "a default of the writer's version for what is no longer applied": (
        harbor.api,
        Case(
            origin="v3",
            storage="v2",
            value=stored(harbor.api, "Berth", "v3", spec={}),
            changes=(write("v1", (("spec", "mode"), ABSENT), by="v2"),),
        ),
    ),
    "an order of a list without keys that the version of the write does not tell apart": (
        harbor.api,
        Case(
            origin="v1",
            storage="v1",
            value=berth_v1(spec={"secrets": ["b", "a"]}),
            changes=(write("v3", (("spec", "secretRefs"), [{"name": "a"}, {"name": "b"}])),),
        ),
    ),
    "an order that the version of the write does not tell apart": (
        harbor.api,
        Case(
            origin="v2",
            storage="v1",
            value=berth("v2", {"name": "b"}, {"name": "a"}),
            changes=(
                write("v3", (("spec", "ports"), [{"name": "a", "number": 1}, {"name": "b"}])),
            ),
        ),
    ),
    "the words of before, where the other version says again what it said": (
        crds.api,
        Case(
            origin="v1alpha1",
            storage="v1beta1",
            value=provider("v1alpha1", {"binary": ""}),
            changes=(
                write("v1beta1", (EXTRA, {"unknownToAll": []})),
                write("v1beta1", (EXTRA, ABSENT)),
            ),
        ),
    ),
    "two items of one key that are applied beside two that are there": (
        harbor.api,
        Case(
            origin="v1",
            storage="v1",
            value=berth_v1(
                spec={"ports": [{"name": ""}, {"name": ""}], "secrets": ["a"]},
            ),
            changes=(
                write(
                    "v2",
                    (("spec", "secretRefs", Item('{"name":"b"}', ("name",))), {"name": "a"}),
                    by="v3",
                ),
            ),
        ),
    ),
    "a text that stands twice, beside an order that the version of the write does not tell apart": (
        harbor.api,
        Case(
            origin="v1",
            storage="v1",
            value=berth_v1(spec={"secrets": ["", "", "b", "a"]}),
            changes=(write("v3", (("spec", "secretRefs"), [{"name": "a"}, {"name": "b"}, NONE])),),
        ),
    ),
    "the same, stored in the version of the write": (
        harbor.api,
        Case(
            origin="v1",
            storage="v3",
            value=berth_v1(spec={"secrets": ["", "b", "a", "b"]}),
            changes=(
                write("v3", (("spec", "secretRefs"), [{"name": "b"}, NONE, {"name": "a"}])),
                Change(action="store", version="v2"),
            ),
        ),
    ),
    "a number beyond the bound of the other version, beside what only that one says": (
        harbor.api,
        Case(
            origin="v1",
            storage="v1",
            value=berth_v1(spec={"replicas": 2**31}, status=PHASE),
            is_broken=True,
            changes=(
                write("v2", (("spec", "secretRefs"), [{"name": "a", "key": "own"}])),
                Change(action="store", version="v2"),
            ),
        ),
    ),
    "a word without another one, beside what only the other version says of items and entries": (
        harbor.api,
        Case(
            origin="v1",
            storage="v1",
            value=berth_v1(
                spec={"mode": "odd", "ports": [{"name": "a"}], "regions": {"r": {}}},
                status=PHASE,
            ),
            is_broken=True,
            changes=(
                write("v2", ((*port("a"), "idleSeconds"), 7)),
                write("v2", (("spec", "regions", "r", "zone"), "z")),
                Change(action="store", version="v2"),
            ),
        ),
    ),
    "a word without another one, beside two defaults for it, of which each is stored in turn": (
        harbor.api,
        Case(
            origin="v1",
            storage="v1",
            value=berth_v1(spec={"mode": "odd"}, status=PHASE),
            is_broken=True,
            changes=(
                write("v3", (("spec", "owner"), "me")),
                Change(action="store", version="v3"),
                Change(action="store", version="v2"),
            ),
        ),
    ),
    "a default of the version that is written, beside a status that has none": (
        harbor.api,
        Case(
            origin="v1",
            storage="v2",
            value=berth_v1(spec={"mode": "odd"}, status=PHASE),
            is_broken=True,
            changes=(write("v3", (("spec", "owner"), "me")),),
        ),
    ),
    "an item beside one that gets its key where the list has none": (
        harbor.api,
        Case(
            origin="v2",
            storage="v3",
            value=berth("v2", {"name": "a"}, {"name": "a", "protocol": "UDP", "idleSeconds": 0}),
            changes=(write("v1", (("spec", "ports", 0, "protocol"), "udp")),),
        ),
    ),
    "the same where the item that gets the key had something to lose, as another item": (
        harbor.api,
        Case(
            origin="v3",
            storage="v2",
            value=berth("v3", {"name": "a", "protocol": "UDP", "timeout": SLOW}, {"name": "a"}),
            changes=(write("v1", (("spec", "ports", 0, "protocol"), "tcp")),),
        ),
    ),
    "the same where the order of items is told": (
        harbor.api,
        Case(
            origin="v2",
            storage="v2",
            value=berth("v2", {"name": "a", "protocol": "UDP", "idleSeconds": 0}, {"name": "a"}),
            changes=(write("v1", (("spec", "ports", 0, "protocol"), "tcp")),),
        ),
    ),
    "the same of an item that comes first": (
        harbor.api,
        Case(
            origin="v2",
            storage="v2",
            value=berth("v2", {"name": "a", "idleSeconds": 0}, {"name": "b"}, {"name": "c"}),
            changes=(write("v1", (("spec", "ports", 2, "name"), "a")),),
        ),
    ),
    "an item that is applied beside one of its key, where a stored list repeats another": (
        harbor.api,
        Case(
            origin="v1",
            storage="v2",
            value=berth_v1(
                spec={"ports": [{"name": ""}, {"name": ""}], "secrets": ["a", "a"]},
            ),
            changes=(
                write(
                    "v2",
                    (("spec", "secretRefs", Item('{"name":"b"}', ("name",))), {"name": "a"}),
                    by="v1",
                ),
            ),
        ),
    ),
    "an item that stands twice, where a conversion keeps the last one, beside an edited item": (
        crds.api,
        Case(
            origin="v1alpha1",
            storage="v1alpha1",
            value=agent({"name": "y"}, NONE, NONE, {"name": "y"}),
            changes=(
                write(
                    "v1beta1",
                    (("spec", "env", Item('{"name":"y"}', ("name",)), "name"), "z"),
                    by="v1alpha1",
                ),
            ),
        ),
    ),
    "the same, beside another order": (
        crds.api,
        Case(
            origin="v1alpha1",
            storage="v1beta1",
            value=agent({"name": "x"}, {"name": "y"}, NONE, NONE),
            changes=(write("v1beta1", (("spec", "env"), [{"name": "y"}, NONE, {"name": "x"}])),),
        ),
    ),
    "an item that stands twice, beside one of which a nested member finds no way": (
        crds.api,
        Case(
            origin="v1alpha1",
            storage="v1alpha1",
            value=workflow_run({"name": "x"}, {"name": "x"}, ODD_STEP),
            changes=(write("v1beta1", (MOUNT_PATH, "z")),),
        ),
    ),
    "an item that stands twice, and first before another one, beside an edited item": (
        crds.api,
        Case(
            origin="v1alpha1",
            storage="v1alpha1",
            value=agent({"name": "x"}, {"name": "y"}, {"name": "x"}, {"name": "z"}),
            changes=(
                write("v1beta1", (("spec", "env", Item('{"name":"z"}', ("name",)), "value"), "")),
            ),
        ),
    ),
    "a stored item without a later default, where another one has its key": (
        harbor.api,
        Case(
            origin="v3",
            storage="v3",
            value=stored(
                *(harbor.api, "Berth", "v3"),
                spec={"secretRefs": [{"name": "a", "key": ""}, {"name": "a"}]},
            ),
            is_broken=True,
            changes=(
                Change(action="status", version="v1", edits=(Edit(("status", "phase"), "p"),)),
            ),
        ),
    ),
    "an item that stands twice, of which the version of the write lists and changes one": (
        crds.api,
        Case(
            origin="v1beta1",
            storage="v1beta1",
            value=stored(crds.api, "Memory", "v1beta1", spec={"capabilities": ["KV", "KV"]}),
            is_broken=True,
            changes=(
                write("v1alpha1", *POSTGRES),
                write("v1beta1", (("spec", "capabilities", 1), "Blob")),
            ),
        ),
    ),
    "an item behind one that stands twice, which gets a default of the client's version": (
        crds.api,
        Case(
            origin="v1alpha1",
            storage="v1beta1",
            value=workflow_run(NONE, NONE, {"name": "x", "loop": {"maxIterations": 1}}),
            changes=(
                write(
                    "v1beta1",
                    (
                        (*MOUNT_PATH[:4], Item('{"name":"x"}', ("name",)), "loop"),
                        {"maxIterations": 1, "while": {"cel": "c", "control": {}}},
                    ),
                    by="v1alpha1",
                ),
            ),
        ),
    ),
    "such an item that stands twice itself, where another one is between": (
        crds.api,
        Case(
            origin="v1alpha1",
            storage="v1beta1",
            value=workflow_run(ODD_STEP, {"name": "x"}, ODD_STEP),
            changes=(write("v1beta1", (MOUNT_PATH[:4], [{"name": "x"}, {"name": "s"}])),),
        ),
    ),
    "two items of one name that say different things, beside one that is edited": (
        crds.api,
        Case(
            origin="v1alpha1",
            storage="v1alpha1",
            value=workflow_run(
                {"name": "x"}, {"name": "x"}, ODD_STEP, {"name": "y"}, {"name": "y", "retries": 7}
            ),
            changes=(write("v1beta1", (MOUNT_PATH, "z")),),
        ),
    ),
    "a field that is written as a whole": (
        crds.api,
        Case(
            origin="v1beta1",
            storage="v1alpha1",
            value=source({"name": "own", "key": "k"}, mode="Webhook"),
            changes=(write("v1alpha1", NEW_TOKEN),),
        ),
    ),
}


@pytest.mark.parametrize(("api", "case"), CASES.values(), ids=CASES)
def test_nothing_is_lost(api: Api, case: Case) -> None:
    loss = Trial(api, kind_of(api, case.value["kind"])).replay(case)

    assert loss is None


def through(
    value: dict[str, Any], version: str, edit: tuple[Path, Any], api: Api = harbor.api
) -> dict[str, Any]:
    """An object after an edit in another version."""
    kind = kind_of(api, value["kind"])
    origin = value["apiVersion"].rpartition("/")[2]
    there = graph.convert(api, kind, value, source=origin, target=version).object
    changed = write(version, edit).edited(there)
    return graph.convert(api, kind, changed, source=version, target=origin).object


@pytest.mark.parametrize(
    ("edit", "comments"),
    [
        ((("spec", "ports", 0, "number"), 1), [None, "c", None]),
        ((("spec", "ports", 1, "number"), 1), [None, "c", None]),
        ((("spec", "ports", 2, "number"), 1), [None, "c", None]),
        ((("spec", "ports", 0), ABSENT), ["c", None]),
        ((("spec", "ports", 2), ABSENT), [None, None]),
        ((("spec", "ports"), [{"name": "b"}, {"name": "a"}, {"name": "a"}]), [None, "c", None]),
        ((("spec", "ports"), []), []),
    ],
    ids=[
        "the first",
        "itself",
        "the one alike",
        "the first removed",
        "the one alike removed",
        "another first one",
        "all removed",
    ],
)
def test_item_that_nothing_tells_apart_is_known_by_its_place(
    edit: tuple[Path, Any], comments: list[str | None]
) -> None:
    found = through(berth("v1", *ALIKE), "v2", edit)

    assert comments == [one.get("comment") for one in found["spec"]["ports"]]


def test_item_that_moves_among_items_of_one_name_is_known_by_its_value() -> None:
    first, second = {"name": "a", "number": 1, "comment": "c"}, {"name": "a", "number": 2}
    moved = [{"name": "b", "number": 3}, {"name": "a", "number": 2}, {"name": "a", "number": 1}]

    found = through(berth("v1", first, second), "v2", (("spec", "ports"), moved))

    assert ["b", "a", "a"] == [one["name"] for one in found["spec"]["ports"]]
    assert [None, None, "c"] == [one.get("comment") for one in found["spec"]["ports"]]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("ba", "baba"),
        ("abc", "abbac"),
        ("cab", "cabba"),
        ("ac", "aca"),
        ("cd", "cd"),
        ("", ""),
        ("abcdef", "abcdef"),
    ],
    ids=[
        "another order",
        "one added",
        "one added in front",
        "another one for one",
        "others",
        "none",
        "more than there may be",
    ],
)
def test_text_of_a_list_stands_there_as_often_after_an_edit_beside_it(
    names: str, expected: str
) -> None:
    value = berth_v1(spec={"groups": [*"abba"]})

    found = through(value, "v2", (("spec", "groups"), [*names]))

    assert [*expected] == found["spec"]["groups"]


@pytest.mark.parametrize("own", [["own"], ["own", "token"], ["token", "own"]])
def test_token_written_in_v1alpha1_signs_alone(own: list[str]) -> None:
    value = source(*({"name": name, "key": "k"} for name in own), mode="Webhook")

    found = through(value, "v1alpha1", NEW_TOKEN, crds.api)

    signing = {"signingSecretRefs": [{"name": "new", "key": "key"}]}
    assert {"mode": "Webhook", "webhook": signing} == found["spec"]["ingestion"]
