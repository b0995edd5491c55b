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

from controllers.ledger.admission import Ledger, Slot

KEY: Final = "ledger.json"


class CorruptError(Exception):
    """A ConfigMap holds no ledger; says what was expected, and that nothing is admitted."""


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    slots: dict[str, tuple[str, str, int, float, str, int]]
    turn: str = ""
    deficits: dict[str, float] = {}


def config_map(
    ledger: Ledger, namespace: str, name: str, metadata: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The ConfigMap; ``metadata`` is that of the one it replaces, with its resourceVersion."""
    slots = {uid: dataclasses.astuple(slot) for uid, slot in ledger.slots.items()}
    written = _Written(slots, ledger.turn, dict(ledger.deficits))
    before = metadata or {"name": name, "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {key: value for key, value in before.items() if key != "managedFields"},
        "data": {KEY: msgspec.json.encode(written).decode()},
    }


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
            f"{metadata.get('name')}: {error}; nothing is admitted until it is rebuilt"
        ) from error
    slots = {uid: Slot(*slot) for uid, slot in written.slots.items()}
    return Ledger(slots, written.turn, written.deficits)
