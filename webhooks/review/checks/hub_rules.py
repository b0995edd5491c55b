"""Validate an object of an older version against the hub version's schema. Pure.

The API server validates the written version; bounds, CEL rules and transition rules of the newest
version are checked here, with ratcheting (KEP-4008), and reported by the fields of the written
version. Data from a conversion annotation, which any client can write, is refused whatever the
version's policy is: no other schema has validated it.
"""

import dataclasses
import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from schemagen import Cause, FieldPath, Problem, Reason, checking
from schemagen.cel import ABSENT
from schemagen.checking import field_errors
from schemagen.checking.checker import NOT_RUN
from schemagen.problems import JSON
from schemagen.versions import schema_coverage
from webhooks.review import reviewed_objects, verdicts
from webhooks.review.checks import field_paths, limits
from webhooks.review.reviewed_objects import Subject

_REASONS: Final = frozenset(Reason)


@dataclasses.dataclass(frozen=True)
class Judged:
    """Verdict of the hub's schema, by fields of the version that was written.

    Attributes:
        refused: Problems that refuse the object.
        warned: Problems that only warn the client.
        more: Number of further refusing problems that are not listed.
    """

    refused: Sequence[Problem] = ()
    warned: Sequence[Problem] = ()
    more: int = 0


FINE: Final = Judged()


@dataclasses.dataclass(frozen=True)
class _Violation:
    """A violation of the hub's schema, by its path in the hub object."""

    place: field_paths.Place
    message: str
    reason: Reason
    is_transition: bool = False


def judged(subject: Subject) -> Judged:
    """Validate a subject against the hub's schema, for a client of an older version."""
    if not _is_judged(subject):
        return FINE
    violations = _violations(subject, subject.hub)
    return _judged(subject, violations) if violations else FINE


def _is_judged(subject: Subject) -> bool:
    version = subject.version
    if version is subject.kind.hub or subject.request.operation == "DELETE":
        return False
    if version.hub_rules == "off" and not _annotations(subject):
        return False
    # A changed annotation may change what the object says in the hub version.
    return reviewed_objects.is_changed(subject) or bool(_annotations(subject))


def _violations(subject: Subject, hub: dict[str, JSON]) -> list[_Violation]:
    """Return the violations of a hub object that replaces the subject's old one."""
    model = subject.kind.hub.model
    causes = _causes(subject, hub)
    violations = [_of_cause(cause) for cause in causes if cause != _NOT_RUN]
    if subject.request.subresource:
        return violations
    known = {item.place for item in violations}
    excess = limits.problems(model, hub, subject.old_hub)
    places = [(field_paths.place_of(hub, item.path), item) for item in excess]
    violations += [
        _Violation(at, item.message, item.reason) for at, item in places if at not in known
    ]
    return violations


_NOT_RUN: Final = NOT_RUN.cause()


def _causes(subject: Subject, hub: dict[str, JSON]) -> Sequence[Cause]:
    checker = checking.of_version(subject.kind.hub)
    old = subject.old_hub
    if checker.is_fine(hub, ABSENT if old is None else old):
        return ()
    if old is None:
        return checker.create(hub).causes
    if subject.request.subresource == reviewed_objects.STATUS:
        return checker.update_status(hub, old).causes
    causes = checker.update(hub, old).causes
    # Where the version's policy allows bounds to be violated, transition rules still hold.
    return (*causes, *checker.transitions(hub, old)) if _NOT_RUN in causes else causes


def _of_cause(cause: Cause) -> _Violation:
    reason = Reason(cause.reason) if cause.reason in _REASONS else Reason.INVALID
    return _Violation(cause.path, cause.message, reason, cause.is_transition)


# --------------------------------------------------------------------------- reporting to the user


def _judged(subject: Subject, violations: Sequence[_Violation]) -> Judged:
    """Split violations into refusals and warnings, by fields of the version that was written."""
    forged = _forged(subject, violations)
    is_refusing = subject.version.hub_rules == "refuse"
    refusing = [
        item for item in violations if is_refusing or item in forged or _is_refused(subject, item)
    ]
    refused = {*refusing}
    warning = [item for item in violations if item not in refused]
    if subject.version.hub_rules == "off":
        warning = []
    shown, warned = refusing[: verdicts.MAX_PROBLEMS], warning[: verdicts.MAX_PROBLEMS]
    problems = _problems(subject, [*shown, *warned], forged)
    own = _own_fields(subject)
    return Judged(
        [item for item in problems[: len(shown)] if str(item.path) not in own],
        [_warning(subject, item) for item in problems[len(shown) :] if str(item.path) not in own],
        len(refusing) - len(shown),
    )


