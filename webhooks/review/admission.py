"""Admission as pure functions: a request and facts in, a response out.

The API server validates the schema of the written version before it calls a validating webhook.
What that schema cannot express is checked here: the kind's rules, sizes in bytes, and the newest
version's schema for an object of an older version.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from schemagen import Facts, FieldPath, Problem, Reason, checking, deadlines
from schemagen.problems import JSON, kind_of, quoted
from schemagen.versions.converter import Converter
from webhooks.review import patch, reviewed_objects, reviews, verdicts, warnings
from webhooks.review.checks import field_paths, hub_rules, limits, residue_guard
from webhooks.review.reviewed_objects import ScaleRequest, Subject, opened
from webhooks.review.verdicts import Admitted, Allowed, Denied, Failed

__all__ = [
    "NO_FACTS",
    "RuleError",
    "ScaleRequest",
    "Stage",
    "Subject",
    "decide",
    "mutate",
    "opened",
    "related",
    "related_further",
    "review",
    "scaled",
    "validate",
]

NO_FACTS: Final = Facts()

Stage: TypeAlias = Callable[[Subject, Facts], Admitted]
"""A webhook: returns the verdict on a subject."""


class RuleError(Exception):
    """A rule of the API is broken; its author must fix it."""


def decide(
    stage: Stage,
    converter: Converter,
    request: reviews.AdmissionRequest,
    facts: Facts = NO_FACTS,
) -> Admitted:
    """Decide a request by a stage: ``mutate``, ``validate`` or ``review``."""
    subject = opened(converter, request)
    if isinstance(subject, ScaleRequest):
        return _not_looked_up(subject) if stage is not mutate else Allowed(request)
    return stage(subject, facts) if isinstance(subject, Subject) else subject


def _not_looked_up(scale: ScaleRequest) -> Failed:
    name = f"{scale.kind.name} {scale.request.name}"
    message = (
        f"expected to read {name} to review its scale, got no access to the API server; "
        "serve with --look-up, or remove scale from Rules(subresources=...)"
    )
    return Failed(scale.request.envelope, message, verdicts.UNAVAILABLE)


def review(subject: Subject, facts: Facts) -> Admitted:
    """Run both webhooks as the API server does: a denial, or the patch with defaults."""
    if not subject.is_whole:
        return validate(subject, facts)
    try:
        _, after = _defaulted(subject, facts)
    except RuleError as error:
        return _broken_rule(subject, error)
    validated = validate(subject.with_value(after), facts)
    if not isinstance(validated, Allowed):
        return validated
    mutated = mutate(subject, facts)
    return (
        msgspec.structs.replace(mutated, warnings=validated.warnings)
        if isinstance(mutated, Allowed)
        else mutated
    )


def mutate(subject: Subject, facts: Facts) -> Allowed | Failed:
    """Allow the object with its defaults, as a patch of the object as it was written."""
    if not subject.is_whole:
        return Allowed(subject.request)
    try:
        before, after = _defaulted(subject, facts)
    except RuleError as error:
        return _broken_rule(subject, error)
    operations = patch.diff(subject.request.object, subject.value) + patch.diff(before, after)
    return Allowed(subject.request, operations)


def validate(subject: Subject, facts: Facts) -> Admitted:
    """Allow the object, or deny it with every invalid field."""
    version, value = subject.version, subject.value
    excess = limits.problems(version.model, value, subject.old) if subject.is_whole else []
    if any(problem.reason is Reason.TOO_MANY for problem in excess):
        # Like the API server: an object with too many entries is not validated any further
        # (apiextensions-apiserver, pkg/registry/customresource/strategy.go, hasBlockingErr).
        return Denied(subject.request, excess[: verdicts.MAX_PROBLEMS])
    try:
        problems, more = _rule_problems(subject, subject.facts(facts))
    except RuleError as error:
        return _broken_rule(subject, error)
    problems += excess
    problems += residue_guard.problems(subject)
    judged = hub_rules.judged(subject)
    fields = {problem.path for problem in problems}
    problems += [problem for problem in judged.refused if problem.path not in fields]
    warned = _warnings(
        subject,
        [
            *(problem for problem in judged.warned if problem.path not in fields),
            *residue_guard.dropped(subject),
        ],
    )
    if problems:
        shown = _scaled_paths(subject, problems[: verdicts.MAX_PROBLEMS])
        more += judged.more + len(problems) - len(shown)
        return Denied(subject.request, shown, warned, more)
    return Allowed(subject.request, warnings=warned)


def _warnings(subject: Subject, problems: Iterable[Problem]) -> list[str]:
    own = subject.version.warnings
    texts = own(subject.value) if own is not None and subject.is_whole else ()
    return warnings.of([*texts, *problems]) if texts or problems else []


def _scaled_paths(subject: Subject, problems: list[Problem]) -> list[Problem]:
    """Map problems of a scaled object to the fields of the Scale that was written."""
    scale = subject.version.scale
    if subject.request.subresource != reviewed_objects.SCALE or scale is None:
        return problems
    replicas, field = scale.spec.removeprefix("."), FieldPath().member("spec").member("replicas")
    return [
        dataclasses.replace(problem, path=field)
        if str(problem.path) == replicas
        else Problem(
            field, f"{problem.path} of {subject.kind.name}: {problem.message}", problem.reason
        )
        for problem in problems
    ]


def scaled(scale: ScaleRequest, current: JSON | None, facts: Facts) -> Admitted:
    """Decide a write of the scale, given the current object."""
    if not isinstance(current, dict):  # the API server reports the missing object
        return Allowed(scale.request)
    return validate(scale.of(current), facts)


def related(subject: Subject) -> Sequence[tuple[str, str]]:
    """Return kind and name of the objects that ``validate`` needs."""
    select = subject.kind.rules.related
    return () if select is None or not _has_rules(subject) else [*select(subject.hub)]


def related_further(
    subject: Subject, known: Mapping[tuple[str, str], JSON | None]
) -> Sequence[tuple[str, str]]:
    """Return the objects that those refer to."""
    select = subject.kind.rules.related_further
    return () if select is None else [*select(subject.hub, known)]


# ----------------------------------------------------------------------------------------- rules


def _has_rules(subject: Subject) -> bool:
    """Return whether the kind's rules cover the operation."""
    rules, request = subject.kind.rules, subject.request
    is_own = not request.subresource or request.subresource in rules.subresources
    return rules.validate is not None and is_own and request.operation in rules.operations


