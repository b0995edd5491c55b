"""Records of an audit log as canonical JSON lines, each with the hash of the one before. Pure.

A record has names and identifiers only. Texts of issues, messages, values of parameters and Secrets
have no field, and what claims to be an identifier but does not look like one is replaced by a hash.
"""

import dataclasses
import datetime as dt
import enum
import hashlib
import re
from typing import Any, Final, NamedTuple, TypeGuard

import orjson

from controllers import kube
from schemagen import canonical

GENESIS: Final = "0" * 64
"""The hash before the first record of a chain."""
MAX_LINE_BYTES: Final = 16 * 1024
"""More than any record has: a dozen identifiers."""
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/#@+-]{0,252}", re.ASCII)
_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


class What(enum.StrEnum):
    """Subject of a record."""

    DELIVERY = "delivery"
    """A delivery of an issue tracker."""
    SPEC = "implementationspec"
    RUN = "agentrun"
    LOG = "audit"
    """The log itself."""


class Decision(enum.StrEnum):
    """Decision, or event, that is recorded."""

    # Deliveries.
    ACCEPTED = "accepted"
    REFUSED = "refused"
    REPEATED = "repeated"
    SKIPPED = "skipped"
    """Accepted, with nothing to apply."""
    # ImplementationSpecs.
    CREATED = "created"
    CHANGED = "changed"
    ORPHANED = "orphaned"
    # Runs.
    ADMITTED = "admitted"
    """The run got a slot."""
    STARTED = "started"
    RETRIED = "retried"
    CANCELLED = "cancelled"
    """The run's work was asked to stop."""
    ENDED = "ended"
    DELETED = "deleted"
    # The log.
    OPENED = "opened"
    RECOVERED = "recovered"
    """A record that was written only in part was cut off."""
    DROPPED = "dropped"
    CLOSED = "closed"


class Object(NamedTuple):
    """A reference to an object, or to work outside the cluster."""

    kind: str
    namespace: str = ""
    name: str = ""
    uid: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Content of a record.

    Attributes:
        what: The subject.
        decision: About it.
        who: Who caused it, as far as that is verified.
        reason: Of the decision, as a word.
        phase: In which a run ended.
        object: That it is about.
        work: That a run was started as.
        attempt: Of a run.
        delivery: Identifier of the delivery, as its sender says.
        trace: Identifier of the trace.
        count: Of records or bytes, in records of the log itself.
    """

    what: What
    decision: Decision
    who: str
    reason: str = ""
    phase: str = ""
    object: Object | None = None
    work: Object | None = None
    attempt: int = 0
    delivery: str = ""
    trace: str = ""
    count: int = 0


class Position(NamedTuple):
    """The place of a record in its chain.

    Attributes:
        chain: Identifier of the chain.
        sequence: Number of the record, from 1; 0 before the first.
        hash: Of the record.
    """

    chain: str
    sequence: int = 0
    hash: str = GENESIS


def line(
    entry: Entry, after: Position, *, time: dt.datetime, replica: str
) -> tuple[bytes, Position]:
    """Return an entry as the next line of a chain, and its position.

    Args:
        entry: What the record says.
        after: The position of the record before.
        time: Of the decision.
        replica: That decided.
    """
    body: dict[str, Any] = {
        "time": kube.micro_time(time),
        "replica": identifier(replica),
        "what": entry.what.value,
        "decision": entry.decision.value,
        "who": identifier(entry.who),
        "reason": identifier(entry.reason),
        "phase": identifier(entry.phase),
        "object": _object(entry.object),
        "work": _object(entry.work),
        "attempt": entry.attempt,
        "delivery": identifier(entry.delivery),
        "trace": identifier(entry.trace),
        "count": entry.count,
    }
    body = {name: value for name, value in body.items() if value}
    body |= {"chain": after.chain, "sequence": after.sequence + 1, "previous": after.hash}
    position = Position(after.chain, after.sequence + 1, _hash(body))
    return canonical.dumps({**body, "hash": position.hash}) + b"\n", position


def identifier(text: str) -> str:
    """Return a text if it looks like a name or an identifier; otherwise a hash of it."""
    if not text or _IDENTIFIER.fullmatch(text):
        return text
    return f"sha256:{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:16]}"


class Read(NamedTuple):
    """A line that is a record.

    Attributes:
        position: As it claims.
        previous: The hash of the record before, as it claims.
        time: As it claims.
        is_intact: Whether its bytes are those that were hashed.
    """

    position: Position
    previous: str
    time: str
    is_intact: bool


def read(data: bytes) -> Read | None:
    """Read a line without its end; None if it is no record."""
    if len(data) > MAX_LINE_BYTES:
        return None
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(body, dict):
        return None
    chain, sequence, previous = body.get("chain"), body.get("sequence"), body.get("previous")
    digest = body.get("hash")
    if not isinstance(chain, str) or not is_hash(previous) or not is_hash(digest):
        return None
    if not isinstance(sequence, int) or isinstance(sequence, bool) or sequence < 1:
        return None
    # The same value in other bytes, such as with a blank, is a change as well.
    is_intact = canonical.dumps(body) == data
    del body["hash"]
    is_intact = is_intact and _hash(body) == digest
    return Read(Position(chain, sequence, digest), previous, str(body.get("time", "")), is_intact)


def _hash(body: dict[str, Any]) -> str:
    """Return the hash of a record, which covers that of the one before: ``previous``."""
    return hashlib.sha256(canonical.dumps(body)).hexdigest()


def is_hash(value: object) -> TypeGuard[str]:
    """Return whether a value looks like the hash of a record."""
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def _object(reference: Object | None) -> dict[str, str]:
    if reference is None:
        return {}
    fields = reference._asdict().items()
    return {name: identifier(value) for name, value in fields if value}
