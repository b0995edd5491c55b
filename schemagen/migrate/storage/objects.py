"""The work on each object: try its rewrite, rewrite it, carry its managedFields over.

Shell, through ``attempts``. What goes wrong becomes a finding; nothing stops at the first.
"""

import asyncio
import dataclasses
from collections import Counter
from typing import Final

from schemagen.compat import clusters, kinds
from schemagen.compat.findings import Finding, Level
from schemagen.compat.preflight import writes
from schemagen.migrate.requests.attempts import Answer, Attempts
from schemagen.migrate.requests.failures import Failure
from schemagen.migrate.storage import crd, ownership, renames, rewriting
from schemagen.migrate.storage.renames import Renames
from schemagen.problems import JSON

RULES: Final = {
    "rewrite-refused": "The API server refuses a write of an object that changes nothing.",
    "fields-lost": "An object has fields that the new version lacks; a rewrite drops them.",
    "not-checked": "A webhook does not support dry runs, so that writes cannot be tried.",
    "object-changed": "A rewrite has changed an object.",
    "managed-fields-changed": "A rewrite has changed an object's managedFields.",
    "not-rewritten": "An object may be stored in an older version.",
    "owner-lost": "The place of an owned field in the new version is not known.",
    "old-managed-fields": "An object's managedFields name a version to be dropped.",
}

_TRIES: Final = 5
_LAG_SECONDS: Final = 0.2
_LAG_TRIES: Final = 100
_NO_DRY_RUN: Final = "does not support dry run"
_PATCH: Final = "application/json-patch+json"


@dataclasses.dataclass
class Tally:
    """Outcomes of the objects.

    Attributes:
        counts: Number of objects by outcome: ``rewritten``, ``unchanged``, ``deleted``, ...
        findings: What is wrong with some.
    """

    counts: Counter[str] = dataclasses.field(default_factory=Counter)
    findings: list[Finding] = dataclasses.field(default_factory=list)

    def add(self, rule: str, subject: str, message: str, level: Level = Level.ERROR) -> None:
        """Add a finding."""
        self.counts[rule] += 1
        self.findings.append(Finding(rule, level, message, subject=subject))


