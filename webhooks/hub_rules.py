"""What the hub's schema says of an object that was written in an older version. Pure.

The API server judges the version that was written; bounds, CEL rules and transition rules of the
newest version are judged here, with ratcheting (KEP-4008), and told by the fields of the version
that was written. What came out of a conversion annotation, which anybody can write, is refused
whatever the version's policy is: no other schema has seen it.
"""

import dataclasses
import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from schemagen import Cause, FieldPath, Problem, Reason, checking
from schemagen.cel import ABSENT
from schemagen.checking import faults
from schemagen.checking.checker import NOT_RUN
from schemagen.problems import JSON
from schemagen.versions import shape
from webhooks import field_paths, limits, reviews, subjects
from webhooks.subjects import Subject

_REASONS: Final = frozenset(Reason)


@dataclasses.dataclass(frozen=True)
class Judged:
    """What the hub's schema says, by fields of the version that was written.

    Attributes:
        refused: Why the object is to be refused.
        warned: What its writer should know.
        more: How many problems to refuse it for there are besides.
    """

    refused: Sequence[Problem] = ()
    warned: Sequence[Problem] = ()
    more: int = 0


FINE: Final = Judged()


@dataclasses.dataclass(frozen=True)
class _Found:
    """One thing that the hub's schema refuses, by its place in the hub object."""

    place: field_paths.Place
    message: str
    reason: Reason
    is_transition: bool = False


def judged(subject: Subject) -> Judged:
    """What the hub's schema says of a subject that an older version's writer may be told."""
    if not _is_judged(subject):
        return FINE
    found = _found(subject, subject.hub)
    return _told(subject, found) if found else FINE


def _is_judged(subject: Subject) -> bool:
    version = subject.version
    if version is subject.kind.hub or subject.request.operation == "DELETE":
        return False
    if version.hub_rules == "off" and not _notes(subject):
        return False
    # An annotation that was changed may change what the object says in the hub version.
    return subjects.is_changed(subject) or bool(_notes(subject))


def _found(subject: Subject, hub: dict[str, JSON]) -> list[_Found]:
    """What the hub's schema refuses in a hub object that is to replace the subject's old one."""
    model = subject.kind.hub.model
    causes = _causes(subject, hub)
    found = [_of_cause(cause) for cause in causes if cause != _NOT_RUN]
    if subject.request.subresource:
        return found
    said = {one.place for one in found}
    excess = limits.problems(model, hub, subject.old_hub)
    places = [(field_paths.place_of(hub, one.path), one) for one in excess]
    found += [_Found(at, one.message, one.reason) for at, one in places if at not in said]
    return found


_NOT_RUN: Final = NOT_RUN.cause()


def _causes(subject: Subject, hub: dict[str, JSON]) -> Sequence[Cause]:
    checker = checking.of_version(subject.kind.hub)
    old = subject.old_hub
    if checker.is_fine(hub, ABSENT if old is None else old):
        return ()
    if old is None:
        return checker.create(hub).causes
    if subject.request.subresource == subjects.STATUS:
        return checker.update_status(hub, old).causes
    causes = checker.update(hub, old).causes
    # Where the version's policy lets bounds be broken, rules about changes still hold.
    return (*causes, *checker.transitions(hub, old)) if _NOT_RUN in causes else causes


def _of_cause(cause: Cause) -> _Found:
    reason = Reason(cause.reason) if cause.reason in _REASONS else Reason.INVALID
    return _Found(cause.path, cause.message, reason, cause.is_transition)


# ------------------------------------------------------------------------------ telling the writer


def _told(subject: Subject, found: Sequence[_Found]) -> Judged:
    """What is refused and what is warned of, by the fields of the version that was written."""
    forged = _forged(subject, found)
    is_refusing = subject.version.hub_rules == "refuse"
    refusing = [one for one in found if is_refusing or one in forged or _is_refused(subject, one)]
    refused = {*refusing}
    warning = [one for one in found if one not in refused]
    if subject.version.hub_rules == "off":
        warning = []
    shown, told = refusing[: reviews.MAX_PROBLEMS], warning[: reviews.MAX_PROBLEMS]
    problems = _problems(subject, [*shown, *told], forged)
    own = _own_fields(subject)
    return Judged(
        [one for one in problems[: len(shown)] if str(one.path) not in own],
        [_warning(subject, one) for one in problems[len(shown) :] if str(one.path) not in own],
        len(refusing) - len(shown),
    )


