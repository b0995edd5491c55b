"""One case as it goes on: stored, changed, and read in every version after each change. Pure."""

import dataclasses
from collections.abc import Mapping, Sequence

from schemagen import checking
from schemagen.roundtrip import differences, real_server, requirements, simulated_server
from schemagen.roundtrip.cases import (
    Case,
    Loss,
    LossError,
    RoomError,
    Said,
    Tally,
    as_object,
    own_members,
)
from schemagen.roundtrip.changes import Change
from schemagen.roundtrip.differences import Difference
from schemagen.roundtrip.simulated_server import Convert, Value
from schemagen.roundtrip.views import Views


class Life:
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
        # Versions whose residue is of a time before lists got other items. In the stored version
        # writes are not converted: an item that nothing names is known by its place or its value,
        # and by neither once its list, and then the item, was changed there.
        self._outdated: set[str] = set()
        self._storage = case.storage

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
        self._age(change, written)

    def _age(self, change: Change, written: requirements.Written | None) -> None:
        """Note which versions have residue from before a change of lists."""
        if written is None:
            self._outdated.discard(self._storage)
            self._storage = change.version
        elif (change.by or change.version) != self._storage:
            self._outdated.discard(change.version)
        elif not written.keeps_lists:
            self._outdated |= {*self._views.names} - {self._storage}

    def _written(self, change: Change) -> requirements.Written | None:
        """Write a change; None if it says nothing new."""
        if change.action == "store":
            self._cluster.store_as(change.version)
            return None
        edited = self._edited(change)
        said = self._views.said(change.version, edited)
        before = self._said[change.version]
        return requirements.Written(
            version=change.version,
            before=before,
            said=said,
            sent=edited if change.by else said,
            reaches=change.reaches,
            own=self._own,
            by=change.by,
            keeps_lists=change.keeps_lists(self._views.node(change.version), before),
        )

    def _edited(self, change: Change) -> Value:
        """Return the object with the change's edits."""
        by = change.by or change.version
        read = self._cluster.read(by)
        here = self._cluster.converted(read, by, change.version)
        edited = as_object(change.edited(here))
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
            if version in self._outdated:
                written = dataclasses.replace(written, keeps_lists=False)
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
        whole = [own_members(way) | {"metadata": way["metadata"]} for way in ways]
        back = {self._views.meaning(target, one, source) for one in whole}
        return back == {self._views.meaning(source, said, source)}
