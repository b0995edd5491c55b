"""Conversion between the ledger and its ConfigMap. Pure.

data["ledger.json"]::

    {"turn": "team-a", "deficits": {"team-b": 0.5},
     "slots": {"RUN-UID": ["team-a", "coder", 3, 1790000000.0, "fix-login", 1]}}

A slot is namespace, agent, epoch, start (Unix time), the run's name and its attempt.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from controllers.ledger.admission import Ledger, Limits, Slot

KEY: Final = "ledger.json"
LIMITS: Final = "agents.proompteng.ai/limits"
"""Annotation with the limits of the last writer, for ``agentctl explain``: ``{"namespace": 10,
"agent": 5, "cluster": 100}``.
"""


class CorruptError(Exception):
    """A ConfigMap holds no valid ledger; nothing is admitted.

    Attributes:
        resource_version: Of the ConfigMap.
    """

    def __init__(self, message: str, *, resource_version: str = "") -> None:
        super().__init__(message)
        self.resource_version = resource_version


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    slots: dict[str, tuple[str, str, int, float, str, int]]
    turn: str = ""
    deficits: dict[str, float] = {}


def config_map(
    ledger: Ledger, limits: Limits, place: tuple[str, str], before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the ConfigMap; ``before`` is the metadata of the one that it replaces."""
    slots = {
        uid: (slot.namespace, slot.agent, slot.epoch, slot.since, slot.run, slot.attempt)
        for uid, slot in ledger.slots.items()
    }
    written = _Written(slots, ledger.turn, dict(ledger.deficits))
    namespace, name = place
    metadata = dict(before or {"name": name, "namespace": namespace})
    metadata.pop("managedFields", None)
    encoded = msgspec.json.encode(dataclasses.asdict(limits)).decode()
    metadata["annotations"] = {**(metadata.get("annotations") or {}), LIMITS: encoded}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {KEY: msgspec.json.encode(written).decode()},
    }


def limits(config_map: Mapping[str, Any]) -> Limits | None:
    """Return the stored limits; None if the ConfigMap has none."""
    annotation = (config_map["metadata"].get("annotations") or {}).get(LIMITS, "")
    try:
        return msgspec.json.decode(annotation, type=Limits)
    except (msgspec.MsgspecError, ValueError):
        return None


def read(config_map: Mapping[str, Any]) -> Ledger:
    """Parse a ConfigMap.

    Raises:
        CorruptError: It is not what ``config_map`` writes.
    """
    text = (config_map.get("data") or {}).get(KEY, "")
    try:
        written = msgspec.json.decode(text, type=_Written)
    except msgspec.MsgspecError as error:
        metadata = config_map.get("metadata") or {}
        raise CorruptError(
            f"expected the ledger of runs at {KEY} in ConfigMap {metadata.get('namespace')}/"
            f"{metadata.get('name')}: {error}; nothing is admitted until it is rebuilt",
            resource_version=str(metadata.get("resourceVersion") or ""),
        ) from error
    slots = {uid: Slot(*slot) for uid, slot in written.slots.items()}
    return Ledger(slots, written.turn, written.deficits)
