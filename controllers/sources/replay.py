"""Guards against replays: of a delivery by its identifier, of a state by its version. Pure.

The identifier of a delivery is not signed, so it may only save work. What decides is the version,
which is signed, and stored with the ImplementationSpec, so that all replicas agree.
"""

import collections
from typing import Final

from controllers.kube import JSON
from controllers.sources import mapping
from controllers.sources.api_constants import Ending, Skip
from controllers.sources.issues import Observation, Rank, Version
from controllers.sources.source_view import Source

MAX_REMEMBERED: Final = 20_000
_MAX_ID: Final = 128


class RecentDeliveries:
    """Identifiers of deliveries that are durable, the last ones."""

    def __init__(self, max_remembered: int = MAX_REMEMBERED) -> None:
        self._max_remembered = max_remembered
        self._ids: collections.OrderedDict[tuple[str, str, str], None] = collections.OrderedDict()

    def has(self, source_uid: str, delivery_id: str, signature: str) -> bool:
        """Return whether this delivery was received before.

        Args:
            source_uid: UID of its source.
            delivery_id: As its sender says; anyone who replays a body may choose another.
            signature: Of its body: an identifier that was used before proves nothing.
        """
        return (source_uid, delivery_id, signature) in self._ids

    def add(self, source_uid: str, delivery_id: str, signature: str) -> None:
        """Remember a delivery that is durable."""
        if not delivery_id or len(delivery_id) > _MAX_ID:
            return
        self._ids[source_uid, delivery_id, signature] = None
        if len(self._ids) > self._max_remembered:
            self._ids.popitem(last=False)


def ending(source: Source, observation: Observation) -> Ending | None:
    """Return why an issue can no longer be followed, if so."""
    if observation.ending is None and source.scope.has_left(observation.issue):
        return Ending.OUT_OF_SCOPE
    return observation.ending


def skip(source: Source, observation: Observation, known: JSON | None) -> Skip | None:
    """Return why an observation changes nothing; None if it is to be applied.

    Args:
        source: The source that it came to.
        observation: Of an issue in its scope or not.
        known: The ImplementationSpec of the issue, if there is one.
    """
    if not source.scope.has(observation.issue):
        return Skip.OTHER_SCOPE
    if known is None:
        return Skip.OTHER_SCOPE if source.scope.has_left(observation.issue) else None
    if not mapping.is_of(known, source):
        return Skip.OTHER_SCOPE
    return _order(mapping.version_of(known), observation.version)


def _order(known: Version | None, new: Version) -> Skip | None:
    if known is None or new > known:
        return None
    if new < known:
        return Skip.OUTDATED
    # The same instant, seen in the same way: two deliveries of one second may differ, and two
    # reads as well. An end stays one.
    return Skip.DUPLICATE if new.rank is Rank.ENDED else None
