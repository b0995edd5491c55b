"""Admission as pure functions: a request and facts in, an answer out.

The API server has judged the schema of the version that was written before a validating webhook is
called; what is judged here is what that schema cannot hold: the kind's rules, sizes in bytes, and
what the newest version's schema says of an object of an older one.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from schemagen import Facts, FieldPath, Problem, Reason, checking, deadlines
from schemagen.problems import JSON, kind_of, quoted
from schemagen.versions.converter import Converter
from webhooks import (
    field_paths,
    hub_rules,
    limits,
    patch,
    residue_guard,
    reviews,
    subjects,
    warnings,
)
from webhooks.subjects import ScaleRequest, Subject, opened

__all__ = [
    "NO_FACTS",
    "RuleError",
    "ScaleRequest",
    "Stage",
    "Subject",
    "answer",
    "mutate",
    "opened",
    "related",
    "related_further",
    "review",
    "scaled",
    "validate",
]

NO_FACTS: Final = Facts()

Stage: TypeAlias = Callable[[Subject, Facts], JSON]
"""A webhook's answer for a subject."""


class RuleError(Exception):
    """A rule of the API does what it may not: its author is to mend it."""


def answer(
    stage: Stage,
    converter: Converter,
    request: reviews.AdmissionRequest,
    facts: Facts = NO_FACTS,
) -> JSON:
    """The AdmissionReview of a stage: ``mutate``, ``validate`` or ``review``."""
    subject = opened(converter, request)
    if isinstance(subject, ScaleRequest):
        return _not_looked_up(subject) if stage is not mutate else reviews.allowed(request)
    return stage(subject, facts) if isinstance(subject, Subject) else subject


def _not_looked_up(scale: ScaleRequest) -> JSON:
    name = f"{scale.kind.name} {scale.request.name}"
    message = (
        f"expected to read {name}, which is to be scaled, got no access to the API server; "
        "serve with --look-up, or leave scale out of Rules(subresources=...)"
    )
    return reviews.failed(scale.request.envelope, message, code=reviews.UNAVAILABLE)


def review(subject: Subject, facts: Facts) -> JSON:
    """What the API server makes of both webhooks: the refusal, or the object with its defaults."""
    if not subject.is_whole:
        return validate(subject, facts)
    try:
        _, after = _defaulted(subject, facts)
    except RuleError as error:
        return _broken_rule(subject, error)
    verdict = validate(subject.with_value(after), facts)
    if not verdict["response"]["allowed"]:
        return verdict
    mutated = mutate(subject, facts)
    if "warnings" in verdict["response"]:
        mutated["response"]["warnings"] = verdict["response"]["warnings"]
    return mutated


def mutate(subject: Subject, facts: Facts) -> JSON:
    """The AdmissionReview that fills in defaults, as a patch of the object as it was written."""
    if not subject.is_whole:
        return reviews.allowed(subject.request)
    try:
        before, after = _defaulted(subject, facts)
    except RuleError as error:
        return _broken_rule(subject, error)
    operations = patch.diff(subject.request.object, subject.value) + patch.diff(before, after)
    return reviews.allowed(subject.request, patch=operations)


def validate(subject: Subject, facts: Facts) -> JSON:
    """The AdmissionReview that lets the object in, or names every field that keeps it out."""
    version, value = subject.version, subject.value
    excess = limits.problems(version.model, value, subject.old) if subject.is_whole else []
    if any(one.reason is Reason.TOO_MANY for one in excess):
        # As the API server: what has more entries than it may is not looked at any closer
        # (apiextensions-apiserver, pkg/registry/customresource/strategy.go, hasBlockingErr).
        return reviews.denied(subject.request, excess[: reviews.MAX_PROBLEMS])
    try:
        problems, more = _broken_rules(subject, subject.facts(facts))
    except RuleError as error:
        return _broken_rule(subject, error)
    problems += excess
    problems += residue_guard.problems(subject)
    judged = hub_rules.judged(subject)
    fields = {one.path for one in problems}
    problems += [one for one in judged.refused if one.path not in fields]
    warned = _warnings(
        subject,
        [
            *(one for one in judged.warned if one.path not in fields),
            *residue_guard.dropped(subject),
        ],
    )
    if problems:
        shown = _scaled_paths(subject, problems[: reviews.MAX_PROBLEMS])
        more += judged.more + len(problems) - len(shown)
        return reviews.denied(subject.request, shown, warnings=warned, more=more)
    return reviews.allowed(subject.request, warnings=warned)


