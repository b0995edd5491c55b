"""Views of arbitrary objects."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers import kube
from controllers.kube.watch.projections import Decoder, Page, WatchEvent, parts
from controllers.process import setup

LEVELS = 1020


class Thing(kube.Projection, frozen=True):
    """A view that does not declare the deep field."""


class Size(msgspec.Struct, frozen=True):
    """A field that can have the wrong type."""

    size: int = 0


class Sized(kube.Projection, frozen=True):
    """A view that declares it."""

    spec: Size = Size()


DEEP = (
    b'{"metadata":{"name":"deep","resourceVersion":"7"},"spec":'
    + b'{"a":' * LEVELS
    + b"1"
    + b"}" * LEVELS
    + b"}"
)
EVENT = b'{"type":"ADDED","object":' + DEEP + b"}"
PAGE = b'{"metadata":{"resourceVersion":"8"},"items":[' + DEEP + b"]}"


@pytest.fixture
def limit() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(before)


TOO_DEEP = kube.Unreadable(kube.Key("", "deep"), "", "7", "nested too deeply")


@pytest.mark.usefixtures("limit")
def test_object_that_is_too_deep_is_named_in_a_list_and_in_an_event() -> None:
    page = Decoder(Thing).page(PAGE, "GET /things")
    seen = Decoder(Thing).event(EVENT, "GET /things")

    assert Page((), "8", "", (TOO_DEEP,)) == page
    assert WatchEvent("ADDED", None, "7", unreadable=TOO_DEEP) == seen


SIZED = {"metadata": {"name": "a", "namespace": "ns", "uid": "u", "resourceVersion": "3"}}
POISON = SIZED | {"spec": {"size": "big"}}
UNREADABLE = kube.Unreadable(
    kube.Key("ns", "a"), "u", "3", "Expected `int`, got `str` - at `$.object.spec.size`"
)


@pytest.mark.parametrize("changed", ["ADDED", "MODIFIED", "DELETED"])
def test_event_of_what_the_view_does_not_fit_names_it(changed: Any) -> None:
    line = json.dumps({"type": changed, "object": POISON}).encode()

    assert WatchEvent(changed, None, "3", unreadable=UNREADABLE) == Decoder(Sized).event(line, "")


def test_list_has_what_fits_the_view_and_names_the_rest() -> None:
    good = SIZED | {"spec": {"size": 2}}
    body = {"metadata": {"resourceVersion": "9", "continue": "t"}, "items": [POISON, good, POISON]}

    page = Decoder(Sized).page(json.dumps(body).encode(), "")

    problem = "Expected `int`, got `str` - at `$.spec.size`"
    unreadable = UNREADABLE._replace(problem=problem)
    assert ("9", "t", (unreadable, unreadable)) == page[1:]
    assert [2] == [one.spec.size for one in page.items]


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b'{"type":1}',
        b'{"type":"ADDED"}',
        b'{"type":"ADDED","object":[]}',
        b'{"type":"ADDED","object":{"metadata":{"name":7}}}',
        b'{"type":"ADDED","object":{"metadata":',
        b'"ADDED"',
    ],
)
def test_what_names_no_object_is_no_event(line: bytes) -> None:
    with pytest.raises(kube.AnswerError, match="expected an event from GET /things, got "):
        Decoder(Sized).event(line, "GET /things")


def test_view_of_one_object_names_what_does_not_fit() -> None:
    with pytest.raises(kube.AnswerError, match=r"expected Thing ns/a to be readable: .*spec.size"):
        kube.view_of(Sized, POISON | {"kind": "Thing"})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.text(), VALUES) | st.lists(VALUES), st.sampled_from([None, 1]))
def test_parts_are_the_members_of_any_value(value: Any, indent: int | None) -> None:
    found = [
        (name, json.loads(part)) for name, part in parts(json.dumps(value, indent=indent).encode())
    ]

    assert found == ([*value.items()] if isinstance(value, dict) else [("", one) for one in value])


@pytest.mark.usefixtures("limit")
def test_program_that_allows_deep_json_reads_both() -> None:
    setup.allow_deep_json()

    seen = Decoder(Thing).event(EVENT, "GET /things")
    page = Decoder(Thing).page(PAGE, "GET /things")

    assert seen is not None
    assert seen.object == page.items[0]
    assert kube.Key("", "deep") == page.items[0].key


class Kept(kube.Projection, frozen=True):
    """A view that keeps a field as raw JSON."""

    spec: msgspec.Raw = msgspec.Raw(b"{}")
    status: Size = Size()


def test_null_is_an_absent_field_and_stays_in_what_is_kept_as_text() -> None:
    metadata = SIZED["metadata"] | {"labels": None, "finalizers": [None, "f"]}
    body = {"metadata": metadata, "spec": {"a": None}, "status": {"size": None}}
    line = json.dumps({"type": "ADDED", "object": body}).encode()

    seen = Decoder(Kept).event(line, "")

    assert seen is not None
    assert seen.object is not None
    assert (("f",), {}, 0) == (
        seen.object.metadata.finalizers,
        seen.object.metadata.labels,
        seen.object.status.size,
    )
    assert {"a": None} == msgspec.json.decode(seen.object.spec)


def test_bookmark_and_list_have_nulls_where_they_have_nothing() -> None:
    bookmark = {"metadata": {"resourceVersion": "9", "creationTimestamp": None}}
    line = json.dumps({"type": "BOOKMARK", "object": bookmark}).encode()
    body = json.dumps({"metadata": {"resourceVersion": "9", "continue": None}, "items": None})

    assert WatchEvent("BOOKMARK", None, "9") == Decoder(Sized).event(line, "")
    assert Page((), "9", "") == Decoder(Sized).page(body.encode(), "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0001-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2026-13-40T00:00:00Z",
        "2026-11-29",
        "yesterday",
    ],
)
def test_instant_that_was_never_set_or_is_none_is_none(text: str) -> None:
    assert kube.time_of(text) is None
