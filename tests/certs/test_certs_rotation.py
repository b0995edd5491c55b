"""When a CA is published, signs and is retired, and how that is stored."""

import base64
import dataclasses
import datetime as dt
import json
from typing import Any

import pytest

from certs import authority, rotation, rotation_secret
from certs.rotation import Advance, Inject, State, View
from tests.support import depth, rotation_mistakes, rotation_model

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
STEADY = State(3, 1, (1,))
PUBLISHED = State(4, 1, (1, 2))
SIGNING = State(5, 2, (1, 2))
HOLD = 60.0


def view(
    *,
    shown: bool = True,
    serving: dict[str, int] | None = None,
    confirmed: float = 0.0,
    is_due: bool = False,
    has_ended: bool = False,
) -> View:
    return View({"crd": True, "webhook": shown}, serving or {}, confirmed, is_due, has_ended)


@pytest.mark.parametrize(
    ("state", "seen", "step"),
    [
        (STEADY, view(), None),
        (STEADY, view(is_due=True), Advance(State(4, 1, (1, 2)), "AuthorityPublished")),
        (STEADY, view(is_due=True, shown=False), Inject(("webhook",))),
        (PUBLISHED, view(confirmed=59.9), None),
        (PUBLISHED, view(confirmed=60.0), Advance(State(5, 2, (1, 2)), "AuthoritySigns")),
        (PUBLISHED, view(confirmed=60.0, shown=False), Inject(("webhook",))),
        (PUBLISHED, view(has_ended=True), Advance(State(5, 2, (1, 2)), "AuthoritySigns")),
        (PUBLISHED, view(has_ended=True, shown=False), Inject(("webhook",))),
        (PUBLISHED, view(is_due=True), None),
        (SIGNING, view(serving={"a": 2, "b": 1}), None),
        (SIGNING, view(serving={"a": 2, "b": 2}), Advance(State(6, 2, (2,)), "AuthorityRetired")),
        (SIGNING, view(), Advance(State(6, 2, (2,)), "AuthorityRetired")),
    ],
)
def test_next_step(state: State, seen: View, step: rotation.Step) -> None:
    assert step == rotation.decide(state, seen, HOLD)


def test_interleavings_break_nothing() -> None:
    states = depth.draws(20_000)

    found = rotation_model.explore(rotation_model.Shell(), most_states=states)

    assert not found.violation
    assert found.states >= states  # the last world may have several successors


def test_model_finds_a_leaf_that_is_signed_before_its_authority_is_published() -> None:
    shell = rotation_mistakes.MISTAKES["sign before publishing"]

    assert rotation_model.explore(shell, most_states=500_000).violation


def make(generation: int) -> authority.Pair:
    return authority.new_authority(f"test {generation}", now=NOW)


def rotated() -> rotation_secret.Stored:
    """Two CAs are published, and the newer one signs."""
    first = rotation_secret.first(make)
    both = first.advanced(State(2, 1, (1, 2)), make)
    return both.advanced(State(3, 2, (1, 2)), make)


def test_what_is_stored_is_read_again_and_holds_no_key_that_signs_no_more() -> None:
    found = rotated()

    secret = rotation_secret.secret(found, "agents", "webhooks")

    assert found == rotation_secret.read(secret)
    assert ["ca-1.crt", "ca-2.crt", "ca-2.key", "ca.crt", "state.json"] == sorted(secret["data"])
    assert base64.b64decode(secret["data"]["ca.crt"]) == found.bundle_pem
    assert 2 == len(authority.read_bundle(found.bundle_pem))


@pytest.mark.parametrize(
    ("annotations", "wish"),
    [
        (None, ""),
        ({}, ""),
        ({rotation_secret.WANTED: ""}, ""),
        ({rotation_secret.WANTED: "monday"}, ""),
        ({rotation_secret.WANTED: "tuesday"}, "tuesday"),
    ],
)
def test_only_what_is_asked_and_was_not_carried_out_is_a_wish(
    annotations: dict[str, str] | None, wish: str
) -> None:
    found = dataclasses.replace(rotated(), done="monday")

    assert wish == found.wish({"metadata": {"annotations": annotations}})


def test_retired_authority_is_gone() -> None:
    found = rotated().advanced(State(4, 2, (2,)), make)

    assert [2] == [*found.authorities]


def broken(secret: dict[str, Any], key: str, value: bytes | None) -> dict[str, Any]:
    data = {**secret["data"], key: base64.b64encode(value or b"").decode()}
    if value is None:
        del data[key]
    return {**secret, "data": data}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("state.json", None),
        ("state.json", b"garbage"),
        ("state.json", json.dumps({"revision": 1, "active": 3, "published": [1]}).encode()),
        ("state.json", json.dumps({"revision": 0, "active": 1, "published": [1]}).encode()),
        ("state.json", json.dumps({"revision": 1, "active": 1, "published": ["1"]}).encode()),
        ("ca-2.crt", None),
        ("ca-2.crt", b"garbage"),
        ("ca-2.key", None),
        ("ca-2.key", make(9).key_pem),
        ("ca-1.crt", b" "),
    ],
)
def test_broken_secret_is_refused_and_its_keys_are_not_quoted(
    key: str, value: bytes | None
) -> None:
    secret = rotation_secret.secret(rotated(), "agents", "webhooks")

    with pytest.raises(rotation_secret.CorruptError, match="in Secret webhooks") as caught:
        rotation_secret.read(broken(secret, key, value))

    assert "PRIVATE" not in str(caught.value)


@pytest.mark.parametrize("secret", [{}, {"data": None}, {"data": {"state.json": "%"}}])
def test_what_is_no_secret_of_ours_is_refused(secret: dict[str, Any]) -> None:
    with pytest.raises(rotation_secret.CorruptError):
        rotation_secret.read(secret)
