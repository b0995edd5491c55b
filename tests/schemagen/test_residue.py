"""Residue turns one object into another exactly, unless somebody edited what it is about."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemagen import canonical
from schemagen.versions import residue, stash
from tests.support import objects

OBJECTS = st.dictionaries(objects.TEXTS, objects.ANYTHING, max_size=4)
KEYED = st.lists(
    st.fixed_dictionaries({"name": objects.NAMES}, optional={"x": objects.SCALARS}), max_size=4
)
NESTED = st.fixed_dictionaries({}, optional={"a": OBJECTS, "steps": KEYED, "b": objects.ANYTHING})


@given(NESTED, NESTED)
@settings(max_examples=500)
def test_difference_applied_gives_the_wanted_object(base: Any, wanted: Any) -> None:
    entries = residue.difference(base, wanted)

    result = residue.applied(base, entries).value

    assert canonical.dumps(wanted) == canonical.dumps(result)


@given(NESTED)
def test_equal_objects_leave_no_residue(value: Any) -> None:
    assert [] == residue.difference(value, value)


def test_numbers_and_booleans_are_told_apart() -> None:
    entries = residue.difference({"a": 1, "b": 1}, {"a": True, "b": 1.0})

    assert b'{"a":true,"b":1.0}' == canonical.dumps(
        residue.applied({"a": 1, "b": 1}, entries).value
    )


def test_edited_field_makes_its_entry_stale() -> None:
    entries = residue.difference({"a": 3, "b": 1}, {"a": "3", "b": 1})

    assert {"a": 4, "b": 1} == residue.applied({"a": 4, "b": 1}, entries).value
    assert {"a": "3", "b": 2} == residue.applied({"a": 3, "b": 2}, entries).value


def test_added_field_is_not_put_over_one_that_is_there_now() -> None:
    entries = residue.difference({}, {"a": 1})

    assert {"a": 2} == residue.applied({"a": 2}, entries).value


def test_residue_follows_an_item_by_its_key() -> None:
    entries = residue.difference(
        {"steps": [{"name": "a"}, {"name": "b"}]}, {"steps": [{"name": "a"}, {"name": "b", "x": 1}]}
    )

    moved = residue.applied({"steps": [{"name": "b"}, {"name": "c"}]}, entries).value

    assert {"steps": [{"name": "b", "x": 1}, {"name": "c"}]} == moved


def test_item_that_came_back_by_key_survives_edits_of_its_neighbours() -> None:
    entries = residue.difference(
        {"p": [{"name": "a", "v": 1}]}, {"p": [{"name": "a", "v": 1}, {"name": "b", "w": 2}]}
    )

    edited = residue.applied({"p": [{"name": "a", "v": 9}]}, entries).value

    assert {"p": [{"name": "a", "v": 9}, {"name": "b", "w": 2}]} == edited


def test_largest_entries_are_dropped_first() -> None:
    entries = residue.difference({}, {"small": "x", "large": "y" * 100, "medium": "z" * 50})

    kept = stash.kept(entries, 170)

    assert [{"small": "x"}, {"medium": "z" * 50}] == [
        entry["is"] for entry in json.loads(kept.text)
    ]
    assert ["large"] == stash.fields_of(kept.left_out)
    assert kept.dropped_bytes > 100


@given(OBJECTS, st.lists(objects.ANYTHING | OBJECTS))
def test_nonsense_is_no_entry(base: Any, entries: Any) -> None:
    before = canonical.dumps(base)

    residue.applied(base, [entry for entry in entries if isinstance(entry, dict)])

    assert before == canonical.dumps(base)
