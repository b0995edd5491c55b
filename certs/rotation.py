"""When a CA is published, signs, and is retired: a pure state machine.

All replicas of a server share one state, and any of them may advance it by compare-and-swap; there
is no leader. The order is that of a root rollover (RFC 4210, 4.4, and RFC 5011 for DNS): the new
CA is trusted everywhere, for as long as any client may use a bundle without it, before it signs;
the old CA is trusted until no replica serves a certificate that it signed.

Invariant: every served certificate verifies against every bundle published within the hold time.
``tests/support/rotation_model.py`` explores all interleavings of these decisions.
"""

import dataclasses
from collections.abc import Mapping
from typing import TypeAlias

Generation: TypeAlias = int
"""Numbers the CAs of a server, from 1."""


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """The state that all replicas share.

    Attributes:
        revision: Incremented with every change.
        active: The CA that signs.
        published: The trusted CAs, oldest first.
    """

    revision: int
    active: Generation
    published: tuple[Generation, ...]

    @property
    def is_rotating(self) -> bool:
        """Whether two CAs are trusted."""
        return len(self.published) > 1


FIRST = State(revision=1, active=1, published=(1,))


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    """Observations of a replica after it has read the state.

    Attributes:
        shown: By configuration, whether its caBundle equals the published bundle.
        serving: By live replica, the generation that it reports to serve.
        confirmed_seconds: How long, by the replica's own clock, all configurations have had the
            published bundle of this revision.
        is_due: Whether the active CA must be replaced.
        has_ended: Whether the active CA has expired or is not valid yet: no client trusts its
            certificates, so there is no reason to wait.
    """

    shown: Mapping[str, bool]
    serving: Mapping[str, Generation]
    confirmed_seconds: float
    is_due: bool
    has_ended: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Inject:
    """Write the published bundle to the configurations that have another one."""

    targets: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Advance:
    """Replace the state by compare-and-swap, creating a CA for a new generation."""

    state: State
    reason: str


Step: TypeAlias = Inject | Advance | None


def decide(state: State, view: View, hold_seconds: float) -> Step:
    """Decide the next step, if one is due now.

    Args:
        state: The state as it was read.
        view: What was observed after that.
        hold_seconds: How long a client may use a bundle that it has read.
    """
    outdated = tuple(sorted(target for target, is_shown in view.shown.items() if not is_shown))
    if outdated:
        return Inject(outdated)
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