def _warnings(subject: Subject, found: Iterable[Problem]) -> list[str]:
    own = subject.version.warnings
    said = own(subject.value) if own is not None and subject.is_whole else ()
    return warnings.of([*said, *found]) if said or found else []


def _scaled_paths(subject: Subject, problems: list[Problem]) -> list[Problem]:
    """Problems of a scaled object by the fields of the Scale that was written."""
    scale = subject.version.scale
    if subject.request.subresource != subjects.SCALE or scale is None:
        return problems
    replicas, field = scale.spec.removeprefix("."), FieldPath().member("spec").member("replicas")
    return [
        dataclasses.replace(one, path=field)
        if str(one.path) == replicas
        else Problem(field, f"{one.path} of {subject.kind.name}: {one.message}", one.reason)
        for one in problems
    ]


def scaled(scale: ScaleRequest, found: JSON | None, facts: Facts) -> JSON:
    """The AdmissionReview of a write of the scale, once it was looked up what is scaled."""
    if not isinstance(found, dict):  # the API server says itself that there is no such object
        return reviews.allowed(scale.request)
    return validate(scale.of(found), facts)


def related(subject: Subject) -> Sequence[tuple[str, str]]:
    """The objects that ``validate`` wants to know of, by kind and name."""
    wanted = subject.kind.rules.related
    return () if wanted is None or not _is_asked(subject) else [*wanted(subject.hub)]


def related_further(
    subject: Subject, known: Mapping[tuple[str, str], JSON | None]
) -> Sequence[tuple[str, str]]:
    """Likewise, the objects that those refer to."""
    wanted = subject.kind.rules.related_further
    return () if wanted is None else [*wanted(subject.hub, known)]


# ----------------------------------------------------------------------------------------- rules


def _is_asked(subject: Subject) -> bool:
    """Whether the kind's rules ask for what is done."""
    rules, request = subject.kind.rules, subject.request
    is_own = not request.subresource or request.subresource in rules.subresources
    return rules.validate is not None and is_own and request.operation in rules.operations


def _broken_rules(subject: Subject, facts: Facts) -> tuple[list[Problem], int]:
    """What the kind's rules say, by paths of the written version; and how many more there are."""
    rule = subject.kind.rules.validate
    if rule is None or not _is_asked(subject):
        return [], 0
    found = _listed(subject, rule(subject.hub, subject.old_hub, facts))
    if not found:
        return [], 0
    before = _let_through(subject, rule, facts)
    fresh = sorted(one for one in found if one not in before)
    shown = fresh[: reviews.MAX_PROBLEMS]
    return _by_written_paths(subject, shown), len(fresh) - len(shown)


_Validate: TypeAlias = Callable[[JSON, JSON | None, Facts], Iterable[Problem] | None]


def _let_through(subject: Subject, rule: _Validate, facts: Facts) -> set[Problem]:
    """What was wrong before; of a deletion, what has nothing to do with it."""
    old = subject.old_hub
    if old is None:
        return set()
    if subject.request.operation == "DELETE":
        unchanged = msgspec.structs.replace(facts, operation="UPDATE")
        return {*_listed(subject, rule(old, old, unchanged))}
    return {*_listed(subject, rule(old, None, facts))}


def _listed(subject: Subject, found: Iterable[Problem] | None) -> list[Problem]:
    if found is None:
        raise RuleError(
            f"Rules.validate of {subject.kind.name}: expected problems, or an empty list, "
            "got None; yield them, or return a list in every case"
        )
    problems = []
    for problem in found:
        deadlines.check()
        problems.append(problem)
    return problems


