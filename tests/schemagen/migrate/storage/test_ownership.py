"""managedFields of a dropped version, renamed to the one that stays."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemagen.migrate.storage import ownership

OLD, NEW = "example.com/v1alpha1", "example.com/v1"


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


def test_an_entry_keeps_the_fields_that_the_object_has() -> None:
    fields: dict[str, Any] = {
        "f:spec": {"f:note": {}, "f:size": {}, "f:parts": {'k:{"name":"a"}': {".": {}}}}
    }
    thing = value(entry("gitops", OLD, fields), note="x", replicas=1, parts=[{"name": "a"}])

    renamed = ownership.renamed(thing, {OLD}, NEW)

    kept: dict[str, Any] = {"f:spec": {"f:note": {}, "f:parts": {'k:{"name":"a"}': {".": {}}}}}
    assert [entry("gitops", NEW, kept)] == renamed


def test_items_of_sets_and_lists_are_found() -> None:
    fields: dict[str, Any] = {
        "f:spec": {"f:tags": {'v:"a"': {}, 'v:"b"': {}}, "f:list": {"i:0": {}, "i:5": {}}}
    }
    thing = value(entry("gitops", OLD, fields), tags=["b"], list=[1])

    (renamed,) = ownership.renamed(thing, {OLD}, NEW)

    kept: dict[str, Any] = {"f:spec": {"f:tags": {'v:"b"': {}}, "f:list": {"i:0": {}}}}
    assert kept == renamed["fieldsV1"]


def test_two_entries_of_a_manager_become_one_with_the_fields_of_both() -> None:
    older = entry("gitops", OLD, {"f:spec": {"f:a": {}}}, "t1")
    newer = entry("gitops", NEW, {"f:spec": {"f:b": {}}}, "t2")

    renamed = ownership.renamed(value(newer, older, a=1, b=2), {OLD}, NEW)

    assert [entry("gitops", NEW, {"f:spec": {"f:a": {}, "f:b": {}}}, "t2")] == renamed


def test_an_entry_of_none_of_the_objects_fields_is_dropped() -> None:
    assert [] == ownership.renamed(value(entry("x", OLD, {"f:spec": {"f:a": {}}})), {OLD}, NEW)


NAMES = st.sampled_from("abcd")


@given(st.dictionaries(NAMES, st.integers()), st.sets(NAMES), st.sets(NAMES))
def test_no_owner_of_a_field_that_is_there_is_lost(
    spec: dict[str, int], older: set[str], newer: set[str]
) -> None:
    def fields(names: set[str]) -> dict[str, Any]:
        return {"f:spec": {f"f:{name}": {} for name in sorted(names & spec.keys())}}

    entries = [entry("m", OLD, fields(older)), entry("m", NEW, fields(newer))]

    renamed = ownership.renamed(value(*entries, **spec), {OLD}, NEW)

    owned = {name for one in renamed for name in one["fieldsV1"]["f:spec"]}
    assert {f"f:{name}" for name in (older | newer) & spec.keys()} == owned
    assert ownership.versions({"metadata": {"managedFields": renamed}}, "example.com") <= {"v1"}
