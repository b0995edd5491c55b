"""Findings on an object, and the conditions and status that report them. Pure."""

import dataclasses
import datetime as dt
import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from controllers import kube
from controllers.runs import projections
from schemagen.problems import JSON

# Statuses are for people; a message of the API may have 32 KiB.
MAX_MESSAGE: Final = 1024


class Type(enum.StrEnum):
    """Types of conditions."""

    READY = "Ready"
    INVALID_SPEC = "InvalidSpec"
    """The object, or what it refers to, has to be changed."""
    UNREACHABLE = "Unreachable"
    """An object or store that it needs does not exist, or does not answer."""
    DEGRADED = "Degraded"
    """Usable, but something is probably a mistake."""
    DEFAULT = "Default"
    """The Memory of runs that name none."""


class Effect(enum.Enum):
    """Effect of a finding on Ready."""

    BLOCKS = enum.auto()
    """Ready is False."""
    UNKNOWN = enum.auto()
    """Ready is Unknown, unless something else blocks."""
    NONE = enum.auto()
    """Ready stays True, and its message says so."""


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """Something that the status reports.

    Attributes:
        reason: Machine-readable.
        message: What was expected, what came, and where; never a value of a Secret.
        type: Condition that is True because of it; None only affects Ready.
        effect: Effect on Ready.
    """

    reason: str
    message: str
    type: Type | None = Type.INVALID_SPEC
    effect: Effect = Effect.BLOCKS


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The findings of an object.

    Attributes:
        reason: Reason of Ready if nothing blocks.
        message: Message of Ready if nothing blocks.
        types: Conditions besides Ready that are always reported: an omitted one would remain if the
            object was written in v1alpha1, where the list is atomic.
        findings: What was found, the most important first.
    """

    reason: str = "ValidSpec"
    message: str = ""
    types: Sequence[Type] = (Type.INVALID_SPEC,)
    findings: Sequence[Finding] = ()


_OTHERWISE: Final[Mapping[Type, str]] = {
    Type.INVALID_SPEC: "ValidSpec",
    Type.UNREACHABLE: "Reachable",
    Type.DEGRADED: "NotDegraded",
    Type.DEFAULT: "NotDefault",
}
_READY: Final = {Effect.BLOCKS: "False", Effect.UNKNOWN: "Unknown"}


def status(
    report: Report, seen: projections.Observable, now: dt.datetime, *, is_due: bool = False
) -> dict[str, JSON] | None:
    """Return the new conditions and times of a status; None if nothing changed.

    Args:
        report: The findings.
        seen: The object with its previous status.
        now: Aware UTC time.
        is_due: Whether it is written although nothing changed.
    """
    conditions = [*_conditions(report, seen, now)]
    known = {condition.type: condition for condition in seen.status.conditions}
    is_same = all(_is_same(condition, known.get(condition["type"])) for condition in conditions)
    if is_same and not is_due and seen.status.observed_generation == seen.metadata.generation:
        return None
    return {
        "conditions": conditions,
        "observedGeneration": seen.metadata.generation,
        "lastUpdateTime": kube.time_text(now),
    }


def is_transition(status: JSON, seen: projections.Observable) -> bool:
    """Return whether Ready changed, so that an Event is due.

    A new object that is ready needs none: there may be many.
    """
    new, old = ready_of(status["conditions"]), seen.ready
    if old is None:
        return bool(new["status"] != "True")
    return (old.status, old.reason) != (new["status"], new["reason"])


def ready_of(conditions: Iterable[JSON]) -> JSON:
    """Return the Ready condition of a new status."""
    return next(condition for condition in conditions if condition["type"] == Type.READY)


def _conditions(
    report: Report, seen: projections.Observable, now: dt.datetime
) -> Iterator[dict[str, JSON]]:
    yield _condition(Type.READY, _ready(report), seen, now)
    for name in report.types:
        found = next((finding for finding in report.findings if finding.type is name), None)
        value = (
            ("False", _OTHERWISE[name], "")
            if found is None
            else ("True", found.reason, found.message)
        )
        yield _condition(name, value, seen, now)


def _ready(report: Report) -> tuple[str, str, str]:
    for effect, status in _READY.items():
        findings = [finding for finding in report.findings if finding.effect is effect]
        if findings:
            return status, findings[0].reason, _joined(finding.message for finding in findings)
    notes = (one.message for one in report.findings if one.type is not Type.DEFAULT)
    return "True", report.reason, _joined((report.message, *notes))


def _joined(messages: Iterable[str]) -> str:
    return "; ".join(message for message in messages if message)


def _condition(
    name: Type, value: tuple[str, str, str], seen: projections.Observable, now: dt.datetime
) -> dict[str, JSON]:
    status, reason, message = value
    return kube.condition(
        str(name),
        (status, reason, message[:MAX_MESSAGE]),
        seen.metadata.generation,
        seen.status.conditions,
        now,
    )


def _is_same(condition: JSON, known: kube.Condition | None) -> bool:
    return known is not None and (
        (known.status, known.reason, known.message, known.observed_generation)
        == (
            condition["status"],
            condition["reason"],
            condition["message"],
            condition["observedGeneration"],
        )
    )
