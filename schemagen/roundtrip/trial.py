"""Generate objects and changes, and find losses between versions. Pure, reproducible by seed.

An object is created in one version (or found in etcd violating its schema), stored in some version,
and changed through any. After each change it is read in every other version.
"""

import asyncio
import collections
import dataclasses
import random
from collections.abc import Iterator, Mapping, Sequence

from schemagen import checking
from schemagen.differential import generation
from schemagen.differential.shrinking import smallest
from schemagen.model import registry
from schemagen.problems import JSON
from schemagen.roundtrip import differences, real_server, requests, requirements, simulated_server
from schemagen.roundtrip.changes import Change, Drawer
from schemagen.roundtrip.differences import Difference
from schemagen.roundtrip.simulated_server import Admit, Convert, Value
from schemagen.roundtrip.views import Views
from schemagen.versions.converter import Converter
from schemagen.versions.residue import storage

Said = dict[str, JSON]

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """An object's life, to be replayed.

    Attributes:
        origin: The version that it begins in.
        storage: The version that is stored.
        value: The object.
        is_broken: It was never admitted, but found in etcd.
        changes: What is made of it then.
    """

    origin: str
    storage: str
    value: Value
    is_broken: bool = False
    changes: tuple[Change, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loss:
    """A failed check of a case.

    Attributes:
        what: ``lost``, ``not stored as written``, ``unnecessary residue``, ``schema violation``,
            or the exception that was raised.
        version: The version that shows it.
        differences: Where.
        before: What the object said in that version, or should have said.
        now: What it says in each version now.
    """

    what: str
    version: str = ""
    differences: Sequence[Difference] = ()
    before: JSON = None
    now: Mapping[str, JSON] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Tally:
    """Running totals of cases.

    Attributes:
        objects: Objects drawn; ``broken`` of them break their schema.
        trips: Looks at an object in another version than the one it was written in.
        changes: Changes by what was written.
        losses: How many cases lost something.
        shown: The first of them, made small.
        residue: Bytes of residue of each look.
        beyond: Fields of objects that are valid in one version and not in another.
        overflows: Cases that ended because residue found no room.
        refused: Objects whose creation was refused: a number that Go writes otherwise is valid as
            it was drawn, and not as it comes. A real API server knows rules besides.
        refused_changes: Changes that were refused, and others drawn in their place.
    """

    objects: int = 0
    broken: int = 0
    trips: int = 0
    losses: int = 0
    overflows: int = 0
    refused: int = 0
    refused_changes: int = 0
    changes: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    shown: list[tuple[Case, Loss]] = dataclasses.field(default_factory=list)
    residue: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)
    beyond: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)


class LossError(Exception):
    """Raised where a check fails."""

    def __init__(self, loss: Loss) -> None:
        super().__init__(loss.what)
        self.loss = loss


class RoomError(Exception):
    """Residue found no room: what follows is told to the writer, and is no loss in silence."""


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
        self._convert = convert or _converting(api, kind)
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

    def _life(self, case: Case, tally: Tally) -> "_Life":
        cluster: simulated_server.Cluster | real_server.Cluster
        if self._server is None:
            cluster = simulated_server.Cluster(self.views, self._convert, self._admit, case.storage)
        else:
            cluster = real_server.Cluster(self.views, self._server)
        return _Life(self.views, self._convert, cluster, case, tally)

    def _live(self, life: "_Life", made: list[Change], tally: Tally) -> None:
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

    def _change(self, life: "_Life") -> Change:
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
        body = {key: item for key, item in value.items() if key not in _ENVELOPE}
        own = {"type": "object", "properties": _own(schema["properties"])}
        broken = self._draw.near_miss(self._draw.near_miss(body, own), own)
        meta = {key: value[key] for key in _ENVELOPE}
        # A value of another type than the schema's is like a field that it does not know.
        taken = self.views.defaulted(origin, meta | _own(_object(broken)))
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
                    return _own(value)
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
        drawn = self._draw.valid({**schema, "properties": _own(schema["properties"])})
        return _object(drawn)


_ENVELOPE = ("apiVersion", "kind", "metadata")


def _object(value: JSON) -> dict[str, JSON]:
    return value if isinstance(value, dict) else {}


def _own(value: Mapping[str, JSON]) -> dict[str, JSON]:
    return {key: item for key, item in value.items() if key not in _ENVELOPE}


def _raised(error: Exception) -> Loss:
    return Loss(what=f"raised {type(error).__name__}: {error}")


def _converting(api: registry.Api, kind: registry.Kind) -> Convert:
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