class Objects:
    """The objects of a CRD during a migration.

    Args:
        attempts: Sends the requests.
        definition: The CRD.
        through: The version in which objects are listed and rewritten.
        target: The storage version to come.
    """

    def __init__(self, attempts: Attempts, definition: JSON, through: str, target: str) -> None:
        self._attempts, self._definition = attempts, definition
        self._through, self._target = through, target
        self._group = definition["spec"]["group"]
        self._is_pruned = not kinds.is_converted(definition)
        self.tally = Tally()

    # ------------------------------------------------------------------------------------ check

    async def check(self, value: JSON) -> None:
        """Try the rewrite of an object in the target version, as a dry run."""
        path = crd.item(self._definition, self._target, value)
        answer = None
        for _ in range(_TRIES):
            named = {**value, "apiVersion": f"{self._group}/{self._target}"}
            write = rewriting.rewrite(named, path, is_dry_run=True)
            answer = await self._attempts.send(write, value["metadata"]["name"])
            if answer.failure is not Failure.CONFLICT:
                break
            current = await self._current(value)
            if current is None:
                return
            value = current
        if answer is not None:
            self._checked(value, answer)

    def _checked(self, value: JSON, answer: Answer) -> None:
        subject = self._subject(value)
        if answer.value is not None:
            lost = [*writes.members_lost(value, answer.value)] if self._is_pruned else []
            for field in lost:
                message = f"expected {field} in {self._target}, got none: its value would be lost"
                self.tally.add("fields-lost", subject, message)
            self.tally.counts["checked"] += not lost
        elif _NO_DRY_RUN in answer.cause:
            if not self.tally.counts["not-checked"]:
                self.tally.add("not-checked", self._definition["metadata"]["name"], answer.cause)
        elif answer.failure not in {Failure.ABSENT, Failure.CONFLICT}:
            self._refused(subject, answer)

    # ---------------------------------------------------------------------------------- rewrite

    async def rewrite(self, value: JSON, switched_at: str) -> None:
        """Rewrite an object, and verify that nothing but its storage version changed."""
        path = crd.item(self._definition, self._through, value)
        for _ in range(_LAG_TRIES):
            write = rewriting.rewrite(value, path)
            answer = await self._attempts.send(write, value["metadata"]["name"])
            if answer.value is None:
                await self._not_written(value, answer)
                return
            is_same = _revision(answer.value) == _revision(value)
            if not (is_same and rewriting.is_older(value, switched_at)):
                self._verify(value, answer.value)
                self.tally.counts["unchanged" if is_same else "rewritten"] += 1
                return
            # This API server does not yet know that the storage version has changed.
            await asyncio.sleep(_LAG_SECONDS)
        message = f"expected the API server to store it as {self._target}, got no write in time"
        self.tally.add("not-rewritten", self._subject(value), message)

    async def _not_written(self, value: JSON, answer: Answer) -> None:
        match answer.failure:
            case Failure.ABSENT:
                self.tally.counts["deleted"] += 1
            case Failure.CONFLICT:
                # Written by someone else, and so already stored in the target version; or by an
                # attempt of ours whose answer was lost.
                current = await self._current(value) if answer.is_repeated else None
                if current is not None and not rewriting.changes(value, current):
                    self.tally.counts["rewritten"] += 1
                else:
                    self.tally.counts["written by others"] += 1
            case _:
                self._refused(self._subject(value), answer)

    def _verify(self, before: JSON, after: JSON) -> None:
        changed = rewriting.changes(before, after)
        if "metadata.managedFields" in changed and before["metadata"].get("managedFields"):
            message = "expected managedFields to stay as they were, got others"
            self.tally.add("managed-fields-changed", self._subject(before), message)
        for field in changed:
            if field != "metadata.managedFields":
                message = f"expected {field} to stay as it was, got another value"
                self.tally.add("object-changed", self._subject(before), message)

    # ------------------------------------------------------------------------------------ clean

    async def clean(self, value: JSON, dropped: tuple[str, ...]) -> None:
        """Carry the dropped versions' managedFields over; the object is in the target version."""
        path = crd.item(self._definition, self._target, value)
        target = f"{self._group}/{self._target}"
        named = {f"{self._group}/{version}" for version in dropped}
        answer = None
        for _ in range(_TRIES):
            if not ownership.versions(value, self._group) & {*dropped}:
                return
            carried = ownership.carried(value, named, target, await self._renames(value, named))
            patch = ownership.replacement(value, carried.entries)
            query = (("fieldManager", rewriting.FIELD_MANAGER),)
            write = clusters.Write("PATCH", path, patch, _PATCH, query)
            answer = await self._attempts.send(write, value["metadata"]["name"])
            if answer.failure is not Failure.CONFLICT:
                # Without a converter, what is missing was pruned.
                unclear = [] if self._is_pruned else carried.unclear
                self._cleaned(value, answer, unclear)
                return
            current = await self._current(value, self._target)
            if current is None:
                return
            value = current
        if answer is not None:
            self._refused(self._subject(value), answer)

    def _cleaned(self, value: JSON, answer: Answer, unclear: list[str]) -> None:
        if answer.value is None and answer.failure is not Failure.ABSENT:
            self._refused(self._subject(value), answer)
            return
        self.tally.counts["cleaned"] += 1
        if unclear:
            message = (
                f"expected to find the place of each owned field in {self._target}, got several "
                f"or none for {', '.join(unclear)}: these fields are nobody's until their manager "
                f"applies {self._target}"
            )
            self.tally.add("owner-lost", self._subject(value), message, Level.WARNING)

    async def _renames(self, value: JSON, named: set[str]) -> dict[str, Renames]:
        """Return what differs in the dropped versions that are served, if an owned field does."""
        found = {}
        for api_version in ownership.moved(value, named) if not self._is_pruned else ():
            version = api_version.rpartition("/")[2]
            if version not in crd.served(self._definition):
                continue
            older = await self._current(value, version)
            # If it was written since, its managedFields will be refused, and read again.
            if older is not None and _revision(older) == _revision(value):
                schemas = (crd.schema(self._definition, one) for one in (version, self._target))
                found[api_version] = renames.between(older, value, *schemas)
        return found

    # ----------------------------------------------------------------------------------- verify

    async def verify(self, value: JSON, switched_at: str, dropped: tuple[str, ...] = ()) -> None:
        """Note what an object shows of an older version."""
        self.tally.counts["verified"] += 1
        if rewriting.is_older(value, switched_at):
            message = f"expected it to be stored as {self._target}, got no write since the switch"
            self.tally.add("not-rewritten", self._subject(value), message)
        old = ownership.versions(value, self._group) & {*dropped}
        if old:
            message = f"expected managedFields without {', '.join(sorted(old))}, got such an entry"
            self.tally.add("old-managed-fields", self._subject(value), message)

    # ------------------------------------------------------------------------------------------

    async def _current(self, value: JSON, version: str = "") -> JSON | None:
        path = crd.item(self._definition, version or self._through, value)
        try:
            current = await self._attempts.get_object(path, value["metadata"]["name"])
        except clusters.NotFoundError:
            return None
        is_same = current["metadata"]["uid"] == value["metadata"]["uid"]
        return current if is_same else None

    def _refused(self, subject: str, answer: Answer) -> None:
        self.tally.add("rewrite-refused", subject, answer.cause)

    def _subject(self, value: JSON) -> str:
        return crd.subject(self._definition, value)


def _revision(value: JSON) -> str:
    return str(value["metadata"]["resourceVersion"])
