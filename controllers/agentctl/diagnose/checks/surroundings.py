"""Checks of what surrounds the platform: quotas, Events, and annotations for this program. Pure."""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Final

from controllers import kube
from controllers.agentctl.diagnose import suppressions
from controllers.agentctl.diagnose.check import Check, Finding, Severity, Subject
from controllers.agentctl.diagnose.observation import Snapshot
from controllers.runs import projections
from schemagen.cel.library.kubernetes import quantities

_RECENT: Final = dt.timedelta(hours=1)
_MAX_EVENTS: Final = 20
# The outcome of a run is no problem of the platform.
_ENDINGS: Final = frozenset({"Failed", "Cancelled", "Retrying", "Blocked"})


def _quota(seen: Snapshot) -> Iterator[Finding]:
    used_namespaces = {
        seen.home,
        *(value["metadata"]["namespace"] for value in seen.of_kinds(seen.objects)),
    }
    for value in seen.quotas.get():
        if value["metadata"]["namespace"] not in used_namespaces:
            continue
        status = value.get("status") or {}
        used = status.get("used") or {}
        for resource, hard in sorted((status.get("hard") or {}).items()):
            if _is_used_up(str(used.get(resource, "0")), str(hard)):
                yield Finding(
                    subject=Subject.of(value),
                    message=f"expected some {resource} to be left, got {used[resource]} used of "
                    f"{hard}: objects that need more are refused",
                    fix="raise the quota, or delete what uses it; runs wait with reason "
                    "QuotaExceeded and resume by themselves",
                    evidence={"used": str(used[resource]), "hard": str(hard)},
                )


def _is_used_up(used: str, hard: str) -> bool:
    if not (quantities.is_quantity(used) and quantities.is_quantity(hard)):
        return False
    amounts = quantities.quantity(used), quantities.quantity(hard)
    # A quota of 0 forbids a resource on purpose.
    return quantities.sign_of(amounts[1]) > 0 and quantities.compare_to(*amounts) >= 0


def _events(seen: Snapshot) -> Iterator[Finding]:
    notable = [event for event in seen.events.get() if _is_notable(event, seen)]
    notable.sort(key=_time_of, reverse=True)
    for event in notable[:_MAX_EVENTS]:
        regarding = event.get("regarding") or {}
        count = (event.get("series") or {}).get("count") or event.get("deprecatedCount") or 1
        yield Finding(
            subject=Subject(
                str(regarding.get("kind") or ""),
                str(regarding.get("name") or ""),
                str(regarding.get("namespace") or ""),
            ),
            message=f"expected no warnings, got {event.get('reason')} ({count} times): "
            f"{event.get('note')}",
            fix="the note names the cause; Events are kept for an hour",
            evidence={"reason": str(event.get("reason") or ""), "last": _time_of(event)},
        )


def _is_notable(event: kube.JSON, seen: Snapshot) -> bool:
    regarding = event.get("regarding") or {}
    group = str(regarding.get("apiVersion") or "").partition("/")[0]
    is_ours = group == seen.group or regarding.get("namespace") == seen.home
    is_ending = regarding.get("kind") == projections.RUNS.kind and event.get("reason") in _ENDINGS
    when = kube.time_of(_time_of(event))
    return is_ours and not is_ending and when is not None and seen.now - when <= _RECENT


def _time_of(event: kube.JSON) -> str:
    series = event.get("series") or {}
    return str(
        series.get("lastObservedTime")
        or event.get("eventTime")
        or event.get("deprecatedLastTimestamp")
        or ""
    )


def suppressed(checks: Sequence[str]) -> Check:
    """Return the check of suppressions, which needs the names of all checks."""

    def judge(seen: Snapshot) -> Iterator[Finding]:
        for subject, problem in suppressions.problems([*_subjects(seen)], checks):
            yield Finding(
                subject=subject,
                message=problem,
                fix="write the name of a check of `agentctl diagnose --list`, a colon and a reason",
            )

    return Check(
        "suppressions-valid",
        "annotations that suppress findings are valid",
        Severity.WARNING,
        judge,
    )


def _subjects(seen: Snapshot) -> Iterator[Subject]:
    yield from map(Subject.of, seen.of_kinds(seen.objects))
    yield from map(Subject.of, seen.definitions.get().values())
    yield from map(Subject.of, seen.configurations.get())
    yield from map(Subject.of, seen.deployments.get())


CHECKS: Final = (
    Check("quota-left", "quotas leave room", Severity.WARNING, _quota),
    Check("events-quiet", "no component reported a warning lately", Severity.WARNING, _events),
)