def _by_written_paths(subject: Subject, problems: list[Problem]) -> list[Problem]:
    if subject.version is subject.kind.hub:
        return problems
    places = [field_paths.place_of(subject.hub, one.path) for one in problems]
    written = hub_rules.written(subject, places)
    return [
        _moved(subject, problem, place) for problem, place in zip(problems, written, strict=True)
    ]


def _moved(subject: Subject, problem: Problem, place: field_paths.Written) -> Problem:
    if place.is_exact:
        return dataclasses.replace(problem, path=place.path)
    message = f"{problem.path} of {subject.kind.hub.name}: {problem.message}"
    return Problem(place.path, message, problem.reason)


# -------------------------------------------------------------------------------------- defaults


def _defaulted(subject: Subject, facts: Facts) -> tuple[dict[str, JSON], dict[str, JSON]]:
    """The object before and after its defaults, in the version it was written in.

    Raises:
        RuleError: if the rule does more than add, or returns no object.
    """
    value, default = subject.value, subject.kind.rules.default
    if default is None:
        return value, value
    defaulted = default(subject.hub, subject.facts(facts))
    if defaulted == subject.hub:
        return value, value
    _check_default(subject, defaulted)
    # Both come back the same way, so the difference is what the defaults did and nothing else.
    before, after = subject.down(subject.hub), subject.down(defaulted)
    if subject.kind.rules.may_change or _only_adds(before, after):
        return before, after
    # An object that breaks its schema (a null among its steps) is the API server's to refuse.
    if not checking.of_version(subject.version).create(value).allowed:
        return value, value
    raise _changed(subject, _change(before, after, ()), before, after)


def _check_default(subject: Subject, defaulted: JSON) -> None:
    """See that what a default returned is the object with more in it.

    Raises:
        RuleError: naming the rule and the field.
    """
    if not isinstance(defaulted, dict):
        got = "None; does it return the object?" if defaulted is None else kind_of(defaulted)
        rule = f"Rules.default of {subject.kind.name}"
        raise RuleError(f"{rule}: expected the object with its defaults, got {got}")
    place = _change(subject.hub, defaulted, ())
    if place is not None and not subject.kind.rules.may_change:
        raise _changed(subject, place, subject.hub, defaulted)


def _changed(
    subject: Subject, place: field_paths.Place | None, before: JSON, after: JSON
) -> RuleError:
    place = place or ()
    name = ".".join(map(str, place))
    old, new = _shown(before, place), _shown(after, place)
    return RuleError(
        f"Rules.default of {subject.kind.name}: expected only fields that were not there, got a "
        f"change of {name} from {old} to {new}; return what the user wrote, or declare "
        "Rules(default=..., may_change=True)"
    )


def _shown(value: JSON, place: field_paths.Place) -> str:
    found = field_paths.value_at(value, place)
    return "nothing" if found is None else quoted(found)


def _only_adds(before: JSON, after: JSON) -> bool:
    """Whether all that was there is still there."""
    return _change(before, after, ()) is None


def _change(before: JSON, after: JSON, place: field_paths.Place) -> field_paths.Place | None:
    """The first place at which something that was there is not there any more."""
    if before is after:
        return None
    if isinstance(before, dict) and isinstance(after, dict):
        changes = (
            _change(one, after.get(name, _GONE), (*place, name)) for name, one in before.items()
        )
        return next((one for one in changes if one is not None), None)
    if isinstance(before, list) and isinstance(after, list) and len(before) <= len(after):
        pairs = enumerate(zip(before, after, strict=False))
        changes = (_change(one, new, (*place, index)) for index, (one, new) in pairs)
        return next((one for one in changes if one is not None), None)
    return None if before == after else place


_GONE: Final = object()


def _broken_rule(subject: Subject, error: RuleError) -> JSON:
    return reviews.failed(subject.request.envelope, str(error), code=reviews.INTERNAL_ERROR)
