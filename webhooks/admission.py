"""Admission as pure functions: a request and facts in, an answer out.

The API server has judged the schema before a validating webhook is called; what is judged here is
what no schema can hold. Deletions are never refused, nor is an update of an object that is going.
"""

import dataclasses

from schemagen import Api, Facts, Kind, Version
from schemagen.problems import JSON
from schemagen.versions import graph
from webhooks import limits, patch, reviews


def review(api: Api, request: reviews.AdmissionRequest) -> JSON:
    """What the API server makes of both webhooks: the refusal, or the object with its defaults."""
    found = _reviewed(api, request)
    if not isinstance(found, tuple):
        return found
    _, after = _defaulted(api, request, *found)
    verdict = validate(api, dataclasses.replace(request, object=after))
    return mutate(api, request) if verdict["response"]["allowed"] else verdict


def mutate(api: Api, request: reviews.AdmissionRequest) -> JSON:
    """The AdmissionReview that fills in defaults, as a patch of the object as it was written."""
    found = _reviewed(api, request)
    if not isinstance(found, tuple):
        return found
    return reviews.allowed(request, patch=patch.diff(*_defaulted(api, request, *found)))


def validate(api: Api, request: reviews.AdmissionRequest) -> JSON:
    """The AdmissionReview that lets the object in, or names every field that keeps it out."""
    found = _reviewed(api, request)
    if not isinstance(found, tuple):
        return found
    _, version, value = found
    problems = limits.problems(version.model, value, request.old_object)
    return reviews.denied(request, problems) if problems else reviews.allowed(request)


def _defaulted(
    api: Api,
    request: reviews.AdmissionRequest,
    kind: Kind,
    version: Version,
    value: dict[str, JSON],
) -> tuple[dict[str, JSON], dict[str, JSON]]:
    """The object before and after its defaults, in the version it was written in."""
    hub = graph.convert(api, kind, value, source=version.name, target=kind.hub.name).object
    defaulted = kind.rules.default(hub, Facts(dry_run=request.dry_run))
    if defaulted == hub:
        return value, value
    # Both come back the same way, so the difference is what the defaults did and nothing else.
    before, after = (
        graph.convert(api, kind, one, source=kind.hub.name, target=version.name).object
        for one in (hub, defaulted)
    )
    return before, after


def _reviewed(
    api: Api, request: reviews.AdmissionRequest
) -> tuple[Kind, Version, dict[str, JSON]] | JSON:
    """What is to be reviewed, or the answer to a request with nothing to review."""
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
    return *found, request.object
