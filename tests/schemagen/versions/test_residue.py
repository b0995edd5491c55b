"""Residue turns one object into another exactly, unless somebody edited what it is about."""

import base64
import collections
import json
import time
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemagen import canonical
from schemagen.versions.residue import differences, entry_groups, restoration, storage
from tests.support import depth, objects

OBJECTS = st.dictionaries(objects.TEXTS, objects.ANYTHING, max_size=4)
KEYED = st.lists(
    st.fixed_dictionaries({"name": objects.NAMES}, optional={"x": objects.SCALARS}), max_size=4
)
NESTED = st.fixed_dictionaries({}, optional={"a": OBJECTS, "steps": KEYED, "b": objects.ANYTHING})


@given(NESTED, NESTED)
@settings(max_examples=depth.draws(500))
def test_difference_applied_gives_the_wanted_object(base: Any, wanted: Any) -> None:
    entries = differences.between(base, wanted)

    result = restoration.applied(base, entries).value

    assert canonical.dumps(wanted) == canonical.dumps(result)


@given(NESTED)
def test_equal_objects_leave_no_residue(value: Any) -> None:
    assert [] == differences.between(value, value)


def test_numbers_and_booleans_are_told_apart() -> None:
    entries = differences.between({"a": 1, "b": 1}, {"a": True, "b": 1.0})

    assert b'{"a":true,"b":1.0}' == canonical.dumps(
        restoration.applied({"a": 1, "b": 1}, entries).value
    )


def test_edited_field_makes_its_entry_stale() -> None:
    entries = differences.between({"a": 3, "b": 1}, {"a": "3", "b": 1})

    assert {"a": 4, "b": 1} == restoration.applied({"a": 4, "b": 1}, entries).value
    assert {"a": "3", "b": 2} == restoration.applied({"a": 3, "b": 2}, entries).value


def test_added_field_is_not_put_over_one_that_is_there_now() -> None:
    entries = differences.between({}, {"a": 1})

    assert {"a": 2} == restoration.applied({"a": 2}, entries).value


def test_residue_follows_an_item_by_its_key() -> None:
    entries = differences.between(
        {"steps": [{"name": "a"}, {"name": "b"}]}, {"steps": [{"name": "a"}, {"name": "b", "x": 1}]}
    )

    moved = restoration.applied({"steps": [{"name": "b"}, {"name": "c"}]}, entries).value

    assert {"steps": [{"name": "b", "x": 1}, {"name": "c"}]} == moved


def test_item_that_came_back_by_key_survives_edits_of_its_neighbours() -> None:
    entries = differences.between(
        {"p": [{"name": "a", "v": 1}]}, {"p": [{"name": "a", "v": 1}, {"name": "b", "w": 2}]}
    )

    edited = restoration.applied({"p": [{"name": "a", "v": 9}]}, entries).value

    assert {"p": [{"name": "a", "v": 9}, {"name": "b", "w": 2}]} == edited


LETTERS = st.lists(st.sampled_from("abcd"), max_size=8)


@given(LETTERS, LETTERS)
def test_repeats_of_an_edited_list_are_as_many_and_change_no_order(
    wanted: list[str], names: list[str]
) -> None:
    base, edited = ([*dict.fromkeys(one)] for one in (wanted, names))
    entries = differences.between({"a": base}, {"a": wanted})

    found = restoration.applied({"a": edited}, entries).value["a"]

    assert edited == [*dict.fromkeys(found)]
    assert {name: wanted.count(name) or 1 for name in edited} == collections.Counter(found)


@given(LETTERS, LETTERS)
def test_namesakes_of_an_edited_list_stay_with_their_item(
    wanted: list[str], names: list[str]
) -> None:
    items = [{"name": name, "number": number} for number, name in enumerate(wanted)]
    base = [items[wanted.index(name)] for name in dict.fromkeys(wanted)]
    edited = [{"name": name, "number": 9} for name in dict.fromkeys(names)]
    entries = differences.between({"a": base}, {"a": items})

    same = restoration.applied({"a": base}, entries).value["a"]
    found = restoration.applied({"a": edited}, entries).value["a"]

    assert items == same
    assert edited == [item for item in found if item["number"] == 9]
    assert {name: wanted.count(name) or 1 for name in names} == collections.Counter(
        item["name"] for item in found
    )
    # The first one counts, as in the base.
    assert edited == [
        next(item for item in found if item["name"] == name) for name in dict.fromkeys(names)
    ]


def test_namesake_before_an_edited_item_does_not_come_to_count() -> None:
    last, first = {"name": "a", "value": "2"}, {"name": "a", "value": "1"}
    entries = differences.between({"env": [last]}, {"env": [first, last]})

    edited = {"env": [{"name": "a", "value": "3"}]}

    assert edited == restoration.applied(edited, entries).value


def test_repeat_beside_an_item_that_the_other_version_cannot_say_is_put_back() -> None:
    base = [{"name": "a"}, {"name": "b"}]
    wanted = [{"name": "a"}, {}, {"name": "b", "note": "n"}, {"name": "a"}]
    entries = differences.between({"p": base}, {"p": wanted})
    edited = [{"name": "a"}, {"name": "b", "number": 1}]

    same = restoration.applied({"p": base}, entries).value["p"]
    found = restoration.applied({"p": edited}, entries).value["p"]

    assert wanted == same
    assert [{"name": "a"}, {"name": "b", "number": 1, "note": "n"}, {"name": "a"}] == found


def test_item_that_the_other_version_cannot_say_is_no_repeat() -> None:
    entries = differences.between({"a": ["x"]}, {"a": ["x", "y"]})

    assert {"a": ["y"]} == restoration.applied({"a": ["y"]}, entries).value


