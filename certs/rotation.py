"""When an authority is published, when it signs, and when it is retired: a pure state machine.

All replicas of a server share one state, and any of them may advance it by compare-and-swap; there
is no leader. The order is that of a root rollover (RFC 4210, 4.4, and RFC 5011 for DNS): the new
authority is believed everywhere, for as long as anybody may remember a bundle without it, before
it signs; the old one is believed until nobody serves what it signed.

Invariant: every leaf that is served verifies against every bundle published within the hold time.
``tests/support/rotation_model.py`` explores all interleavings of what is decided here.
"""

import dataclasses
from collections.abc import Mapping
from typing import TypeAlias

Generation: TypeAlias = int
"""Counts the authorities of one server, from 1."""


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """What all replicas share.

    Attributes:
        revision: Grows by one with every change.
        active: The authority that signs.
        published: Those that are to be believed, the oldest first.
    """

    revision: int
    active: Generation
    published: tuple[Generation, ...]

    @property
    def is_rotating(self) -> bool:
        """Whether two authorities are believed."""
        return len(self.published) > 1


FIRST = State(revision=1, active=1, published=(1,))


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    """What one replica sees, after it has read the state.

    Attributes:
        shown: By configuration, whether its caBundle is exactly what is published.
        serving: By live replica, the generation that it says it serves.
        confirmed_seconds: So long, by the replica's own clock, all configurations have shown what
            is published in this very revision.
        is_due: Whether the active authority is to be replaced.
        has_ended: Whether it expired, or is not valid yet: nobody believes what it signed, so that
            there is nothing to hold back for.
    """

    shown: Mapping[str, bool]
    serving: Mapping[str, Generation]
    confirmed_seconds: float
    is_due: bool
    has_ended: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Inject:
    """Write the published bundle to the configurations that show another."""

    targets: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Advance:
    """Replace the state by compare-and-swap, with a new authority where its generation is new."""

    state: State
    reason: str


Step: TypeAlias = Inject | Advance | None


def decide(state: State, view: View, hold_seconds: float) -> Step:
    """The next step, if there is one to take now.

    Args:
        state: As it was read.
        view: What was seen after that.
        hold_seconds: So long a client may go on believing a bundle that it has read.
    """
    astray = tuple(sorted(target for target, is_shown in view.shown.items() if not is_shown))
    if astray:
        return Inject(astray)
    newest = state.published[-1]
    if not state.is_rotating:
        return _publish(state) if view.is_due else None
    if state.active != newest:
        is_held = view.has_ended or view.confirmed_seconds >= hold_seconds
        return _sign(state) if is_held else None
    if all(generation == newest for generation in view.serving.values()):
        return _retire(state)
    return None


def _publish(state: State) -> Advance:
    newest = state.published[-1] + 1
    published = (*state.published, newest)
    return Advance(State(state.revision + 1, state.active, published), "AuthorityPublished")


def _sign(state: State) -> Advance:
    newest = state.published[-1]
    return Advance(State(state.revision + 1, newest, state.published), "AuthoritySigns")


def _retire(state: State) -> Advance:
    return Advance(State(state.revision + 1, state.active, (state.active,)), "AuthorityRetired")
