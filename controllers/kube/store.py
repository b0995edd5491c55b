"""The objects of a kind as a reflector saw them last, with indexes. No I/O; one event loop."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic

from controllers.kube.projections import Change, Key, T

Indexer = Callable[[T], Iterable[str]]
_log = logging.getLogger(__name__)


class Store(Generic[T]):
    """Objects by key, and by whatever indexers find in them.

    Args:
        indexers: By name of an index, what an object is found by there.
    """

    def __init__(self, indexers: Mapping[str, Indexer[T]] | None = None) -> None:
        self._objects: dict[Key, T] = {}
        self._indexers = dict(indexers or {})
        self._indexes: dict[str, dict[str, dict[Key, None]]] = {name: {} for name in self._indexers}
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
        return tuple(self._objects[key] for key in self._indexes[index].get(value, ()))

    def put(self, value: T) -> Change[T] | None:
        """Take in an object; what changed, or None for one that is not newer than the known one."""
        key = value.key
        before = self._objects.get(key)
        if before is not None and not _is_newer(value, before):
            return None
        return self._set(key, before, value)

    def drop(self, key: Key) -> Change[T] | None:
        """Forget an object; None where it was not known."""
        before = self._objects.pop(key, None)
        if before is None:
            return None
        self._unindex(key, before)
        return Change(key, before, None)

    def replace(self, values: Iterable[T], *, resource_version: str) -> list[Change[T]]:
        """Take in a whole collection as it was at a resourceVersion: what is not in it went.

        Only what is newer than the list stays as it is: an own write, of which the watch that goes
        on from the list will tell. A list of a lower version than was reached is of another history
        (etcd was restored from a backup): of the old one nothing stays, and nobody waits for it.
        """
        listed, ahead = _number(resource_version), set[Key]()
        if listed < self._version:
            self._version = listed
            self._wake(lambda _: True)
        else:
            ahead = {one.key for one in self if _number(one.metadata.resource_version) > listed}
        fresh = {value.key: value for value in values}
        gone = [self.drop(key) for key in [*self._objects] if key not in fresh and key not in ahead]
        put = [
            self._set(key, self._objects.get(key), value)
            for key, value in fresh.items()
            # By what they say: one version may say two things in two histories.
            if key not in ahead and value != self._objects.get(key)
        ]
        self.reached(resource_version)
        return [change for change in (*gone, *put) if change is not None]

    def reached(self, resource_version: str) -> None:
        """Note how far the collection was followed, and wake who waited for that."""
        version = _number(resource_version)
        if version > self._version:
            self._version = version
            if self._waiting:
                self._wake(lambda wanted: wanted <= version)

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

    def _wake(self, is_over: Callable[[int], bool]) -> None:
        waiting, self._waiting = self._waiting, []
        for wanted, future in waiting:
            if not is_over(wanted):
                self._waiting.append((wanted, future))
            elif not future.done():
                future.set_result(None)

    def _set(self, key: Key, before: T | None, value: T) -> Change[T]:
        self._objects[key] = value
        for name, indexer in self._indexers.items():
            index = self._indexes[name]
            found = _indexed(name, indexer, value)
            if before is not None:
                known = _indexed(name, indexer, before)
                if known == found:
                    continue
                _drop(index, key, known)
            for one in found:
                index.setdefault(one, {})[key] = None
        return Change(key, before, value)

    def _unindex(self, key: Key, before: T | None) -> None:
        if before is None:
            return
        for name, indexer in self._indexers.items():
            _drop(self._indexes[name], key, _indexed(name, indexer, before))


def _indexed(name: str, indexer: Indexer[T], value: T) -> list[str]:
    """What an indexer finds; nothing where it fails, which no other object is to suffer from."""
    try:
        return [*indexer(value)]
    except Exception as error:  # noqa: BLE001 - it is the object's fault as often as the indexer's
        _log.warning("%s is in no index %s: %r", value.key, name, error)
        return []


def _drop(index: dict[str, dict[Key, None]], key: Key, values: Iterable[str]) -> None:
    for one in values:
        bucket = index.get(one, {})
        bucket.pop(key, None)
        if not bucket:
            index.pop(one, None)


def _number(resource_version: str) -> int:
    """The version as a number; 0 for what is none, as aggregated APIs may answer."""
    return int(resource_version) if resource_version.isdecimal() else 0


def _is_newer(value: T, than: T) -> bool:
    new, old = value.metadata.resource_version, than.metadata.resource_version
    if value.metadata.uid != than.metadata.uid:
        return True
    return int(new) > int(old) if new.isdecimal() and old.isdecimal() else new != old
