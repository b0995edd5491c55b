"""The objects of a kind as a reflector saw them last, with indexes. No I/O; one event loop."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic

from controllers.kube.projections import Change, Key, T

Indexer = Callable[[T], Iterable[str]]


class Store(Generic[T]):
    """Objects by key, and by whatever indexers find in them.

    Args:
        indexers: By name of an index, what an object is found by there.
    """

    def __init__(self, indexers: Mapping[str, Indexer[T]] | None = None) -> None:
        self._objects: dict[Key, T] = {}
        self._indexers = dict(indexers or {})
        self._indexes: dict[str, dict[str, dict[Key, T]]] = {name: {} for name in self._indexers}
        self._version = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[T]:
        return iter(tuple(self._objects.values()))

    def get(self, key: Key) -> T | None:
        """The object as it was seen last."""
        return self._objects.get(key)

    def by(self, index: str, value: str) -> tuple[T, ...]:
        """The objects in which an indexer found a value."""
        return tuple(self._indexes[index].get(value, {}).values())

    def put(self, value: T) -> Change[T] | None:
        """Take in an object; what changed, or None for one that is not newer than the known one."""
        key = value.key
        before = self._objects.get(key)
        if before is not None and not _is_newer(value, before):
            return None
        self._unindex(key, before)
        self._objects[key] = value
        for name, indexer in self._indexers.items():
            for found in indexer(value):
                self._indexes[name].setdefault(found, {})[key] = value
        return Change(key, before, value)

    def drop(self, key: Key) -> Change[T] | None:
        """Forget an object; None where it was not known."""
        before = self._objects.pop(key, None)
        if before is None:
            return None
        self._unindex(key, before)
        return Change(key, before, None)

    def replace(self, values: Iterable[T]) -> list[Change[T]]:
        """Take in a whole collection: what is not in it went while nobody looked."""
        fresh = {value.key: value for value in values}
        gone = [self.drop(key) for key in [*self._objects] if key not in fresh]
        put = [self.put(value) for value in fresh.values()]
        return [change for change in (*gone, *put) if change is not None]

    def reached(self, resource_version: str) -> None:
        """Note how far the collection was followed, and wake who waited for that."""
        if not resource_version.isdecimal():
            return
        self._version = max(self._version, int(resource_version))
        waiting, self._waiting = self._waiting, []
        for wanted, future in waiting:
            if wanted > self._version:
                self._waiting.append((wanted, future))
            elif not future.done():
                future.set_result(None)

    async def wait_for(self, resource_version: str) -> None:
        """Wait until what was written at a resourceVersion has been seen: read your own writes.

        resourceVersions of one kind can be compared as numbers (KEP-5504, Kubernetes 1.35; true of
        etcd before).
        """
        wanted = int(resource_version)
        if wanted <= self._version:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, future))
        await future

    def _unindex(self, key: Key, before: T | None) -> None:
        if before is None:
            return
        for name, indexer in self._indexers.items():
            index = self._indexes[name]
            for found in indexer(before):
                bucket = index.get(found, {})
                bucket.pop(key, None)
                if not bucket:
                    index.pop(found, None)


def _is_newer(value: T, than: T) -> bool:
    new, old = value.metadata.resource_version, than.metadata.resource_version
    if value.metadata.uid != than.metadata.uid:
        return True
    return int(new) > int(old) if new.isdecimal() and old.isdecimal() else new != old
