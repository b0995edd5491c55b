"""What could be done wrong in a rotation; the model must find a way to harm for each."""

import dataclasses
from typing import Final

from certs import rotation
from tests.support.rotation_model import Shell


def _without_hold(state: rotation.State, view: rotation.View, hold: float) -> rotation.Step:
    """Signs as soon as all configurations show the new authority."""
    return rotation.decide(state, dataclasses.replace(view, confirmed_seconds=hold), hold)


def _before_publishing(state: rotation.State, view: rotation.View, hold: float) -> rotation.Step:
    """Signs with the new authority in the step that publishes it."""
    step = rotation.decide(state, view, hold)
    if isinstance(step, rotation.Advance) and step.state.is_rotating:
        return rotation.Advance(
            dataclasses.replace(step.state, active=step.state.published[-1]), step.reason
        )
    return step


def _without_waiting(state: rotation.State, view: rotation.View, hold: float) -> rotation.Step:
    """Retires the old authority without asking who still serves its leaves."""
    return rotation.decide(state, dataclasses.replace(view, serving={}), hold)


MISTAKES: Final = {
    "sign before publishing": Shell(decide=_before_publishing),
    "sign without holding": Shell(decide=_without_hold),
    "retire without waiting": Shell(decide=_without_waiting),
    "write without reading the state again": Shell(is_fenced=False),
    "serve before announcing": Shell(announces_first=False),
    "announce before changing": Shell(serves_before_announcing=False),
}