def test_forged_repeats_of_a_large_list_take_no_long_time() -> None:
    base = {"a": [*range(100_000)]}
    forged = {"at": [], "was": {"a": "0"}, "insert": {"a": [[0, 1]]}, "again": {"a": [0]}}
    began = time.process_time()

    found = restoration.applied(base, [forged] * 600).value

    assert time.process_time() - began < 3
    assert len(found["a"]) == 100_001


@pytest.mark.parametrize("numbers", [None, {}, "0", [[]], [True], [-1], [7, {}], [10**30]])
@pytest.mark.parametrize("inserts", [None, {}, "0", [[]], [[0]], [0], [[-1, "x"]], [["0", "x"]]])
def test_forged_repeats_of_nothing_are_none(inserts: Any, numbers: Any) -> None:
    entry = {"at": [], "was": {"a": "0"}, "insert": {"a": inserts}, "again": {"a": numbers}}

    for by in (None, 1, [], [1], ["name"]):
        assert {"a": ["x"]} == restoration.applied({"a": ["x"]}, [{**entry, "by": by}]).value


def test_largest_entries_are_dropped_first() -> None:
    entries = differences.between({}, {"small": "x", "large": "y" * 100, "medium": "z" * 50})

    kept = storage.kept(entries, 170)

    assert [{"small": "x"}, {"medium": "z" * 50}] == [
        entry["is"] for entry in json.loads(kept.text)
    ]
    assert ["large"] == storage.fields_of(kept.left_out)
    assert kept.dropped_bytes > 100


@given(OBJECTS, st.lists(objects.ANYTHING | OBJECTS))
def test_nonsense_is_no_entry(base: Any, entries: Any) -> None:
    before = canonical.dumps(base)

    restoration.applied(base, [entry for entry in entries if isinstance(entry, dict)])

    assert before == canonical.dumps(base)


ITEM = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b", "c"])},
    optional={"x": objects.SCALARS, "in": st.lists(st.fixed_dictionaries({"name": st.just("d")}))},
)
MEMBERS = st.dictionaries(st.sampled_from(["x", "y", "name"]), objects.SCALARS, max_size=2)
EDIT = st.fixed_dictionaries(
    {
        "at": st.sampled_from(
            [
                ["steps", {"name": "a"}],
                ["steps", {"name": "b"}],
                ["steps", {"name": "a"}, "in", {"name": "d"}],
                ["steps", {"x": 1}],
                [],
            ]
        ),
        "was": st.just({}),
        "is": MEMBERS,
    }
)


@given(st.fixed_dictionaries({"steps": st.lists(ITEM, max_size=4)}), st.lists(EDIT, max_size=6))
@settings(max_examples=depth.draws(300))
def test_entries_find_their_items_as_if_each_came_alone(base: Any, entries: Any) -> None:
    """Where the items of a list are is found once for all entries, and kept up to date."""
    alone = base
    for entry in entries:
        alone = restoration.applied(alone, [entry], settled=base).value

    assert canonical.dumps(alone) == canonical.dumps(restoration.applied(base, entries).value)


@pytest.mark.parametrize(
    ("values", "entries", "expected"), [(50, 4, 64), (1000, 600, 8), (50_000, 600, 3)]
)
def test_the_larger_an_object_the_fewer_groups_of_its_residue_are_tried(
    values: int, entries: int, expected: int
) -> None:
    value = {"a": [1] * values}
    residue_ = [{"at": ["a"], "was": {}, "is": {"b": 1}}] * entries

    assert expected == entry_groups.max_attempts(value, residue_)


def test_what_a_list_gets_is_put_back_behind_what_its_items_get() -> None:
    """Items that are inserted may have the name of one that another entry speaks of."""
    entries: list[dict[str, Any]] = [
        {"at": [], "was": {}, "is": {"note": "n"}},
        {"at": ["list", {"name": "a"}], "was": {}, "is": {"value": 1}},
        {"at": [], "was": {"list": "0"}, "insert": {"list": [[0, {"name": "a"}]]}},
    ]

    [whole, *_] = entry_groups.EntryGroups(entries, 1)

    assert entries == whole


def test_refused_entries_of_a_field_do_not_use_up_the_attempts_of_another() -> None:
    refused = [
        {"at": ["spec", "list", {"name": str(at)}], "was": {}, "is": {"value": 1}}
        for at in range(40)
    ]
    good = {"at": ["spec", "other"], "was": {}, "is": {"value": 2}}
    groups = entry_groups.EntryGroups([*refused, good], 3)

    tried = []
    for group in groups:
        tried.append(len(group))
        if group == [good]:
            break
        groups.refuse(group)

    assert [41, 40, 1] == tried


NAMES = storage.Names("residue", "status-residue", "overflow")


def carrying(text: str) -> dict[str, Any]:
    return {"metadata": {"annotations": {"residue": text}}}


def test_more_entries_than_are_ever_written_are_none() -> None:
    entry = {"at": ["spec"], "is": {"a": 1}, "was": {}}
    most = storage.kept([entry] * storage.MAX_ENTRIES, storage.MAX_TEXT_BYTES)
    more = storage.kept([entry] * (storage.MAX_ENTRIES + 3), storage.MAX_TEXT_BYTES)

    assert [entry] * storage.MAX_ENTRIES == storage.entries_of(carrying(most.text), NAMES)
    assert (3, most.text) == (len(more.left_out), more.text)
    forged = zlib.compress(canonical.dumps([entry] * (storage.MAX_ENTRIES + 1)))
    text = f"zlib+base64:{base64.b64encode(forged).decode()}"
    assert [] == storage.entries_of(carrying(text), NAMES)
