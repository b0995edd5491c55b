"""The contents of etcd: objects at a revision, and later changes. No I/O; for one event loop."""

import asyncio
import bisect
import dataclasses
from collections.abc import Iterator
from typing import Literal, NamedTuple

from controllers.kube.errors import JSON

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]


class Place(NamedTuple):
    """Where an object is stored; the order of keys is the order of lists."""

    collection: str
    """Plural and group, such as ``leases.coordination.k8s.io``."""
    namespace: str
    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """A write.

    Attributes:
        revision: The revision that it made.
        type: As in a watch event.
        place: Of the object.
        object: As stored by it; of a deletion the last one, with the revision of the deletion.
        before: The object that it replaced, if any.
    """

    revision: int
    type: ChangeType
    place: Place
    object: JSON
    before: JSON | None


class CompactedError(Exception):
    """The history from a revision on is gone."""


class Storage:
    """Objects and their history. Objects in it are never changed, only replaced."""

    def __init__(self) -> None:
        # Clients must not rely on small numbers: etcd's begin anywhere.
        self.revision = 1000
        self._compacted = self.revision
        self._objects: dict[Place, JSON] = {}
        self._history: list[Change] = []
        self._changed = asyncio.Event()

    @property
    def oldest(self) -> int:
        """The oldest revision whose later changes are all known."""
        return self._compacted

    def get(self, place: Place) -> JSON | None:
        """Return an object."""
        return self._objects.get(place)

    def put(self, place: Place, value: JSON) -> JSON:
        """Store an object and return it with its resourceVersion."""
        before = self._objects.get(place)
        stored = self._numbered(value)
        self._objects[place] = stored
        self._note("ADDED" if before is None else "MODIFIED", place, stored, before)
        return stored

    def remove(self, place: Place) -> JSON:
        """Delete an object and return it, with the revision of the deletion."""
        before = self._objects.pop(place)
        gone = self._numbered(before)
        self._note("DELETED", place, gone, before)
        return gone

    def objects(
        self, collection: str, namespace: str | None = None, *, at: int | None = None
    ) -> list[tuple[Place, JSON]]:
        """Return a collection in the order of keys.

        Args:
            collection: The collection.
            namespace: A namespace; None for all.
            at: A revision; None for the current one.

        Raises:
            CompactedError: The revision's history is gone.
        """
        found = self._objects if at is None else self._at(at)
        chosen = [
            (place, value)
            for place, value in found.items()
            if place.collection == collection and namespace in {None, place.namespace}
        ]
        return sorted(chosen, key=lambda item: f"{item[0].namespace}/{item[0].name}")

    def since(self, revision: int) -> Iterator[Change]:
        """Yield the changes after a revision.

        Raises:
            CompactedError: Some of them are gone.
        """
        if revision < self._compacted:
            raise CompactedError
        begin = bisect.bisect_right(self._history, revision, key=lambda change: change.revision)
        return iter(self._history[begin:])

    def compact(self) -> None:
        """Forget all changes so far."""
        self._compacted = self.revision
        self._history.clear()

    def touch(self) -> None:
        """Make a revision without a change of any object, as other collections' writes do."""
        self.revision += 1

    async def changed(self) -> None:
        """Wait for the next change."""
        await self._changed.wait()

    def wake(self) -> None:
        """Wake all that wait for a change."""
        # Whoever waits now is woken; whoever comes later waits for the next one.
        self._changed.set()
        self._changed = asyncio.Event()

    def _numbered(self, value: JSON) -> JSON:
        self.revision += 1
        metadata = {**value["metadata"], "resourceVersion": str(self.revision)}
        return {**value, "metadata": metadata}

    def _note(self, type_: ChangeType, place: Place, value: JSON, before: JSON | None) -> None:
        self._history.append(Change(self.revision, type_, place, value, before))
        self.wake()

    def _at(self, revision: int) -> dict[Place, JSON]:
        objects = dict(self._objects)
        for change in reversed([*self.since(revision)]):
            if change.before is None:
                del objects[change.place]
            else:
                objects[change.place] = change.before
        return objects
