"""Steps convert up and down again, and drop what they cannot express."""

from typing import Any

import pytest
from hypothesis import given

from schemagen.versions import records, steps
from schemagen.versions.steps import ABSENT
from tests.support import objects

VOLUME = records.record(
    records.keep("name"),
    records.flat_union(
        "type",
        pvc=("claim", records.record(records.keep("claimName"))),
        emptyDir=("emptyDir", records.record(records.keep("medium"))),
    ),
)
CONFIG = records.open_record(
    (
        records.move("a", "pod.a", steps.text()),
        records.move("b", "b", steps.numeric(steps.integer(least=0))),
        records.move("c", "pod.a", steps.one_way(steps.text())),
    ),
    extra="extra",
)
SEALED = records.sealed_record(
    (records.move("a", "pod.a", steps.text()), records.move("b", "b", steps.integer())),
    extra="extra",
)

STEPS = {
    "keep": (steps.KEEP, "x", "x"),
    "duration": (steps.to_duration(), 5400, "1h30m"),
    "zero duration": (steps.to_duration(), 0, "0s"),
    "duration that is spelled as a default": (steps.to_duration(spelled="60s"), 60, "60s"),
    "another duration than that": (steps.to_duration(spelled="60s"), 61, "1m1s"),
    "word": (steps.enumeration({"read-write": "ReadWrite"}), "read-write", "ReadWrite"),
    "map": (
        steps.map_to_list("name", "value"),
        {"b": "1", "a": "2"},
        [{"name": "a", "value": "2"}, {"name": "b", "value": "1"}],
    ),
    "wrap": (steps.wrap("name"), ["b", "a"], [{"name": "b"}, {"name": "a"}]),
    "flat union": (
        VOLUME,
        {"name": "v", "type": "pvc", "claimName": "c"},
        {"name": "v", "claim": {"claimName": "c"}},
    ),
    "flat union without fields": (
        VOLUME,
        {"name": "v", "type": "emptyDir"},
        {"name": "v", "emptyDir": {}},
    ),
    "open record": (
        CONFIG,
        {"a": "x", "b": 3, "z": None},
        {"pod": {"a": "x"}, "b": 3, "extra": {"z": None}},
    ),
    "open record without extra": (CONFIG, {"a": "x"}, {"pod": {"a": "x"}}),
    "sealed record": (
        SEALED,
        {"a": "x", "b": "not 3", "z": None},
        {"pod": {"a": "x"}, "extra": {"b": "not 3", "z": None}},
    ),
    "move": (
        records.record(records.move("a", "b.c"), records.move("d.e", "f")),
        {"a": 1, "d": {"e": 2}},
        {"b": {"c": 1}, "f": 2},
    ),
    "each": (steps.each(steps.to_duration()), [60, 1], ["1m", "1s"]),
    "each by": (steps.each_by("name", VOLUME), [{"name": "v"}], [{"name": "v"}]),
    "each by last": (steps.each_by_last("name", VOLUME), [{"name": "v"}], [{"name": "v"}]),
    "each once": (steps.each_once(steps.to_duration()), [60, 1], ["1m", "1s"]),
    "values": (steps.values(steps.to_duration()), {"a": 60}, {"a": "1m"}),
    "respelled": (steps.respelled({"queued": "Queued"}), "queued", "Queued"),
    "respelled in the other's spelling": (
        steps.respelled({"queued": "Queued"}),
        "Queued",
        "queued",
    ),
    "respelled other text": (steps.respelled({"queued": "Queued"}), "lost", "lost"),
    "written out": (
        records.record(records.written_out("key", "token")),
        {"key": "k"},
        {"key": "k"},
    ),
}


@pytest.mark.parametrize(("step", "old", "new"), STEPS.values(), ids=STEPS)
def test_step_round_trips(step: steps.Step, old: Any, new: Any) -> None:
    assert new == step.up(old)
    assert old == step.down(new)


@pytest.mark.parametrize(
    ("step", "value"),
    [
        (steps.KEEP, None),
        (steps.to_duration(), -1),
        (steps.to_duration(), True),
        (steps.to_duration(), 1.0),
        (steps.to_duration(least=1), 0),
        (steps.to_duration(), 2**31),
        (steps.integer(), "3"),
        (steps.numeric(steps.integer()), "3.5"),
        (steps.numeric(steps.integer()), "٣"),
        (steps.numeric(steps.integer()), "9" * 5000),
        (steps.enumeration({"a": "A"}), "b"),
        (steps.enumeration({"a": "A"}), ["a"]),
        (steps.map_to_list("name", "value"), ["a"]),
        (records.record(), []),
        (steps.exact(records.record(records.keep("a"))), {"a": 1, "b": 2}),
    ],
)
def test_value_without_a_form_in_the_newer_version_is_absent(step: steps.Step, value: Any) -> None:
    assert ABSENT is step.up(value)


@pytest.mark.parametrize("text", ["", "x", "1.5s", "1d", "-1s", "s", "1s1h", "٣s", "9" * 999 + "s"])
def test_text_that_is_no_duration_is_absent(text: str) -> None:
    assert ABSENT is steps.to_duration().down(text)


def test_of_a_repeated_key_the_first_item_stays() -> None:
    step = steps.each_by("name", steps.KEEP)

    kept = step.up([{"name": "a", "x": 1}, {"name": "a", "x": 2}, {}, None, {"name": 3}])

    assert [{"name": "a", "x": 1}] == kept


def test_of_a_repeated_key_the_last_item_stays_at_its_place() -> None:
    step = steps.each_by_last("name", steps.KEEP)

    kept = step.up([{"name": "a", "x": 1}, {"name": "b"}, {"name": "a", "x": 2}, {}, None])

    assert [{"name": "b"}, {"name": "a", "x": 2}] == kept


def test_duplicate_strings_are_dropped() -> None:
    assert ["b", "a"] == steps.each_once(steps.text()).up(["b", "a", "b", None, 1, "a"])


@pytest.mark.parametrize("value", [{}, {"key": None}])
def test_default_is_written_out(value: Any) -> None:
    assert {"key": "token"} == records.record(records.written_out("key", "token")).up(value)


def test_first_of_two_names_for_a_field_wins() -> None:
    assert {"pod": {"a": "x"}, "extra": {"c": "y"}} == CONFIG.up({"c": "y", "a": "x"})


def test_extra_of_a_sealed_record_cannot_set_a_field() -> None:
    value = {"b": 3, "extra": {"a": "x", "b": 4, "c": 5}}

    assert {"b": 3, "c": 5} == SEALED.down(value)


@pytest.mark.parametrize("step", [entry[0] for entry in STEPS.values()], ids=STEPS)
def test_step_accepts_anything(step: steps.Step) -> None:
    @given(objects.ANYTHING)
    def check(value: Any) -> None:
        step.up(value)
        step.down(value)

    check()
