"""Checks of what runs depend on: memories, sources, agents and what these refer to. Pure."""

import collections
import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Final

from controllers import kube
from controllers.agentctl import durations
from controllers.agentctl.diagnose.check import Check, Finding, Judge, Severity, Subject
from controllers.agentctl.diagnose.observation import Snapshot
from schemagen.problems import JSON
from schemagen.versions import durations as go_durations

_DESCRIBED: Final = ("Agent", "AgentProvider", "ImplementationSpec", "VersionControlProvider")
_PROBLEMS: Final = {"Ready": "False", "Degraded": "True", "Unreachable": "True"}
_MISSED_POLLS: Final = 3
_LEAST_LATE: Final = dt.timedelta(minutes=10)
_REFERENCES: Final = (
    ("Agent", "providerRef", "AgentProvider"),
    ("Agent", "memoryRef", "Memory"),
    ("Agent", "vcsRef", "VersionControlProvider"),
    ("ImplementationSpec", "vcsRef", "VersionControlProvider"),
)


def _ready(kinds: Sequence[str]) -> Judge:
    """Return a judge of the conditions that a reconciler wrote; objects without are new."""

    def judge(seen: Snapshot) -> Iterator[Finding]:
        for value in seen.of_kinds(kinds):
            yield from _of_conditions(value)

    return judge


def _of_conditions(value: kube.JSON) -> Iterator[Finding]:
    conditions = {
        condition.get("type"): condition
        for condition in (value.get("status") or {}).get("conditions") or ()
    }
    for name, problem in _PROBLEMS.items():
        condition = conditions.get(name) or {}
        if condition.get("status") == problem:
            yield Finding(
                subject=Subject.of(value),
                message=f"expected condition {name} not to be {problem}, got "
                f"{condition.get('reason')}: {condition.get('message')}",
                fix="remove the cause that the condition names; the controller checks again",
                evidence={"condition": name, "reason": str(condition.get("reason") or "")},
                severity=Severity.WARNING if name == "Degraded" else None,
            )
            break


def _default(seen: Snapshot) -> Iterator[Finding]:
    defaults: dict[str, list[kube.JSON]] = collections.defaultdict(list)
    for value in seen.each("Memory"):
        if value["spec"].get("isDefault"):
            defaults[value["metadata"]["namespace"]].append(value)
    for namespace, values in sorted(defaults.items()):
        names = sorted(value["metadata"]["name"] for value in values)
        for value in values if len(values) > 1 else ():
            yield Finding(
                subject=Subject.of(value),
                message=f"expected one default Memory in namespace {namespace}, got "
                f"{', '.join(names)}: which one a run gets is not defined",
                fix="set spec.isDefault of all but one to false",
                evidence={"defaults": ", ".join(names)},
            )


def _synced(seen: Snapshot) -> Iterator[Finding]:
    for value in seen.each("ImplementationSource"):
        status, ingestion = value.get("status") or {}, value["spec"].get("ingestion") or {}
        webhook = status.get("lastWebhook") or {}
        if ingestion.get("mode") == "Poll":
            yield from _polled(value, ingestion.get("poll") or {}, seen.now)
        elif ingestion.get("mode") == "Webhook" and webhook.get("status") == "Failed":
            yield Finding(
                subject=Subject.of(value),
                message="expected the latest webhook to be processed, got a failure of "
                f"{webhook.get('externalId')}: {webhook.get('error')}",
                fix="remove the cause, then have the tracker deliver it again",
                evidence={"delivery": str(webhook.get("deliveryId") or "")},
            )


def _polled(value: kube.JSON, poll: JSON, now: dt.datetime) -> Iterator[Finding]:
    interval = dt.timedelta(seconds=go_durations.seconds_of(poll.get("interval") or "") or 0)
    last = (value.get("status") or {}).get("lastSyncTime") or ""
    since = kube.time_of(last or value["metadata"].get("creationTimestamp") or "") or now
    if now - since > max(interval * _MISSED_POLLS, _LEAST_LATE):
        yield Finding(
            subject=Subject.of(value),
            message=f"expected a sync every {poll.get('interval')}, got "
            + (f"the last one {durations.since(since, now)} ago" if last else "none so far"),
            fix="see the conditions of the source and the log of the controller; the tracker may "
            "be unreachable, or its rate limit used up",
            evidence={"lastSyncTime": last or "none"},
        )


def _references(seen: Snapshot) -> Iterator[Finding]:
    names = {
        kind: {
            (value["metadata"]["namespace"], value["metadata"]["name"]) for value in seen.each(kind)
        }
        for kind in {kind for _, _, kind in _REFERENCES}
    }
    for kind, field, target in _REFERENCES:
        for value in seen.each(kind):
            name = (value["spec"].get(field) or {}).get("name")
            if name and (value["metadata"]["namespace"], name) not in names[target]:
                yield Finding(
                    subject=Subject.of(value),
                    message=f"expected {target} {name}, to which spec.{field} refers, got none in "
                    f"namespace {value['metadata']['namespace']}",
                    fix=f"create the {target}, or correct the reference; runs wait until then",
                    evidence={f"spec.{field}.name": name},
                )


CHECKS: Final = (
    Check("memories-ready", "every Memory is ready", Severity.ERROR, _ready(["Memory"])),
    Check("memory-default", "at most one Memory is the default", Severity.WARNING, _default),
    Check(
        "sources-ready", "every source is ready", Severity.ERROR, _ready(["ImplementationSource"])
    ),
    Check("sources-synced", "every source was synced in time", Severity.ERROR, _synced),
    Check(
        "objects-ready",
        "agents, providers, implementations and version control providers are ready",
        Severity.ERROR,
        _ready(_DESCRIBED),
    ),
    Check("references-resolve", "what objects refer to exists", Severity.ERROR, _references),
)