class _Life:
    """One case as it goes on: every check raises LossError."""

    def __init__(
        self,
        views: Views,
        convert: Convert,
        cluster: simulated_server.Cluster | real_server.Cluster,
        case: Case,
        tally: Tally,
    ) -> None:
        self._views, self._convert, self._cluster = views, convert, cluster
        self._case, self._tally = case, tally
        self._said: dict[str, Said] = {}
        # What each version said when it was last written in. Where nobody wrote, an object says
        # what conversion and defaults make of the rest.
        self._own: dict[str, Said] = {}

    @property
    def origin(self) -> str:
        """The version that the object began in."""
        return self._case.origin

    def said(self, version: str) -> Said:
        """Return the object as read in a version."""
        return self._said[version]

    def begin(self) -> None:
        """Have the object stored, and look at it in every version."""
        case = self._case
        value = self._cluster.named(case.value)
        if case.is_broken:
            self._cluster.place(case.origin, value)
        else:
            value = self._cluster.create(case.origin, value)
        self._said = self._looked_at()
        self._is_as_written(case.origin, self._views.said(case.origin, value))
        self._own[case.origin] = self._said[case.origin]
        if not case.is_broken:
            self._is_valid(case)

    def make(self, change: Change) -> None:
        """Make a change, and look at the object in every version.

        Raises:
            simulated.RefusedError: if the API server would not take it.
        """
        before = self._said
        written = self._written(change)
        self._tally.changes[change.action] += 1
        self._said = self._looked_at()
        if written is not None:
            self._is_as_written(change.version, written.said, written.sent)
            self._own[change.version] = self._said[change.version]
        for version in sorted(self._own):
            if written is None or version != written.version:
                self._survives(version, before, written, change.version)

    def _written(self, change: Change) -> requirements.Written | None:
        """Write a change; None if it says nothing new."""
        if change.action == "store":
            self._cluster.store_as(change.version)
            return None
        edited = self._edited(change)
        said = self._views.said(change.version, edited)
        return requirements.Written(
            version=change.version,
            before=self._said[change.version],
            said=said,
            sent=edited if change.by else said,
            reaches=change.reaches,
            own=self._own,
            by=change.by,
            keeps_lists=change.keeps_lists(self._views.node(change.version)),
        )

    def _edited(self, change: Change) -> Value:
        """Return the object with the change's edits."""
        by = change.by or change.version
        read = self._cluster.read(by)
        here = self._cluster.converted(read, by, change.version)
        edited = _object(change.edited(here))
        if change.by:
            checker = checking.of_version(self._views.version(change.version))
            simulated_server.allowed(checker.update(edited, here))
            known, twice = (
                simulated_server.repeated(self._views, change.version, one)
                for one in (here, edited)
            )
            if twice - known:  # apply merges an item into the one of its key
                raise simulated_server.RefusedError("expected one item of a key, got two")
        sent = self._cluster.converted(edited, change.version, by)
        if change.replaces:
            sent = self._without_residue(sent)
        if change.action == "status":
            self._cluster.write_status(by, sent, method=change.method)
            return edited
        method = "server-side apply" if change.by else change.method
        admitted = self._cluster.write(by, sent, method=method)
        return edited if change.by else admitted

    def _without_residue(self, value: Value) -> Value:
        names = self._views.residue(value)
        metadata = value.get("metadata") or {}
        notes = {key: text for key, text in (metadata.get("annotations") or {}).items()
                 if key not in names}  # fmt: skip
        rest = {key: item for key, item in metadata.items() if key != "annotations"}
        return {**value, "metadata": rest | ({"annotations": notes} if notes else {})}

    def _looked_at(self) -> dict[str, Said]:
        found = {}
        for version in self._cluster.versions:
            value = self._cluster.read(version)
            residue = self._views.residue(value)
            if any(name.endswith("overflow") for name in residue):
                raise RoomError
            self._tally.residue[self._views.residue_bytes(value)] += 1
            self._tally.trips += 1
            found[version] = self._views.said(version, value)
        self._tally.trips -= 1  # one of them is the version that was written
        return found

    def _is_as_written(self, version: str, said: Said, sent: Said | None = None) -> None:
        node = self._views.node(version)
        found = [*differences.differences(said, self._said[version], node, by_index=True)]
        if found and sent is not None:
            found = [*requirements.not_by_defaults(self._views, version, found, sent)]
        if found:
            raise self._error("not stored as written", version, found, said)

    def _survives(
        self,
        version: str,
        before: Mapping[str, Said],
        written: requirements.Written | None,
        changed: str,
    ) -> None:
        after = self._said[version]
        if written is None:
            found = requirements.moved(self._views, version, before, after, changed)
        else:
            found = requirements.lost(self._views, version, before[version], after, written)
        if found:
            raise self._error("lost", version, found, before[version])

    def _error(
        self, what: str, version: str, found: Sequence[Difference], before: Said
    ) -> LossError:
        return LossError(
            Loss(what=what, version=version, differences=found, before=before, now=self._said)
        )

    def _is_valid(self, case: Case) -> None:
        """A valid object is one of the schema in every version, and has residue where it must."""
        value = self._views.defaulted(case.origin, case.value)
        at = self._views.names.index(case.origin)
        for index in range(len(self._views.names)):
            target = self._views.names[index]
            converted = value if index == at else self._convert(value, case.origin, target)
            self._is_of_the_schema(target, converted)
            if abs(index - at) == 1:
                self._is_quiet(case.origin, target, value, converted)

    def _is_of_the_schema(self, version: str, value: Value) -> None:
        misfits = self._views.misfits(version, value)
        if misfits:
            found = [Difference((name,), None, value[name]) for name in misfits]
            raise self._error("schema violation", version, found, value)
        for problem in self._views.problems(version, self._said[version]):
            self._tally.beyond[f"{version} {problem.field}: {problem.reason}"] += 1

    def _is_quiet(self, source: str, target: str, value: Value, converted: Value) -> None:
        """No residue where the plain steps lose nothing, with defaults in between or without."""
        names = self._views.residue(converted)
        if names and self._loses_nothing(source, target, value):
            found = [Difference(("metadata", "annotations", name), None, text)
                     for name, text in names.items()]  # fmt: skip
            raise self._error("unnecessary residue", target, found, value)

    def _loses_nothing(self, source: str, target: str, value: Value) -> bool:
        said = self._views.said(source, value)
        there = self._views.stepped(source, said, target)
        ways = (there, self._views.defaulted(target, there))
        back = [self._views.meaning(target, _own(one) | {"metadata": one["metadata"]}, source)
                for one in ways]  # fmt: skip
        return set(back) == {self._views.meaning(source, said, source)}
