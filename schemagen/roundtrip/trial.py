"""Generate objects and changes, and find losses between versions. Pure, reproducible by seed.

An object is created in one version (or found in etcd violating its schema), stored in some version,
and changed through any. After each change it is read in every other version.
"""

import asyncio
import dataclasses
import random
from collections.abc import Iterator

from schemagen import checking
from schemagen.differential import generation
from schemagen.differential.shrinking import smallest
from schemagen.model import registry
from schemagen.problems import JSON
from schemagen.roundtrip import differences, real_server, requests, simulated_server
from schemagen.roundtrip.cases import (
    ENVELOPE,
    Case,
    Loss,
    LossError,
    RoomError,
    Said,
    Tally,
    as_object,
    own_members,
)
from schemagen.roundtrip.changes import Change, Drawer
from schemagen.roundtrip.life import Life
from schemagen.roundtrip.simulated_server import Admit, Convert, Value
from schemagen.roundtrip.views import Views
from schemagen.versions.converter import Converter
from schemagen.versions.residue import storage

# How often a drawn object is mended before another one is drawn.
_REPAIRS = 12
# How many objects are drawn in the hope of a valid one; how many changes for one that is allowed.
_TRIES = 20
_CHANGE_TRIES = 4
_MAX_CHANGES = 3
_BROKEN_SHARE = 0.25
# Valid objects that others are made of: a whole one takes many draws.
_MIN_POOL, _POOL = 8, 60
_VARIED_SHARE = 0.8
# How often a change is made in another version than the one that the object was created in.
_ELSEWHERE = 0.6
# Losses of a kind that are made small and shown; the others are counted.
_SHOWN = 3


