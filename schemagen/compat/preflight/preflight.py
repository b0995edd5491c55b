"""The effect of a CRD's upgrade on the objects that a cluster has. Pure, except for the judge.

An ``Upgrade`` is given every object in every version in which it is read; the findings come at the
end, one for each object and reason.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Final

from schemagen import judge
from schemagen.compat import kinds
from schemagen.compat.findings import Finding, Level
from schemagen.compat.preflight import managers
from schemagen.compat.preflight.writes import Outcome, Write
from schemagen.compat.sources import Definition
from schemagen.problems import JSON, Cause

MAX_LISTED: Final = 500
"""Objects of a CRD that are listed by name for each rule; the others are counted."""
_MAX_CAUSES: Final = 10

RULES: Final = {
    "crd-refused": "The API server refuses the CRD, or this update of it.",
    "stored-version-removed": "Objects may be stored in a version that the CRD no longer has.",
    "update-refused": "An update of an object that changes nothing would be refused.",
    "status-refused": "An update of an object's status that changes nothing would be refused.",
    "create-refused": "An object stays valid as long as it is unchanged, but cannot be recreated.",
    "refused-already": "A write of an object is refused now, and would be afterwards.",
    "fields-lost": "An object has fields that the CRD no longer has; they are dropped.",
    "writer-version-removed": "managedFields name a version that the CRD no longer has.",
    "writer-version-unserved": "A field manager writes a version that is no longer served.",
    "writer-version-deprecated": "A field manager writes a version that is deprecated.",
    "not-judged": "Objects cannot be judged in a version.",
    "not-installed": "The cluster does not have the CRD.",
}

_RULE_OF: Final = {
    Write.UPDATE: "update-refused",
    Write.STATUS: "status-refused",
    Write.CREATE: "create-refused",
}


@dataclasses.dataclass(frozen=True)
class Reading:
    """A version in which objects are listed, and those in which they are judged.

    Attributes:
        version: The version to list; the cluster serves it.
        judged: Versions of the new CRD; others than ``version`` are new, and without a webhook
            differ in ``apiVersion`` only.
    """

    version: str
    judged: tuple[str, ...]


class Upgrade:
    """The upgrade of a CRD in a cluster.

    Args:
        new: The CRD to come.
        live: The CRD in the cluster, with its status; None if it has none.
        source: The cluster, for messages: ``cluster:prod``.
        place: What distinguishes its subjects from those of other clusters: `` in cluster:prod``.
    """

    def __init__(self, new: Definition, live: JSON | None, *, source: str, place: str = "") -> None:
        self.new, self.live = new, live
        self._source, self._place = source, place
        # For each subject, and each rule, field and message: versions.
        self._faults: dict[str, dict[tuple[str, str, str], list[str]]] = {}
        self._subjects: dict[str, set[str]] = {}
        self._listed: dict[str, set[str]] = {}
        self._writers = managers.Writers(new.value["spec"]["group"])
        self._seen: dict[str, None] = {}
        self._origins: dict[str, tuple[str, Callable[[str], int]]] = {}

    @property
    def subject(self) -> str:
        """Return the CRD's name, with that of the cluster if there are several."""
        return f"{self.new.name}{self._place}"

    @property
    def path(self) -> str:
        """Return the API path of the objects, up to the version."""
        return f"/apis/{self.new.value['spec']['group']}"

    @property
    def plural(self) -> str:
        """Return the resource's name in API paths."""
        return str(self.new.value["spec"]["names"]["plural"])

    @property
    def objects(self) -> int:
        """Return the number of objects that were taken."""
        return len(self._seen)

    @property
    def passed(self) -> list[str]:
        """Return the subjects of objects without a finding."""
        faulty = set().union(*self._subjects.values())
        return [subject for subject in self._seen if subject not in faulty]

    @property
    def is_listed_in_full(self) -> bool:
        """Return whether as many refused objects are listed as may be; the others are counted."""
        return any(len(subjects) >= MAX_LISTED for subjects in self._listed.values())

    def count(self, *rules: str) -> int:
        """Return the number of objects to which a finding of one of the rules applies."""
        return len(set().union(*(self._subjects.get(rule, set()) for rule in rules)))

    @property
    def readings(self) -> list[Reading]:
        """Return what to list, and how to judge it; the first one has every object."""
        if self.live is None:
            return []
        served = [version for version in self.live["spec"]["versions"] if version.get("served")]
        if not served:
            return []
        base = next((version for version in served if version.get("storage")), served[0])["name"]
        judged: dict[str, list[str]] = {base: []}
        for version in _served(self.new.value):
            same = self._same_as(version, base)
            if any(version == known["name"] for known in served):
                judged.setdefault(same, []).append(version)
            elif not kinds.is_converted(self.new.value):
                judged[base].append(version)
        return [Reading(version, tuple(others)) for version, others in judged.items()]

    def _same_as(self, version: str, base: str) -> str:
        """Return the version to list: two of one schema, without a webhook, are read alike."""
        schemas = {
            known["name"]: known.get("schema") for known in (self.live or {})["spec"]["versions"]
        }
        is_same = version in schemas and schemas[version] == schemas[base]
        return base if is_same and not kinds.is_converted(self.live) else version

    def reading_of(self, version: str) -> Reading:
        """Return how to judge an object that is only known in a version."""
        served = _served(self.new.value)
        if kinds.is_converted(self.new.value):
            return Reading(version, tuple(name for name in served if name == version))
        return Reading(version, tuple(served))

    def take(self, value: JSON, version: str, outcome: Outcome) -> None:
        """Add what becomes of an object in a version."""
        subject = self.subject_of(value)
        for refusal in outcome.refusals:
            for cause in refusal.causes[:_MAX_CAUSES]:
                self._add(subject, version, _RULE_OF[refusal.write], cause.field, cause.message)
        for refusal in outcome.already:
            for cause in refusal.causes[:_MAX_CAUSES]:
                message = f"{cause.message}; an unchanged {refusal.write}"
                self._add(subject, version, "refused-already", cause.field, message)
        for field in outcome.lost[:_MAX_CAUSES]:
            message = "expected a field of the new schema, got none: its value is dropped"
            self._add(subject, version, "fields-lost", field, message)

    def register(
        self, value: JSON, source: str = "", line_of: Callable[[str], int] = lambda _: 0
    ) -> None:
        """Add an object, which is given once, to those that the cluster has.

        Args:
            value: The object.
            source: Its file, if it is from one.
            line_of: The line of a field in there.
        """
        subject = self.subject_of(value)
        self._seen[subject] = None
        if source:
            self._origins[subject] = source, line_of
        self._writers.take(value, subject)

    def is_about(self, value: JSON) -> bool:
        """Return whether an object is one of the CRD's, in any version."""
        group = str(value["apiVersion"]).rpartition("/")[0]
        spec = self.new.value["spec"]
        return bool(group == spec["group"] and value["kind"] == spec["names"]["kind"])

    def subject_of(self, value: JSON) -> str:
        """Return the kind and the name of an object: ``Widget default/small``."""
        metadata = value["metadata"]
        name = "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))
        return f"{self.new.value['spec']['names']['kind']} {name}{self._place}"

    def _add(self, subject: str, version: str, rule: str, path: str, message: str) -> None:
        self._subjects.setdefault(rule, set()).add(subject)
        listed = self._listed.setdefault(rule, set())
        if subject not in listed and len(listed) >= MAX_LISTED:
            return
        listed.add(subject)
        faults = self._faults.setdefault(subject, {})
        versions = faults.setdefault((rule, path, message), [])
        if version not in versions:
            versions.append(version)

    # -------------------------------------------------------------------------------- findings

    def findings(self) -> list[Finding]:
        """Return the findings about the objects and their field managers."""
        return [*self._of_objects(), *self._rest(), *self._of_writers()]

    def _of_objects(self) -> Iterator[Finding]:
        for subject, faults in self._faults.items():
            source, line_of = self._origins.get(subject, (self._source, lambda _: 0))
            for (rule, path, message), versions in faults.items():
                text = f"{message}{_MEANINGS[rule].format(versions=', '.join(versions))}"
                yield Finding(
                    rule,
                    _LEVELS.get(rule, Level.ERROR),
                    text,
                    source=source,
                    line=line_of(path),
                    subject=subject,
                    path=path,
                    details={"versions": [*versions]},
                )

    def _rest(self) -> Iterator[Finding]:
        for rule, subjects in self._subjects.items():
            more = len(subjects) - len(self._listed[rule])
            if more:
                message = f"expected no such object, got {more} more than the {MAX_LISTED} listed"
                yield self._of_crd(rule, message)

    def _of_writers(self) -> Iterator[Finding]:
        versions = {version["name"]: version for version in self.new.value["spec"]["versions"]}
        for writer in self._writers:
            version = versions.get(writer.version)
            if version is None:
                yield self._of_crd("writer-version-removed", _removed(writer))
            elif not version.get("served"):
                yield self._of_crd("writer-version-unserved", _written(writer, "a served version"))
            elif version.get("deprecated"):
                message = _written(writer, "a version that is not deprecated")
                yield self._of_crd("writer-version-deprecated", message)

    def crd_findings(self, oracle: judge.Judge) -> list[Finding]:
        """Return the findings about the CRD itself; after an error, objects are not judged."""
        if self.live is None:
            message = f"expected the CRD in {self._source}, got none: there is nothing to break"
            return [self._of_crd("not-installed", message)]
        removed = [*self._removed_stored()]
        verdict = oracle.check_update(self.new.value, self.live)
        return [
            *(self._of_crd("stored-version-removed", message) for message in removed),
            *(
                finding
                for finding in refusals(self.new, verdict, self._place)
                if not (removed and finding.path.startswith("status.storedVersions"))
            ),
            *(self._of_crd("not-judged", message) for message in self._not_judged()),
        ]

    def _removed_stored(self) -> Iterator[str]:
        names = {version["name"] for version in self.new.value["spec"]["versions"]}
        status = (self.live or {}).get("status") or {}
        for version in status.get("storedVersions") or ():
            if version not in names:
                yield (
                    f"expected {version} to stay while status.storedVersions has it, got none: the "
                    "API server refuses the update; rewrite all objects (StorageVersionMigration), "
                    f"then remove {version} from status.storedVersions"
                )

    def _not_judged(self) -> Iterator[str]:
        known = {version for reading in self.readings for version in reading.judged}
        for version in _served(self.new.value):
            if version not in known:
                yield (
                    f"expected {version} to be served by the cluster or converted without a "
                    "webhook, got neither: objects are not judged in it"
                )

    def _of_crd(self, rule: str, message: str) -> Finding:
        return _of_crd(self.new, rule, message, place=self._place)


