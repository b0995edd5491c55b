"""The rotation's state and CAs as a Secret, and back. Pure.

data::

    state.json   {"revision": 7, "active": 2, "published": [2, 3]}
    ca-2.crt     PEM of a CA; ca-2.key its key, until it stops signing
    ca.crt       all published CAs: the content of caBundles
"""

import base64
import binascii
import dataclasses
import datetime as dt
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from certs import authority, rotation

STATE: Final = "state.json"
BUNDLE: Final = "ca.crt"
LABEL: Final = "kubewright.dev/certs"
GENERATION: Final = "kubewright.dev/generation"
# On a replica's Lease: the names of its serving certificate, which a CA must be permitted to sign.
SERVER_NAMES: Final = "kubewright.dev/server-names"
# Changing the first requests a rotation; the second records the last completed request.
WANTED: Final = "kubewright.dev/rotate"
DONE: Final = "kubewright.dev/rotated"


class CorruptError(authority.CertificateError):
    """The content of a Secret is invalid."""


@dataclasses.dataclass(frozen=True)
class Stored:
    """A state with its CAs.

    Attributes:
        authorities: CAs by generation; without a key once it no longer signs.
        done: The last completed rotation request.
    """

    state: rotation.State
    authorities: Mapping[rotation.Generation, authority.Pair]
    done: str = ""

    @property
    def bundle_pem(self) -> bytes:
        """The CA bundle that clients trust."""
        pems = [self.authorities[generation].certificate_pem for generation in self.state.published]
        return b"".join(pem if pem.endswith(b"\n") else pem + b"\n" for pem in pems)

    @property
    def active(self) -> authority.Pair:
        """The CA that signs."""
        return self.authorities[self.state.active]

    def wish(self, raw: Mapping[str, Any]) -> str:
        """Return the pending rotation request of a Secret, if any.

        A Secret that was deleted and restored has none: its earlier request was completed.
        """
        annotations = (raw.get("metadata") or {}).get("annotations") or {}
        requested = str(annotations.get(WANTED) or "")
        return "" if requested == self.done else requested

    def advanced(
        self, state: rotation.State, make: Callable[[rotation.Generation], authority.Pair]
    ) -> "Stored":
        """Move to the next state: create CAs of new generations, drop keys that no longer sign."""
        kept = {
            generation: self.authorities[generation]
            if generation in self.authorities
            else make(generation)
            for generation in state.published
        }
        authorities = {
            generation: pair
            if generation >= state.active
            else authority.Pair(pair.certificate_pem, b"")
            for generation, pair in kept.items()
        }
        return Stored(state, authorities, self.done)


def first(make: Callable[[rotation.Generation], authority.Pair]) -> Stored:
    """Create the initial state."""
    return Stored(rotation.FIRST, {1: make(1)})


def secret(
    stored: Stored, namespace: str, name: str, metadata: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Build the Secret; ``metadata`` is that of the Secret it replaces."""
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


def read(raw: Mapping[str, Any]) -> Stored:
    """Parse a Secret.

    Raises:
        CorruptError: The content is invalid.
    """
    try:
        data = {key: base64.b64decode(value) for key, value in (raw.get("data") or {}).items()}
        content = json.loads(data[STATE])
        state = rotation.State(content["revision"], content["active"], tuple(content["published"]))
        _check(state)
        authorities = {
            generation: _pair(data, generation, state.active) for generation in state.published
        }
    except (KeyError, TypeError, ValueError, binascii.Error, authority.CertificateError) as error:
        name = (raw.get("metadata") or {}).get("name")
        raise CorruptError(f"expected CAs and their state in Secret {name}: {error!r}") from error
    annotations = (raw.get("metadata") or {}).get("annotations") or {}
    return Stored(state, authorities, annotations.get(DONE, ""))


def time(text: Any) -> dt.datetime | None:
    """Parse a Kubernetes timestamp; None if it is invalid."""
    try:
        parsed = dt.datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else None


def _check(state: rotation.State) -> None:
    numbers = (state.revision, state.active, *state.published)
    if not all(type(generation) is int and generation > 0 for generation in numbers):
        raise ValueError(f"expected positive integers, got {numbers}")
    if state.active not in state.published or [*state.published] != sorted({*state.published}):
        raise ValueError(f"expected {state.active} among {state.published}, in order")


def _pair(
    data: Mapping[str, bytes], generation: rotation.Generation, active: rotation.Generation
) -> authority.Pair:
    pair = authority.Pair(data[f"ca-{generation}.crt"], data.get(f"ca-{generation}.key", b""))
    if generation >= active:
        authority.check_pair(pair.certificate_pem, pair.key_pem)
    else:
        authority.read_bundle(pair.certificate_pem)
    return pair
