"""The rotation's state and authorities as a Secret, and back. Pure.

data::

    state.json   {"revision": 7, "active": 2, "published": [2, 3]}
    ca-2.crt     PEM of an authority; ca-2.key its key, as long as it signs or is going to
    ca.crt       all published authorities: what caBundles show
"""

import base64
import binascii
import dataclasses
import datetime as dt
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from certs import authority, files, rotation

STATE: Final = "state.json"
BUNDLE: Final = "ca.crt"
LABEL: Final = "kubewright.dev/certs"
GENERATION: Final = "kubewright.dev/generation"
# Of a replica's Lease: the names of its leaf, for which an authority has to be permitted to sign.
SERVER_NAMES: Final = "kubewright.dev/server-names"
# Whoever changes the value of the first wants a rotation; the second says which was carried out.
WANTED: Final = "kubewright.dev/rotate"
DONE: Final = "kubewright.dev/rotated"


class CorruptError(authority.CertificateError):
    """A Secret is not what was written there; says what was expected."""


@dataclasses.dataclass(frozen=True)
class Stored:
    """A state with its authorities.

    Attributes:
        authorities: By generation; without a key where it signs no more.
        done: The request for a rotation that was carried out last.
    """

    state: rotation.State
    authorities: Mapping[rotation.Generation, authority.Pair]
    done: str = ""

    @property
    def bundle_pem(self) -> bytes:
        """Whom clients are to believe."""
        found = [self.authorities[one].certificate_pem for one in self.state.published]
        return b"".join(pem if pem.endswith(b"\n") else pem + b"\n" for pem in found)

    @property
    def active(self) -> authority.Pair:
        """What signs."""
        return self.authorities[self.state.active]

    def wish(self, found: Mapping[str, Any]) -> str:
        """The request for a rotation in a Secret that is still to be carried out, if any.

        A Secret that was deleted and restored holds none: what it held before was carried out.
        """
        annotations = (found.get("metadata") or {}).get("annotations") or {}
        wanted = str(annotations.get(WANTED) or "")
        return "" if wanted == self.done else wanted

    def advanced(
        self, state: rotation.State, make: Callable[[rotation.Generation], authority.Pair]
    ) -> "Stored":
        """With the next state: an authority for each new generation, no key that signs no more."""
        kept = {
            one: self.authorities[one] if one in self.authorities else make(one)
            for one in state.published
        }
        authorities = {
            one: pair if one >= state.active else authority.Pair(pair.certificate_pem, b"")
            for one, pair in kept.items()
        }
        return Stored(state, authorities, self.done)


def first(make: Callable[[rotation.Generation], authority.Pair]) -> Stored:
    """Where nothing is stored yet."""
    return Stored(rotation.FIRST, {1: make(1)})


def secret(
    stored: Stored, namespace: str, name: str, metadata: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The Secret; ``metadata`` is that of the one it replaces."""
    state = dataclasses.asdict(stored.state)
    data = {STATE: json.dumps(state).encode(), BUNDLE: stored.bundle_pem}
    for generation, pair in stored.authorities.items():
        data[f"ca-{generation}.crt"] = pair.certificate_pem
        if pair.key_pem:
            data[f"ca-{generation}.key"] = pair.key_pem
    before = dict(metadata or {})
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            **{key: before[key] for key in ("uid", "resourceVersion") if key in before},
            "name": name,
            "namespace": namespace,
            "labels": {**(before.get("labels") or {}), LABEL: name},
            "annotations": {**(before.get("annotations") or {}), DONE: stored.done},
        },
        "type": "Opaque",
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def read(found: Mapping[str, Any]) -> Stored:
    """What a Secret holds.

    Raises:
        CorruptError: It is not what ``secret`` writes.
    """
    try:
        data = {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
        raw = json.loads(data[STATE])
        state = rotation.State(raw["revision"], raw["active"], tuple(raw["published"]))
        _check(state)
        authorities = {one: _pair(data, one, state.active) for one in state.published}
    except (KeyError, TypeError, ValueError, binascii.Error, authority.CertificateError) as error:
        name = (found.get("metadata") or {}).get("name")
        raise CorruptError(
            f"expected authorities and their state in Secret {name}: {error!r}"
        ) from error
    annotations = (found.get("metadata") or {}).get("annotations") or {}
    return Stored(state, authorities, annotations.get(DONE, ""))


def time(text: Any) -> dt.datetime | None:
    """An instant as Kubernetes writes it, if it is one."""
    try:
        found = dt.datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _check(state: rotation.State) -> None:
    numbers = (state.revision, state.active, *state.published)
    if not all(type(one) is int and one > 0 for one in numbers):
        raise ValueError(f"expected whole numbers, got {numbers}")
    if state.active not in state.published or [*state.published] != sorted({*state.published}):
        raise ValueError(f"expected {state.active} among {state.published}, in order")


def _pair(
    data: Mapping[str, bytes], generation: rotation.Generation, active: rotation.Generation
) -> authority.Pair:
    pair = authority.Pair(data[f"ca-{generation}.crt"], data.get(f"ca-{generation}.key", b""))
    if generation >= active:
        files.check_pair(pair.certificate_pem, pair.key_pem)
    else:
        authority.read_bundle(pair.certificate_pem)
    return pair