def _rule_problems(subject: Subject, facts: Facts) -> tuple[list[Problem], int]:
    """Return the rules' problems by paths of the written version, and how many are omitted."""
    rule = subject.kind.rules.validate
    if rule is None or not _has_rules(subject):
        return [], 0
    problems = _listed(subject, rule(subject.hub, subject.old_hub, facts))
    if not problems:
        return [], 0
    before = _tolerated(subject, rule, facts)
    fresh = sorted(problem for problem in problems if problem not in before)
    shown = fresh[: verdicts.MAX_PROBLEMS]
    return _by_written_paths(subject, shown), len(fresh) - len(shown)


_Validate: TypeAlias = Callable[[JSON, JSON | None, Facts], Iterable[Problem] | None]


def _tolerated(subject: Subject, rule: _Validate, facts: Facts) -> set[Problem]:
    """Return problems that existed before; of a deletion, those unrelated to it (ratcheting)."""
    old = subject.old_hub
    if old is None:
        return set()
    if subject.request.operation == "DELETE":
        unchanged = msgspec.structs.replace(facts, operation="UPDATE")
        return {*_listed(subject, rule(old, old, unchanged))}
    return {*_listed(subject, rule(old, None, facts))}


def _listed(subject: Subject, yielded: Iterable[Problem] | None) -> list[Problem]:
    if yielded is None:
        raise RuleError(
            f"Rules.validate of {subject.kind.name}: expected problems or an empty list, "
            "got None; yield problems, or return a list in every case"
        )
    problems = []
    for problem in yielded:
        deadlines.check()
        problems.append(problem)
    return problems


def _by_written_paths(subject: Subject, problems: list[Problem]) -> list[Problem]:
    if subject.version is subject.kind.hub:
        return problems
    places = [field_paths.place_of(subject.hub, problem.path) for problem in problems]
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
    """Return the object before and after its defaults, in the version that was written.

    Raises:
        RuleError: The rule does more than add fields, or returns no object.
    """
    value, default = subject.value, subject.kind.rules.default
    if default is None:
        return value, value
    defaulted = default(subject.hub, subject.facts(facts))
    if defaulted == subject.hub:
        return value, value
    _check_default(subject, defaulted)
    # Both take the same conversion, so that the difference is only due to the defaults.
    before, after = subject.down(subject.hub), subject.down(defaulted)
    if subject.kind.rules.may_change or _only_adds(before, after):
        return before, after
    # An object that violates its schema is left to the API server to refuse.
    if not checking.of_version(subject.version).create(value).allowed:
        return value, value
    raise _changed(subject, _change(before, after, ()), before, after)


def _check_default(subject: Subject, defaulted: JSON) -> None:
    """Check that the rule returned the object with only additions.

    Raises:
        RuleError: Names the rule and the field.
    """
    if not isinstance(defaulted, dict):
        got = "None; does it return the object?" if defaulted is None else kind_of(defaulted)
        rule = f"Rules.default of {subject.kind.name}"
        raise RuleError(f"{rule}: expected the object with its defaults, got {got}")
    path = _change(subject.hub, defaulted, ())
    if path is not None and not subject.kind.rules.may_change:
        raise _changed(subject, path, subject.hub, defaulted)


def _changed(
    subject: Subject, path: field_paths.Place | None, before: JSON, after: JSON
) -> RuleError:
    path = path or ()
    name = ".".join(map(str, path))
    old, new = _shown(before, path), _shown(after, path)
    return RuleError(
        f"Rules.default of {subject.kind.name}: expected only additional fields, got {name} "
        f"changed from {old} to {new}; return what the user wrote, or declare "
        "Rules(default=..., may_change=True)"
    )


def _shown(value: JSON, path: field_paths.Place) -> str:
    value_at = field_paths.value_at(value, path)
    return "nothing" if value_at is None else quoted(value_at)


def _only_adds(before: JSON, after: JSON) -> bool:
    """Return whether everything that was set is unchanged."""
    return _change(before, after, ()) is None


def _change(before: JSON, after: JSON, path: field_paths.Place) -> field_paths.Place | None:
    """Return the first path whose value was changed or removed."""
    if before is after:
        return None
    if isinstance(before, dict) and isinstance(after, dict):
        changes = (
            _change(value, after.get(name, _GONE), (*path, name)) for name, value in before.items()
        )
        return next((value for value in changes if value is not None), None)
    if isinstance(before, list) and isinstance(after, list) and len(before) <= len(after):
        pairs = enumerate(zip(before, after, strict=False))
        changes = (_change(value, new, (*path, index)) for index, (value, new) in pairs)
        return next((value for value in changes if value is not None), None)
    return None if before == after else path


_GONE: Final = object()


def _broken_rule(subject: Subject, error: RuleError) -> Failed:
    return Failed(subject.request.envelope, str(error), verdicts.INTERNAL_ERROR)
