"""A local cache of a kind's objects, with indexes. No I/O; for a single event loop."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic

from controllers.kube.watch.projections import Change, Key, T

Indexer = Callable[[T], Iterable[str]]
_log = logging.getLogger(__name__)


class Store(Generic[T]):
    """Objects by key and by index.

    Args:
        indexers: By index name, a function that returns the index values of an object.
    """

    def __init__(self, indexers: Mapping[str, Indexer[T]] | None = None) -> None:
        self._objects: dict[Key, T] = {}
        self._indexers = dict(indexers or {})
        self._indexes: dict[str, dict[str, dict[Key, None]]] = {name: {} for name in self._indexers}
        self._version = 0
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[T]:
        return iter(tuple(self._objects.values()))

    def get(self, key: Key) -> T | None:
        """Return the cached object."""
        return self._objects.get(key)

    def by(self, index: str, value: str) -> tuple[T, ...]:
        """Return the objects with a value in an index."""
        return tuple(self._objects[key] for key in self._indexes[index].get(value, ()))

    def put(self, value: T) -> Change[T] | None:
        """Store an object; return the change, or None if the cached one is as new."""
        key = value.key
        before = self._objects.get(key)
        if before is not None and not _is_newer(value, before):
            return None
        return self._set(key, before, value)

    def drop(self, key: Key) -> Change[T] | None:
        """Remove an object; None if it was not cached."""
        before = self._objects.pop(key, None)
        if before is None:
            return None
        self._unindex(key, before)
        return Change(key, before, None)

    def replace(self, values: Iterable[T], *, resource_version: str) -> list[Change[T]]:
        """Replace the content by a list; objects that it lacks are removed.

        Only objects newer than the list are kept: own writes, which the watch that follows the list
        will deliver. A list with a lower resourceVersion than reached belongs to another history
        (etcd was restored from a backup): the old content is dropped, and waiters are released.
        """
        listed, ahead = _number(resource_version), set[Key]()
        if listed < self._version:
            self._version = listed
            self._wake(lambda _: True)
        else:
            ahead = {
                entry.key for entry in self if _number(entry.metadata.resource_version) > listed
            }
        fresh = {value.key: value for value in values}
        gone = [self.drop(key) for key in [*self._objects] if key not in fresh and key not in ahead]
        put = [
            self._set(key, self._objects.get(key), value)
            for key, value in fresh.items()
            # Compared by content: a version may differ between two histories.
            if key not in ahead and value != self._objects.get(key)
        ]
        self.reached(resource_version)
        return [change for change in (*gone, *put) if change is not None]

    def reached(self, resource_version: str) -> None:
        """Record the observed resourceVersion and wake its waiters."""
        version = _number(resource_version)
        if version > self._version:
            self._version = version
            if self._waiters:
                self._wake(lambda waiting_for: waiting_for <= version)

    async def wait_for(self, resource_version: str) -> None:
        """Wait until a write has been observed: read your own writes.

        resourceVersions of a kind can be compared as numbers (KEP-5504, Kubernetes 1.35; true of
        etcd before that).
        """
        version = int(resource_version)
        if version <= self._version:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiters.append((version, future))
        await future

    def _wake(self, is_over: Callable[[int], bool]) -> None:
        waiters, self._waiters = self._waiters, []
        for version, future in waiters:
            if not is_over(version):
                self._waiters.append((version, future))
            elif not future.done():
                future.set_result(None)

    def _set(self, key: Key, before: T | None, value: T) -> Change[T]:
        self._objects[key] = value
        for name, indexer in self._indexers.items():
            index = self._indexes[name]
            values = _indexed(name, indexer, value)
            if before is not None:
                known = _indexed(name, indexer, before)
                if known == values:
                    continue
                _drop(index, key, known)
            for entry in values:
                index.setdefault(entry, {})[key] = None
        return Change(key, before, value)

    def _unindex(self, key: Key, before: T | None) -> None:
        if before is None:
            return
        for name, indexer in self._indexers.items():
            _drop(self._indexes[name], key, _indexed(name, indexer, before))


def _indexed(name: str, indexer: Indexer[T], value: T) -> list[str]:
    """Return an object's index values; none if the indexer fails, to not affect other objects."""
    try:
        return [*indexer(value)]
    except Exception as error:  # noqa: BLE001 - the object may be at fault as well as the indexer
        _log.warning("failed to index %s by %s: %r", value.key, name, error)
        return []


def _drop(index: dict[str, dict[Key, None]], key: Key, values: Iterable[str]) -> None:
    for entry in values:
        bucket = index.get(entry, {})
        bucket.pop(key, None)
        if not bucket:
            index.pop(entry, None)


def _number(resource_version: str) -> int:
    """Parse a resourceVersion; 0 if it is not a number, as aggregated APIs may send."""
    return int(resource_version) if resource_version.isdecimal() else 0


def _is_newer(value: T, than: T) -> bool:
    new, old = value.metadata.resource_version, than.metadata.resource_version
    if value.metadata.uid != than.metadata.uid:
        return True
    return int(new) > int(old) if new.isdecimal() and old.isdecimal() else new != old
