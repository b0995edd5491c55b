"""The ledger as a ConfigMap, and back. Pure.

data["ledger.json"]::

    {"turn": "team-a", "deficits": {"team-b": 0.5},
     "slots": {"RUN-UID": ["team-a", "coder", 3, 1790000000.0, "fix-login", 1]}}

A slot is namespace, agent, epoch, since when (seconds since 1970), the run's name and its attempt.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from controllers.ledger.admission import Ledger, Limits, Slot

KEY: Final = "ledger.json"
LIMITS: Final = "agents.proompteng.ai/limits"
"""The annotation with the limits that whoever wrote it last keeps, for who explains:
``{"namespace": 10, "agent": 5, "cluster": 100}``.
"""


class CorruptError(Exception):
    """A ConfigMap holds no ledger; says what was expected, and that nothing is admitted.

    Attributes:
        resource_version: Of what was found in the ledger's place.
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
    """The ConfigMap; ``before`` is the metadata of the one that it replaces."""
    slots = {
        uid: (one.namespace, one.agent, one.epoch, one.since, one.run, one.attempt)
        for uid, one in ledger.slots.items()
    }
    written = _Written(slots, ledger.turn, dict(ledger.deficits))
    namespace, name = place
    metadata = dict(before or {"name": name, "namespace": namespace})
    metadata.pop("managedFields", None)
    told = msgspec.json.encode(dataclasses.asdict(limits)).decode()
    metadata["annotations"] = {**(metadata.get("annotations") or {}), LIMITS: told}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {KEY: msgspec.json.encode(written).decode()},
    }


def limits(found: Mapping[str, Any]) -> Limits | None:
    """The limits that are kept; None where a ConfigMap does not say."""
    told = (found["metadata"].get("annotations") or {}).get(LIMITS, "")
    try:
        return msgspec.json.decode(told, type=Limits)
    except (msgspec.MsgspecError, ValueError):
        return None


def read(found: Mapping[str, Any]) -> Ledger:
    """What a ConfigMap holds.

    Raises:
        CorruptError: It is not what ``config_map`` writes.
    """
    text = (found.get("data") or {}).get(KEY, "")
    try:
        written = msgspec.json.decode(text, type=_Written)
    except msgspec.MsgspecError as error:
        metadata = found.get("metadata") or {}
        raise CorruptError(
            f"expected the ledger of runs at {KEY} in ConfigMap {metadata.get('namespace')}/"
            f"{metadata.get('name')}: {error}; nothing is admitted until it is rebuilt",
            resource_version=str(metadata.get("resourceVersion") or ""),
        ) from error
    slots = {uid: Slot(*slot) for uid, slot in written.slots.items()}
    return Ledger(slots, written.turn, written.deficits)