def _is_refused(subject: Subject, item: _Violation) -> bool:
    return item.is_transition and subject.version.hub_rules == "warn"


def _warning(subject: Subject, problem: Problem) -> Problem:
    message = f"{subject.kind.hub.name} refuses it: {problem.message}"
    return dataclasses.replace(problem, message=message)


def _own_fields(subject: Subject) -> set[str]:
    """Fields that the written version's own schema refuses: the API server reports them."""
    if subject.request.subresource == reviewed_objects.SCALE:
        return set()
    checker = checking.of_version(subject.version)
    if subject.request.subresource == reviewed_objects.STATUS and subject.old is not None:
        return {cause.field for cause in checker.update_status(subject.value, subject.old).causes}
    return {cause.field for cause in checker.create(subject.value).causes}


def _problems(
    subject: Subject, violations: Sequence[_Violation], forged: AbstractSet[_Violation]
) -> list[Problem]:
    places = written(subject, [item.place for item in violations])
    return [
        _problem(subject, item, place, is_forged=item in forged)
        for item, place in zip(violations, places, strict=True)
    ]


def written(subject: Subject, places: Sequence[field_paths.Place]) -> list[field_paths.Written]:
    """Map paths of the hub object to the version that was written.

    A field that no longer exists keeps its previous path.
    """
    located = field_paths.written(_versions(subject, subject.hub), places)
    missing = [at for at, item in zip(places, located, strict=True) if not item.is_exact]
    if not missing or subject.old_hub is None:
        return located
    before = field_paths.written(_versions(subject, subject.old_hub), missing)
    known = {at: item for at, item in zip(missing, before, strict=True) if item.is_exact}
    return [known.get(at, item) for at, item in zip(places, located, strict=True)]


def _versions(subject: Subject, hub: dict[str, JSON]) -> field_paths.Versions:
    return field_paths.Versions(
        hub,
        subject.down,
        schema_coverage.schema_of(subject.kind.hub.model),
        schema_coverage.schema_of(subject.version.model),
    )


def _problem(
    subject: Subject, item: _Violation, place: field_paths.Written, *, is_forged: bool
) -> Problem:
    hub_path = field_paths.path_of(item.place, schema_coverage.schema_of(subject.kind.hub.model))
    message = f"{hub_path} of {subject.kind.hub.name}: {item.message}"
    if is_forged:
        path = FieldPath().member("metadata").member("annotations").key(_annotations(subject)[0])
        return Problem(path, f"{message}; remove the annotation", item.reason)
    if place.is_exact:
        return Problem(place.path, _renamed(item, hub_path, place.path), item.reason)
    return Problem(place.path, message, item.reason)


def _renamed(item: _Violation, hub_path: FieldPath, path: FieldPath) -> str:
    """Return the message with the field's path in the version that was written.

    kube-openapi writes map keys like fields, where field paths have brackets.
    """
    if len(item.place) < 2:  # noqa: PLR2004 - a single name may also be a word of the message
        return item.message
    names = "|".join(re.escape(name) for name in {str(hub_path), field_errors.dotted(item.place)})
    return re.sub(rf"(?<![\w.])(?:{names})(?![\w.\[])", lambda _: str(path), item.message)


# ------------------------------------------------------------------------- conversion annotations


def _forged(subject: Subject, violations: Sequence[_Violation]) -> AbstractSet[_Violation]:
    """Return violations that exist only because of conversion annotations.

    A value that the newest version's own client stored there has passed its schema once; an update
    that leaves it unchanged is allowed (ratcheting).
    """
    notes = _annotations(subject)
    if not notes:
        return frozenset()
    plain = subject.up(_without(subject.value, notes))
    without = {(item.place, item.message) for item in _violations(subject, plain)}
    return {item for item in violations if (item.place, item.message) not in without}


def _annotations(subject: Subject) -> list[str]:
    """The names of the conversion annotations on the object as it was written."""
    metadata = subject.value.get("metadata")
    annotations = metadata.get("annotations") if type(metadata) is dict else None
    if type(annotations) is not dict:
        return []
    prefix = f"conversion.{subject.converter.api.group}/"
    return [name for name in annotations if name.startswith(prefix)]


def _without(value: dict[str, JSON], names: Sequence[str]) -> dict[str, JSON]:
    metadata = value["metadata"]
    kept = {key: item for key, item in metadata["annotations"].items() if key not in names}
    return {**value, "metadata": {**metadata, "annotations": kept}}