def _is_refused(subject: Subject, one: _Found) -> bool:
    return one.is_transition and subject.version.hub_rules == "warn"


def _warning(subject: Subject, problem: Problem) -> Problem:
    message = f"{subject.kind.hub.name} refuses it: {problem.message}"
    return dataclasses.replace(problem, message=message)


def _own_fields(subject: Subject) -> set[str]:
    """The fields that the written version's own schema refuses: the API server names them."""
    if subject.request.subresource == subjects.SCALE:
        return set()
    checker = checking.of_version(subject.version)
    if subject.request.subresource == subjects.STATUS and subject.old is not None:
        return {cause.field for cause in checker.update_status(subject.value, subject.old).causes}
    return {cause.field for cause in checker.create(subject.value).causes}


def _problems(
    subject: Subject, found: Sequence[_Found], forged: AbstractSet[_Found]
) -> list[Problem]:
    places = written(subject, [one.place for one in found])
    return [
        _problem(subject, one, place, is_forged=one in forged)
        for one, place in zip(found, places, strict=True)
    ]


def written(subject: Subject, places: Sequence[field_paths.Place]) -> list[field_paths.Written]:
    """Where places of the hub object are in the version that was written.

    A field that is not there any more is where it was before.
    """
    found = field_paths.written(_versions(subject, subject.hub), places)
    missing = [at for at, one in zip(places, found, strict=True) if not one.is_exact]
    if not missing or subject.old_hub is None:
        return found
    before = field_paths.written(_versions(subject, subject.old_hub), missing)
    known = {at: one for at, one in zip(missing, before, strict=True) if one.is_exact}
    return [known.get(at, one) for at, one in zip(places, found, strict=True)]


def _versions(subject: Subject, hub: dict[str, JSON]) -> field_paths.Versions:
    return field_paths.Versions(
        hub,
        subject.down,
        shape.schema_of(subject.kind.hub.model),
        shape.schema_of(subject.version.model),
    )


def _problem(
    subject: Subject, one: _Found, place: field_paths.Written, *, is_forged: bool
) -> Problem:
    hub_path = field_paths.path_of(one.place, shape.schema_of(subject.kind.hub.model))
    message = f"{hub_path} of {subject.kind.hub.name}: {one.message}"
    if is_forged:
        path = FieldPath().member("metadata").member("annotations").key(_notes(subject)[0])
        return Problem(path, f"{message}; remove the annotation", one.reason)
    if place.is_exact:
        return Problem(place.path, _renamed(one, hub_path, place.path), one.reason)
    return Problem(place.path, message, one.reason)


def _renamed(one: _Found, hub_path: FieldPath, path: FieldPath) -> str:
    """The message with the field's name in the version that was written.

    kube-openapi writes keys of maps like fields, where field paths have brackets.
    """
    if len(one.place) < 2:  # noqa: PLR2004 - one word is also a word of a sentence
        return one.message
    names = "|".join(re.escape(name) for name in {str(hub_path), faults.dotted(one.place)})
    return re.sub(rf"(?<![\w.])(?:{names})(?![\w.\[])", lambda _: str(path), one.message)


# ----------------------------------------------------------------------- conversion's annotations


def _forged(subject: Subject, found: Sequence[_Found]) -> AbstractSet[_Found]:
    """What is wrong only because of what conversion's annotations say.

    A value that the newest version's own writer stored there has passed its schema once; an update
    that leaves it as it was is let through as everywhere.
    """
    notes = _notes(subject)
    if not notes:
        return frozenset()
    plain = subject.up(_without(subject.value, notes))
    without = {(one.place, one.message) for one in _found(subject, plain)}
    return {one for one in found if (one.place, one.message) not in without}


def _notes(subject: Subject) -> list[str]:
    """The names of conversion's annotations on the object as it was written."""
    metadata = subject.value.get("metadata")
    annotations = metadata.get("annotations") if type(metadata) is dict else None
    if type(annotations) is not dict:
        return []
    prefix = f"conversion.{subject.converter.api.group}/"
    return [name for name in annotations if name.startswith(prefix)]


def _without(value: dict[str, JSON], names: Sequence[str]) -> dict[str, JSON]:
    metadata = value["metadata"]
    kept = {key: one for key, one in metadata["annotations"].items() if key not in names}
    return {**value, "metadata": {**metadata, "annotations": kept}}
