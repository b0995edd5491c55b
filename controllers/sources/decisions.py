"""Decisions about deliveries and ImplementationSpecs as entries of the audit log. Pure."""

from typing import Final

from controllers.audit.records import Decision, Entry, Object, What
from controllers.kube import JSON
from controllers.sources.api_constants import MANAGER, SOURCES, SPECS, Ending, Refusal, Skip
from controllers.sources.issues import Observation
from controllers.sources.source_view import Source

UNVERIFIED: Final = "unverified"
"""Sender of a delivery that was refused: anyone."""


def delivery(
    source: Source | None, outcome: Refusal | Skip | None, delivery_id: str, trace: str = ""
) -> Entry:
    """Return the entry of a delivery that was answered.

    Args:
        source: Its source; None if there is no such source, whose name is then anyone's text.
        outcome: Why it was refused, or changes nothing; None if it was made durable.
        delivery_id: As its sender says.
        trace: Identifier of its trace, as its sender says.
    """
    match outcome:
        case None:
            decision = Decision.ACCEPTED
        case Skip.DUPLICATE:
            decision = Decision.REPEATED
        case Skip():
            decision = Decision.SKIPPED
        case _:
            decision = Decision.REFUSED
    is_verified = source is not None and not isinstance(outcome, Refusal)
    return Entry(
        what=What.DELIVERY,
        decision=decision,
        who=source.provider.value if source is not None and is_verified else UNVERIFIED,
        reason="" if outcome is None else outcome.value,
        object=None if source is None else _object(SOURCES.kind, source),
        delivery=delivery_id,
        trace=trace,
    )


def applied(
    stored: JSON, known: JSON | None, observation: Observation, ending: Ending | None
) -> Entry:
    """Return the entry of an ImplementationSpec that was written.

    Args:
        stored: As it was stored.
        known: As it was before; None if it did not exist.
        observation: Of its issue.
        ending: Why the issue can no longer be followed, if so.
    """
    changed = Decision.CREATED if known is None else Decision.CHANGED
    metadata = stored["metadata"]
    return Entry(
        what=What.SPEC,
        decision=changed if ending is None else Decision.ORPHANED,
        who=MANAGER,
        reason=observation.rank.name.lower() if ending is None else ending.value,
        object=Object(SPECS.kind, metadata["namespace"], metadata["name"], metadata["uid"]),
        delivery=observation.delivery,
    )


def _object(kind: str, source: Source) -> Object:
    metadata = source.metadata
    return Object(kind, metadata.namespace, metadata.name, metadata.uid)
