"""Admission as pure functions: a request and facts in, an answer out.

The API server has judged the schema before a validating webhook is called; what is judged here is
what no schema can hold. Deletions are never refused, nor is an update of an object that is going.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import msgspec

from schemagen import Facts, Kind, Problem, Version, canonical
from schemagen.problems import JSON
from schemagen.versions.converter import Converter
from webhooks import limits, patch, places, reviews, warnings

NO_FACTS: Final = Facts()


@dataclasses.dataclass
class Subject:
    """What is under review.

    Attributes:
        value: The object as it was written.
        old: What it is to replace.
    """

    converter: Converter
    request: reviews.AdmissionRequest
    kind: Kind
    version: Version
    value: dict[str, JSON]
    old: dict[str, JSON] | None
    _hub: dict[str, JSON] | None = dataclasses.field(default=None, init=False)

    @property
    def hub(self) -> dict[str, JSON]:
        """The object in the version that rules are written against."""
        if self._hub is None:
            self._hub = self.up(self.value)
        return self._hub

    def up(self, value: dict[str, JSON]) -> dict[str, JSON]:
        """An object of the written version as a hub object."""
        if self.version is self.kind.hub:
            return value
        return self.converter.way(self.kind, self.version.name, self.kind.hub.name).plain(value)

    def down(self, hub: dict[str, JSON]) -> dict[str, JSON]:
        """A hub object in the version that was written."""
        if self.version is self.kind.hub:
            return hub
        return self.converter.way(self.kind, self.kind.hub.name, self.version.name).plain(hub)

    def facts(self, facts: Facts) -> Facts:
        """What is known of this very request, too."""
        written = self.request.written_bytes
        is_hub = self.version is self.kind.hub
        return msgspec.structs.replace(
            facts,
            dry_run=self.request.dry_run,
            most_bytes=canonical.most_bytes(written) if is_hub and written is not None else None,
        )


Stage: TypeAlias = Callable[[Subject, Facts], JSON]
"""A webhook's answer for a subject."""


def answer(
    stage: Stage,
    converter: Converter,
    request: reviews.AdmissionRequest,
    facts: Facts = NO_FACTS,
) -> JSON:
    """The AdmissionReview of a stage: ``mutate``, ``validate`` or ``review``."""
    found = opened(converter, request)
    return stage(found, facts) if isinstance(found, Subject) else found


def review(subject: Subject, facts: Facts) -> JSON:
    """What the API server makes of both webhooks: the refusal, or the object with its defaults."""
    _, after = _defaulted(subject, facts)
    verdict = validate(dataclasses.replace(subject, value=after), facts)
    if not verdict["response"]["allowed"]:
        return verdict
    mutated = mutate(subject, facts)
    if "warnings" in verdict["response"]:
        mutated["response"]["warnings"] = verdict["response"]["warnings"]
    return mutated


def mutate(subject: Subject, facts: Facts) -> JSON:
    """The AdmissionReview that fills in defaults, as a patch of the object as it was written."""
    before, after = _defaulted(subject, facts)
    return reviews.allowed(subject.request, patch=patch.diff(before, after))


def validate(subject: Subject, facts: Facts) -> JSON:
    """The AdmissionReview that lets the object in, or names every field that keeps it out."""
    version, value = subject.version, subject.value
    problems = limits.problems(version.model, value, subject.old)
    problems += _broken_rules(subject, subject.facts(facts))
    told = warnings.of(version.warnings(value)) if version.warnings is not None else ()
    if problems:
        return reviews.denied(subject.request, problems, warnings=told)
    return reviews.allowed(subject.request, warnings=told)


def related(subject: Subject) -> Sequence[tuple[str, str]]:
    """The objects that ``validate`` wants to know of, by kind and name."""
    wanted = subject.kind.rules.related
    return () if wanted is None else [*wanted(subject.hub)]


def _broken_rules(subject: Subject, facts: Facts) -> list[Problem]:
    """What the kind's rules say, by the paths of the version that the user wrote."""
    validate_hub = subject.kind.rules.validate
    if validate_hub is None:
        return []
    old_hub = None if subject.old is None else subject.up(subject.old)
    found = [*validate_hub(subject.hub, old_hub, facts)]
    if not found:
        return []
    before = set() if old_hub is None else {*validate_hub(old_hub, None, facts)}
    fresh = [one for one in found if one not in before]
    if subject.version is subject.kind.hub:
        return fresh
    return [
        dataclasses.replace(one, path=places.written(subject.hub, one.path, subject.down))
        for one in fresh
    ]


def _defaulted(subject: Subject, facts: Facts) -> tuple[dict[str, JSON], dict[str, JSON]]:
    """The object before and after its defaults, in the version it was written in."""
    value, default = subject.value, subject.kind.rules.default
    if default is None:
        return value, value
    defaulted = default(subject.hub, subject.facts(facts))
    if defaulted == subject.hub:
        return value, value
    # Both come back the same way, so the difference is what the defaults did and nothing else.
    before, after = subject.down(subject.hub), subject.down(defaulted)
    # An object that the hub cannot say (a null among its steps) is the API server's to refuse.
    return (before, after) if _only_adds(before, after) else (value, value)


def _only_adds(before: JSON, after: JSON) -> bool:
    """Whether all that was there is still there."""
    if before is after:
        return True
    if isinstance(before, dict) and isinstance(after, dict):
        return all(name in after and _only_adds(one, after[name]) for name, one in before.items())
    if isinstance(before, list) and isinstance(after, list):
        return len(before) <= len(after) and all(map(_only_adds, before, after))
    return bool(before == after)


def opened(converter: Converter, request: reviews.AdmissionRequest) -> Subject | JSON:
    """What is to be reviewed, or the answer to a request with nothing to review."""
    if request.operation not in ("CREATE", "UPDATE") or request.subresource:
        return reviews.allowed(request)
    api = converter.api
    found = api.find(request.api_version, request.kind)
    if found is None:
        served = ", ".join(kind.name for kind in api)
        return reviews.failed(
            request.envelope,
            f"expected a kind of {api.group} ({served}) at request.kind, "
            f"got {request.kind} of {request.api_version}; correct the webhook's rules",
        )
    if request.object is None:
        return reviews.failed(
            request.envelope,
            f"expected an object at request.object of a {request.operation}, got null",
        )
    metadata = request.object.get("metadata")
    if type(metadata) is dict and metadata.get("deletionTimestamp") is not None:
        return reviews.allowed(request)
    return Subject(converter, request, *found, request.object, request.old_object)