class Trial:
    """Draws, converts, changes and compares.

    Args:
        api: Whose.
        kind: Which.
        seed: Names the run.
        convert: The conversion under test; that of the webhooks if None.
        admit: The mutating admission under test; that of the webhooks if None.
        server: A real API server that objects are changed in; a simulated one if None.
    """

    def __init__(
        self,
        api: registry.Api,
        kind: registry.Kind,
        *,
        seed: int | str = 0,
        convert: Convert | None = None,
        admit: Admit | None = None,
        server: real_server.Server | None = None,
    ) -> None:
        self.views = Views(api, kind)
        self._convert = convert or converting(api, kind)
        self._admit = admit or _admitting(api, kind)
        self._server = server
        self._random = random.Random(f"{seed} {api.group} {kind.name}")  # noqa: S311 - no secret
        self._draw = generation.Draw(self._random)
        self._drawer = Drawer(self._random)
        self._pools: dict[str, list[Said]] = {}

    def run(self, count: int, tally: Tally | None = None) -> Iterator[Tally]:
        """Go on until so many more trips were made; the tally after each object."""
        tally = Tally() if tally is None else tally
        most = tally.trips + count
        while tally.trips < most:
            case = self._case()
            tally.objects += 1
            tally.broken += case.is_broken
            life = self._life(case, tally)
            made: list[Change] = []
            try:
                self._live(life, made, tally)
            except LossError as error:
                self._tell(tally, dataclasses.replace(case, changes=tuple(made)), error.loss)
            except RoomError:
                tally.overflows += 1
            except simulated_server.RefusedError:
                tally.refused += 1
            except real_server.LostServerError:
                raise
            except Exception as error:  # noqa: BLE001 - an exception is a finding, not an end
                loss = _raised(error)
                self._tell(tally, dataclasses.replace(case, changes=tuple(made)), loss)
            yield tally

    def replay(self, case: Case) -> Loss | None:
        """Replay a case; return its loss, if any."""
        life = self._life(case, Tally())
        try:
            life.begin()
            for change in case.changes:
                life.make(change)
        except LossError as error:
            return error.loss
        except (RoomError, simulated_server.RefusedError):
            return None
        except real_server.LostServerError:
            raise
        except Exception as error:  # noqa: BLE001 - likewise
            return _raised(error)
        return None

    def smallest(self, case: Case, loss: Loss) -> tuple[Case, Loss]:
        """The smallest case that shows such a loss."""

        def shows(other: Case) -> bool:
            found = self.replay(other)
            return found is not None and found.what == loss.what

        for at in reversed(range(len(case.changes))):
            fewer = dataclasses.replace(case, changes=case.changes[:at] + case.changes[at + 1 :])
            case = fewer if shows(fewer) else case

        async def still(value: JSON) -> bool:
            return shows(dataclasses.replace(case, value=value))

        kept = frozenset({"apiVersion", "kind", "metadata"})
        value = asyncio.run(smallest(case.value, still, kept=kept))
        case = dataclasses.replace(case, value=value)
        return case, self.replay(case) or loss

    def _life(self, case: Case, tally: Tally) -> Life:
        cluster: simulated_server.Cluster | real_server.Cluster
        if self._server is None:
            cluster = simulated_server.Cluster(self.views, self._convert, self._admit, case.storage)
        else:
            cluster = real_server.Cluster(self.views, self._server)
        return Life(self.views, self._convert, cluster, case, tally)

    def _live(self, life: Life, made: list[Change], tally: Tally) -> None:
        life.begin()
        for _ in range(self._random.randint(1, _MAX_CHANGES)):
            for _ in range(_CHANGE_TRIES):
                change = self._change(life)
                made.append(change)
                try:
                    life.make(change)
                    break
                except simulated_server.RefusedError as error:
                    made.pop()
                    tally.refused_changes += not isinstance(error, requests.UnsayableError)

    def _change(self, life: Life) -> Change:
        names = self._served
        others = [name for name in names if name != life.origin] or names
        version = self._random.choice(others if self._random.random() < _ELSEWHERE else names)
        node, said = self.views.node(version), life.said(version)
        change = self._drawer.change(node, said, version, names)
        return change if self._server is None else real_server.sent(change, self._random)

    @property
    def _served(self) -> list[str]:
        return [version.name for version in self.views.kind.versions if version.served]

    def _tell(self, tally: Tally, case: Case, loss: Loss) -> None:
        tally.losses += 1
        if len(tally.shown) < _SHOWN:
            tally.shown.append(self.smallest(case, loss))

    def _case(self) -> Case:
        names = self._served
        origin, storage = self._random.choice(names), self._random.choice(self.views.names)
        value, is_valid = self._valid(origin)
        if self._server is not None:  # nobody writes past it
            return Case(origin=origin, storage=self.views.kind.storage.name, value=value)
        if is_valid and self._random.random() >= _BROKEN_SHARE:
            return Case(origin=origin, storage=storage, value=value)
        schema = self.views.node(origin).schema
        body = {key: item for key, item in value.items() if key not in ENVELOPE}
        own = {"type": "object", "properties": own_members(schema["properties"])}
        broken = self._draw.near_miss(self._draw.near_miss(body, own), own)
        meta = {key: value[key] for key in ENVELOPE}
        # A value of another type than the schema's is like a field that it does not know.
        taken = self.views.defaulted(origin, meta | own_members(as_object(broken)))
        broken = self.views.fitted(origin, taken)
        return Case(origin=origin, storage=origin, value=broken, is_broken=True)

    def _valid(self, version: str) -> tuple[Value, bool]:
        """An object, and whether it is valid: a new one, or one that was edited further."""
        pool = self._pools.setdefault(version, [])
        value = None
        if len(pool) >= _MIN_POOL and self._random.random() < _VARIED_SHARE:
            value = self._varied(version, self._random.choice(pool))
        if value is None:
            value = self._mended(version)
        if value is None:
            return self._whole(version, self._drawn(version)), False
        pool.append(value)
        if len(pool) > _POOL:
            del pool[self._random.randrange(_POOL)]
        return self._whole(version, value), True

    def _varied(self, version: str, said: Said) -> Said | None:
        """A valid object near another one."""
        edits = self._drawer.additions(self.views.node(version), said)
        for edit in [*edits]:
            near = differences.put(said, edit.path, edit.value)
            if not self.views.problems(version, near):
                said = near
        return said

    def _mended(self, version: str) -> Said | None:
        """A valid object: what breaks a rule is left out, for as long as that helps."""
        checker = checking.of_version(self.views.version(version))
        for _ in range(_TRIES):
            value = self._whole(version, self._drawn(version))
            for _ in range(_REPAIRS):
                paths = dict.fromkeys(cause.path for cause in checker.create(value).causes)
                if not paths:
                    return own_members(value)
                for path in sorted(paths, key=len, reverse=True):
                    value = generation.without_nearest(value, path)
        return None

    def _whole(self, version: str, body: Said) -> Value:
        metadata: dict[str, JSON] = {"name": "drawn"}
        if self.views.kind.scope == "Namespaced":
            metadata["namespace"] = "default"
        for name in ("labels", "annotations"):
            if self._random.random() < 0.2:  # noqa: PLR2004 - now and then
                metadata[name] = {"example.com/note": self._random.choice(["x", "y"])}
        return self.views.whole(version, {"metadata": metadata, **body})

    def _drawn(self, version: str) -> Said:
        schema = self.views.node(version).schema
        drawn = self._draw.valid({**schema, "properties": own_members(schema["properties"])})
        return as_object(drawn)


def _raised(error: Exception) -> Loss:
    return Loss(what=f"raised {type(error).__name__}: {error}")


def converting(api: registry.Api, kind: registry.Kind) -> Convert:
    """The conversion as the webhook does it, compiled where that is possible."""
    converter = Converter(api)

    def convert(value: Value, source: str, target: str) -> Value:
        return converter.way(kind, source, target).plain(value)

    return convert


def _admitting(api: registry.Api, kind: registry.Kind) -> Admit:
    """The mutating webhook's part in residue."""

    def admit(value: Value, old: Value | None, is_replacement: bool, /) -> Value:  # noqa: FBT001
        return storage.with_residue(api, kind, value, old, is_replacement=is_replacement)

    return admit
