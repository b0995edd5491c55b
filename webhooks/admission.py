"""Admission as pure functions: a request and facts in, an answer out.

The API server has judged the schema before a validating webhook is called; what is judged here is
what no schema can hold. Deletions are never refused, nor is an update of an object that is going.
"""

import dataclasses
from collections.abc import Sequence
from typing import Final

from schemagen import Api, Facts, Kind, Problem, Version
from schemagen.problems import JSON
from schemagen.versions import graph
from webhooks import limits, patch, places, reviews, warnings

NO_FACTS: Final = Facts()


def review(api: Api, request: reviews.AdmissionRequest, facts: Facts = NO_FACTS) -> JSON:
    """What the API server makes of both webhooks: the refusal, or the object with its defaults."""
    found = _reviewed(api, request, facts)
    if not isinstance(found, tuple):
        return found
    kind, version, value, facts = found
    _, after = _defaulted(api, kind, version, value, facts)
    verdict = validate(api, dataclasses.replace(request, object=after), facts)
    if not verdict["response"]["allowed"]:
        return verdict
    answer = mutate(api, request, facts)
    if "warnings" in verdict["response"]:
        answer["response"]["warnings"] = verdict["response"]["warnings"]
    return answer


def mutate(api: Api, request: reviews.AdmissionRequest, facts: Facts = NO_FACTS) -> JSON:
    """The AdmissionReview that fills in defaults, as a patch of the object as it was written."""
    found = _reviewed(api, request, facts)
    if not isinstance(found, tuple):
        return found
    kind, version, value, facts = found
    before, after = _defaulted(api, kind, version, value, facts)
    return reviews.allowed(request, patch=patch.diff(before, after))


def validate(api: Api, request: reviews.AdmissionRequest, facts: Facts = NO_FACTS) -> JSON:
    """The AdmissionReview that lets the object in, or names every field that keeps it out."""
    found = _reviewed(api, request, facts)
    if not isinstance(found, tuple):
        return found
    kind, version, value, facts = found
    old = request.old_object
    problems = limits.problems(version.model, value, old)
    problems += _broken_rules(api, kind, version, value, old, facts=facts)
    told = warnings.of(version.warnings(value)) if version.warnings is not None else ()
    if problems:
        return reviews.denied(request, problems, warnings=told)
    return reviews.allowed(request, warnings=told)


def related(api: Api, request: reviews.AdmissionRequest) -> Sequence[tuple[str, str]]:
    """The objects that ``validate`` wants to know of, by kind and name."""
    found = _reviewed(api, request, NO_FACTS)
    if not isinstance(found, tuple):
        return ()
    kind, version, value, _ = found
    if kind.rules.related is None:
        return ()
    return [*kind.rules.related(_hub(api, kind, version, value))]


def _broken_rules(
    api: Api, kind: Kind, version: Version, value: JSON, old: JSON | None, *, facts: Facts
) -> list[Problem]:
    """What the kind's rules say, by the paths of the version that the user wrote."""
    validate_hub = kind.rules.validate
    if validate_hub is None:
        return []
    hub = _hub(api, kind, version, value)
    old_hub = None if old is None else _hub(api, kind, version, old)
    found = [*validate_hub(hub, old_hub, facts)]
    if not found:
        return []
    before = set() if old_hub is None else {*validate_hub(old_hub, None, facts)}
    return [
        dataclasses.replace(one, path=places.written(api, kind, version, hub, one.path))
        for one in found
        if one not in before
    ]


def _hub(api: Api, kind: Kind, version: Version, value: dict[str, JSON]) -> dict[str, JSON]:
    return graph.convert(api, kind, value, source=version.name, target=kind.hub.name).object


def _defaulted(
    api: Api, kind: Kind, version: Version, value: dict[str, JSON], facts: Facts
) -> tuple[dict[str, JSON], dict[str, JSON]]:
    """The object before and after its defaults, in the version it was written in."""
    if kind.rules.default is None:
        return value, value
    hub = _hub(api, kind, version, value)
    defaulted = kind.rules.default(hub, facts)
    if defaulted == hub:
        return value, value
    # Both come back the same way, so the difference is what the defaults did and nothing else.
    before, after = (
        graph.convert(api, kind, one, source=kind.hub.name, target=version.name).object
        for one in (hub, defaulted)
    )
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


def _reviewed(
    api: Api, request: reviews.AdmissionRequest, facts: Facts
) -> tuple[Kind, Version, dict[str, JSON], Facts] | JSON:
    """What is to be reviewed and known, or the answer to a request with nothing to review."""
    if request.operation not in ("CREATE", "UPDATE") or request.subresource:
        return reviews.allowed(request)
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
    if request.dry_run:
        facts = dataclasses.replace(facts, dry_run=True)
    return *found, request.object, facts