def refusals(new: Definition, verdict: judge.Verdict, place: str = "") -> list[Finding]:
    """Return why the API server refuses a CRD."""
    if verdict.allowed:
        return []
    causes = verdict.causes or (Cause("", verdict.message, ""),)
    return [
        _of_crd(new, "crd-refused", cause.message, cause.field, place=place) for cause in causes
    ]


def _of_crd(
    new: Definition, rule: str, message: str, path: str = "", *, place: str = ""
) -> Finding:
    level = _LEVELS.get(rule, Level.ERROR)
    line = new.line_of(path or "metadata.name")
    return Finding(rule, level, message, new.source, line, f"{new.name}{place}", path)


_LEVELS: Final = {
    "create-refused": Level.WARNING,
    "refused-already": Level.WARNING,
    "writer-version-unserved": Level.WARNING,
    "writer-version-deprecated": Level.NOTE,
    "not-judged": Level.WARNING,
    "not-installed": Level.NOTE,
}

_MEANINGS: Final = {
    "update-refused": "; in {versions}, updates that change nothing are refused",
    "status-refused": "; in {versions}, updates of the status that change nothing are refused",
    "create-refused": "; in {versions}, the object stays valid unchanged, but cannot be recreated",
    "refused-already": " is refused by the present CRD too, in {versions}",
    "fields-lost": ", in {versions}",
}


def _removed(writer: managers.Writer) -> str:
    return (
        f"{_written(writer, 'a version of the CRD')}; once it is removed, the API server fails to "
        "apply these objects (kubernetes/kubernetes#111937): let the manager write another "
        "version first, or remove its entry from metadata.managedFields"
    )


def _written(writer: managers.Writer, expected: str) -> str:
    last = f", last at {writer.last}" if writer.last else ""
    objects = "1 object" if writer.objects == 1 else f"{writer.objects} objects"
    return (
        f"expected field manager {writer.manager} to write {expected}, got {writer.version} in "
        f"{objects} such as {writer.example}{last}"
    )


def _served(definition: JSON) -> list[str]:
    return [version["name"] for version in definition["spec"]["versions"] if version.get("served")]
