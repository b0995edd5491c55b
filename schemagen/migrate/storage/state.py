"""Progress of a storage migration, kept in an annotation of the CRD. Pure.

In the CRD, not in an object beside it: state and storage version are then read and written as one,
under one resourceVersion, and whoever may migrate may also write it. If the annotation is lost, all
objects are rewritten again, which changes nothing.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Final

from schemagen.problems import JSON

ANNOTATION: Final = "kubewright.dev/storage-migration"


@dataclasses.dataclass(frozen=True)
class State:
    """Facts that the steps so far have established.

    Attributes:
        origin: The storage version before; a rollback returns to it.
        target: The storage version to come.
        generation: Generation of the CRD for which all below holds; another one means that someone
            else changed the CRD, and voids it.
        is_checked: Whether a rewrite of every object was tried as a dry run.
        switched_at: resourceVersion of the CRD as of which the target is stored: objects older than
            that are stored in another version.
        position: Where to go on listing; all objects before are rewritten.
        visited: Number of objects up to there.
        is_failing: Whether the rewrite of an object up to there failed.
        is_rewritten: Whether all objects are rewritten.
        is_cleaned: Whether no object's managedFields name a version to be dropped.
    """

    origin: str
    target: str
    generation: int = 0
    is_checked: bool = False
    switched_at: str = ""
    position: str = ""
    visited: int = 0
    is_failing: bool = False
    is_rewritten: bool = False
    is_cleaned: bool = False

    def holds_for(self, definition: JSON, target: str) -> bool:
        """Return whether it is about a migration to this version, and the CRD unchanged since."""
        return self.target == target and self.generation == definition["metadata"]["generation"]

    def restarted(self, generation: int) -> "State":
        """Return the state of a migration that has to begin again with a changed CRD."""
        return State(self.origin, self.target, generation)


def of(definition: JSON) -> State | None:
    """Return the state in a CRD's annotation; None if there is none that can be read."""
    annotations = definition["metadata"].get("annotations") or {}
    try:
        value = json.loads(annotations.get(ANNOTATION, ""))
    except ValueError:
        return None
    return _parsed(value) if isinstance(value, dict) else None


def _parsed(value: Mapping[str, Any]) -> State | None:
    known = {}
    for field in dataclasses.fields(State):
        name = _wire_name(field.name)
        if name in value:
            if type(value[name]) is not field.type:
                return None
            known[field.name] = value[name]
    return State(**known) if {"origin", "target"} <= known.keys() else None


def text(state: State) -> str:
    """Return the annotation's value."""
    value = {_wire_name(name): item for name, item in dataclasses.asdict(state).items()}
    return json.dumps({name: item for name, item in value.items() if item or item == 0})


def _wire_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)
