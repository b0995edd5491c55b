"""managedFields of a dropped version, carried over to the one that stays."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemagen.migrate.storage import field_sets, ownership, renames

OLD, NEW = "example.com/v1alpha1", "example.com/v1"
KEYED = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
    "items": {"type": "object", "properties": {"name": {"type": "string"}}},
}
SCHEMA = {"properties": {"spec": {"properties": {"parts": KEYED, "pieces": KEYED}}}}


def entry(manager: str, version: str, fields: dict[str, Any], time: str = "t1") -> dict[str, Any]:
    return {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": version,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }


def value(*entries: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"managedFields": [*entries]}, "spec": spec}


def of_spec(*names: str) -> dict[str, Any]:
    return {"f:spec": {f"f:{name}": {} for name in names}} if names else {}


def carried(
    older: dict[str, Any], newer: dict[str, Any], *entries: dict[str, Any]
) -> ownership.Carried:
    """The result of dropping the older version of an object with these specs."""
    found = renames.between(value(**older), value(**newer), SCHEMA, SCHEMA)
    return ownership.carried(value(*entries, **newer), {OLD}, NEW, {OLD: found})


def test_an_entry_keeps_the_fields_that_the_object_has() -> None:
    parts: dict[str, Any] = {'k:{"name":"a"}': {".": {}, "f:name": {}}}
    fields: dict[str, Any] = {"f:spec": {"f:note": {}, "f:gone": {}, "f:parts": parts}}
    thing = value(entry("gitops", OLD, fields), note="x", parts=[{"name": "a"}])

    done = ownership.carried(thing, {OLD}, NEW, {})

    kept: dict[str, Any] = {"f:spec": {"f:note": {}, "f:parts": parts}}
    assert [entry("gitops", NEW, kept)] == done.entries
    assert ["spec.gone of gitops"] == done.unclear


def test_items_of_sets_and_lists_are_found() -> None:
    fields: dict[str, Any] = {
        "f:spec": {"f:tags": {'v:"a"': {}, 'v:"b"': {}}, "f:list": {"i:0": {}, "i:5": {}}}
    }
    thing = value(entry("gitops", OLD, fields), tags=["b"], list=[1])

    (kept,) = ownership.carried(thing, {OLD}, NEW, {}).entries

    expected: dict[str, Any] = {"f:spec": {"f:tags": {'v:"b"': {}}, "f:list": {"i:0": {}}}}
    assert expected == kept["fieldsV1"]


def test_two_entries_of_a_manager_become_one_with_the_fields_of_both() -> None:
    older = entry("gitops", OLD, of_spec("a"), "t1")
    newer = entry("gitops", NEW, of_spec("b"), "t2")

    done = ownership.carried(value(newer, older, a=1, b=2), {OLD}, NEW, {})

    assert [entry("gitops", NEW, of_spec("a", "b"), "t2")] == done.entries


def test_an_entry_of_none_of_the_objects_fields_is_dropped() -> None:
    thing = value(entry("x", OLD, of_spec("a")))

    assert [] == ownership.carried(thing, {OLD}, NEW, {}).entries


def test_the_owner_of_a_renamed_field_owns_it_under_its_new_name() -> None:
    owner = entry("gitops", OLD, of_spec("size", "note"))

    done = carried({"size": 3, "note": "x"}, {"replicas": 3, "note": "x"}, owner)

    assert [entry("gitops", NEW, of_spec("note", "replicas"))] == done.entries
    assert [] == done.unclear


def test_fields_of_several_owners_are_told_apart_by_their_values() -> None:
    one, other = entry("a", OLD, of_spec("size")), entry("b", OLD, of_spec("image"))

    done = carried({"size": 3, "image": "i"}, {"replicas": 3, "source": {"ref": "i"}}, one, other)

    nested: dict[str, Any] = {"f:spec": {"f:source": {"f:ref": {}}}}
    assert [entry("a", NEW, of_spec("replicas")), entry("b", NEW, nested)] == done.entries


def test_of_equal_values_those_of_one_name_are_the_same() -> None:
    one, other = entry("a", OLD, of_spec("x")), entry("b", OLD, of_spec("y"))

    done = carried({"x": 1, "y": 1}, {"limits": {"x": 1, "y": 1}}, one, other)

    assert ["f:x", "f:y"] == [
        *(name for kept in done.entries for name in kept["fieldsV1"]["f:spec"]["f:limits"])
    ]


def test_items_of_a_renamed_list_keep_their_owners() -> None:
    def owned(name: str, item: str) -> dict[str, Any]:
        keys: dict[str, Any] = {f'k:{{"name":"{item}"}}': {".": {}, "f:name": {}}}
        return {"f:spec": {f"f:{name}": keys}}

    # As the API server spells it.
    one, other = entry("a", OLD, owned("parts", "x")), entry("b", OLD, owned("parts", "\\u003cy"))
    items = [{"name": "x"}, {"name": "<y"}]

    done = carried({"parts": items}, {"pieces": items}, one, other)

    assert [owned("pieces", "x"), owned("pieces", "<y")] == [
        kept["fieldsV1"] for kept in done.entries
    ]


def test_what_one_manager_owned_is_its_own_however_it_was_converted() -> None:
    owner, other = entry("gitops", OLD, of_spec("endpoint")), entry("later", NEW, of_spec("extra"))

    done = carried({"endpoint": "host:80"}, {"host": "host", "port": 80, "extra": 1}, owner, other)

    assert [entry("gitops", NEW, of_spec("host", "port")), other] == done.entries


def test_what_is_new_in_the_status_is_not_the_owners_of_the_spec() -> None:
    older, newer = value(size="1"), {**value(replicas=1), "status": {"phase": "Ready"}}
    owner = entry("gitops", OLD, of_spec("size"))
    newer["metadata"] = {"managedFields": [owner]}

    found = renames.between(older, newer, SCHEMA, SCHEMA)
    done = ownership.carried(newer, {OLD}, NEW, {OLD: found})

    assert [entry("gitops", NEW, of_spec("replicas"))] == done.entries


def test_what_cannot_be_told_apart_is_nobodys_and_said() -> None:
    one, other = entry("a", OLD, of_spec("x")), entry("b", OLD, of_spec("y"))

    done = carried({"x": "1s", "y": "2s"}, {"first": 1000, "second": 2000}, one, other)

    assert [] == done.entries
    assert ["spec.x of a", "spec.y of b"] == done.unclear


def test_a_field_without_a_counterpart_is_not_missed() -> None:
    owner = entry("gitops", OLD, of_spec("legacy", "note"))

    done = carried({"legacy": 1, "note": "x"}, {"note": "x"}, owner)

    assert [entry("gitops", NEW, of_spec("note"))] == done.entries
    assert [] == done.unclear


NAMES = st.sampled_from("abcd")


@given(st.dictionaries(NAMES, st.integers()), st.sets(NAMES), st.sets(NAMES))
def test_no_owner_of_a_field_that_is_there_is_lost(
    spec: dict[str, int], older: set[str], newer: set[str]
) -> None:
    entries = [
        entry("m", version, of_spec(*sorted(names & spec.keys())))
        for version, names in ((OLD, older), (NEW, newer))
    ]

    done = ownership.carried(value(*entries, **spec), {OLD}, NEW, {}).entries

    owned = {name for one in done for name in one["fieldsV1"].get("f:spec", {})}
    assert {f"f:{name}" for name in (older | newer) & spec.keys()} == owned
    assert ownership.versions({"metadata": {"managedFields": done}}, "example.com") <= {"v1"}


@given(st.dictionaries(NAMES, st.integers(), min_size=1), st.data())
def test_every_owner_of_a_renamed_field_owns_it_if_values_differ(
    spec: dict[str, int], data: st.DataObject
) -> None:
    numbered = {name: index for index, name in enumerate(spec)}
    owners = {name: data.draw(st.sets(st.sampled_from("mno")), name) for name in numbered}
    entries = [
        entry(manager, OLD, of_spec(*(name for name in owners if manager in owners[name])))
        for manager in "mno"
    ]

    done = carried(numbered, {name.upper(): item for name, item in numbered.items()}, *entries)

    assert {name.upper(): owners[name] for name in numbered if owners[name]} == {
        name: {one["manager"] for one in done.entries if f"f:{name}" in one["fieldsV1"]["f:spec"]}
        for name in map(str.upper, numbered)
        if owners[name.lower()]
    }


PATHS = st.lists(st.lists(st.sampled_from(["f:a", "f:b", 'k:{"n":1}', "i:0"]), min_size=1))


@given(PATHS)
def test_sets_of_fields_are_read_as_they_are_written(drawn: list[list[str]]) -> None:
    members = {tuple(path) for path in drawn}

    written = json.loads(json.dumps(field_sets.fields_v1(members)))

    assert members == {*field_sets.paths(written)}
