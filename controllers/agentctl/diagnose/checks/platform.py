"""Checks of the platform's components: namespace, rights, Lease, ledger and pods. Pure."""

import collections
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Final

from controllers import kube, ledger, manager
from controllers.agentctl import durations, versions
from controllers.agentctl.diagnose.check import Check, Finding, Severity, Subject
from controllers.agentctl.diagnose.observation import Snapshot
from controllers.agentctl.explain import leadership
from controllers.ledger import encoding
from controllers.runs import naming, projections
from schemagen.problems import JSON

# Freed by the controller every 10 s; a busy one may need longer.
_GRACE: Final = dt.timedelta(minutes=2)
_CRASHING: Final = frozenset(
    {
        *("CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "InvalidImageName"),
        *("CreateContainerConfigError", "CreateContainerError", "RunContainerError"),
    }
)


def _home(seen: Snapshot) -> Iterator[Finding]:
    value = seen.home_object.get()
    if value is None:
        yield Finding(
            subject=Subject(kube.NAMESPACES.kind, seen.home),
            message="expected the controller's namespace, got none",
            fix="name the namespace of the installation with --home, or install the platform",
        )
    elif value["metadata"].get("deletionTimestamp"):
        yield Finding(
            subject=Subject.of(value),
            message="expected the controller's namespace, got one that is being deleted",
            fix="wait until it is gone, then install the platform again",
        )


def _rights(seen: Snapshot) -> Iterator[Finding]:
    for review in seen.reviews.get():
        if not review.is_allowed:
            who = f"the {review.component}" if review.user else "the current user"
            yield Finding(
                subject=Subject("User", review.user or "current"),
                message=f"expected {who} to be allowed to {review.text} ({review.why}), got no",
                fix="install the roles of this release, docs/rbac.md lists every right; or "
                "use a user that has it",
                evidence={
                    "for": review.component,
                    "verb": review.verb,
                    "resource": review.target,
                },
            )


def _lease(seen: Snapshot) -> Iterator[Finding]:
    lease = seen.lease.get()
    subject = Subject(kube.LEASES.kind, manager.LEASE, seen.home)
    fix = "start a replica of agentctl controller, or see its log for why it cannot renew the Lease"
    if lease is None:
        yield Finding(subject=subject, message="expected the controller's Lease, got none", fix=fix)
        return
    holder, silent = leadership.holder(lease), leadership.silent_since(lease, seen.now)
    if not holder:
        yield Finding(
            subject=Subject.of(lease), message="expected a leader, got no holder", fix=fix
        )
    elif silent is not None:
        yield Finding(
            subject=Subject.of(lease),
            message=f"expected {holder} to renew the Lease, got no renewal for "
            f"{durations.since(silent, seen.now)}",
            fix=fix,
            evidence={"renewTime": kube.time_text(silent), "holder": holder},
        )


def book_of(seen: Snapshot) -> ledger.Ledger:
    """Return the ledger; an empty one if there is none, or it is damaged, which a check reports.

    Raises:
        NotObservedError: It could not be read.
    """
    value = seen.book.get()
    try:
        return ledger.Ledger() if value is None else encoding.read(value)
    except ledger.CorruptError:
        return ledger.Ledger()


def limits_of(seen: Snapshot) -> ledger.Limits:
    """Return the limits that the controller wrote, or the defaults."""
    value = seen.book.get()
    return (None if value is None else encoding.limits(value)) or ledger.Limits()


def _ledger_readable(seen: Snapshot) -> Iterator[Finding]:
    value = seen.book.get()
    if value is None:
        if seen.each(projections.RUNS.kind):
            yield Finding(
                subject=Subject(kube.CONFIG_MAPS.kind, manager.LEDGER, seen.home),
                message="expected the ledger of runs in flight, got none though there are runs",
                fix="start a controller, which rebuilds it; see its log if it does not",
            )
        return
    try:
        encoding.read(value)
    except ledger.CorruptError as error:
        yield Finding(
            subject=Subject.of(value),
            message=str(error),
            fix="delete the ConfigMap: the controller rebuilds the ledger from runs and Jobs",
        )


def _ledger_limits(seen: Snapshot) -> Iterator[Finding]:
    book, limits = book_of(seen), limits_of(seen)
    slots = book.slots.values()
    uses: tuple[tuple[str, int, Mapping[str, int]], ...] = (
        ("cluster", limits.cluster, {"all": len(slots)}),
        ("namespace", limits.namespace, collections.Counter(slot.namespace for slot in slots)),
        (
            "agent",
            limits.agent,
            collections.Counter(f"{slot.namespace}/{slot.agent}" for slot in slots),
        ),
    )
    for what, limit, counts in uses:
        for name, count in sorted(counts.items()):
            if limit and count > limit:
                yield Finding(
                    subject=Subject(kube.CONFIG_MAPS.kind, manager.LEDGER, seen.home),
                    message=f"expected at most {limit} runs in flight of {what} {name}, got "
                    f"{count}",
                    fix="no run is added until enough have ended; if the limit was not lowered, "
                    "report a bug with a bundle (--bundle)",
                    evidence={"limit": str(limit), "in flight": str(count)},
                )


def _ledger_slots(seen: Snapshot) -> Iterator[Finding]:
    """Compare slots with runs: one without a live run is never freed by that run's end."""
    live = {value["metadata"]["uid"] for value in seen.each(projections.RUNS.kind)}
    for uid, slot in sorted(book_of(seen).slots.items()):
        since = dt.datetime.fromtimestamp(slot.since, dt.UTC)
        is_elsewhere = seen.namespace not in {None, slot.namespace}
        if uid in live or is_elsewhere or seen.now - since < _GRACE:
            continue
        yield Finding(
            subject=Subject(projections.RUNS.kind, slot.run, slot.namespace),
            message="expected a slot only for a run that has not ended, got one held for "
            f"{durations.since(since, seen.now)} by a run that has ended or does not exist",
            fix="a controller frees it within seconds; if one is running, see its log",
            evidence={"uid": uid, "attempt": str(slot.attempt)},
        )


def _ledger_jobs(seen: Snapshot) -> Iterator[Finding]:
    """Compare Jobs with slots: one that runs without a slot is not counted by any limit."""
    slots = book_of(seen).slots
    for job in seen.jobs.get():
        labels = job["metadata"].get("labels") or {}
        uid = labels.get(naming.RUN_LABEL, "")
        created = kube.time_of(job["metadata"].get("creationTimestamp") or "") or seen.now
        is_active = bool((job.get("status") or {}).get("active"))
        if is_active and uid not in slots and seen.now - created >= _GRACE:
            yield Finding(
                subject=Subject.of(job),
                message="expected a slot for the run of an active Job, got none: no limit counts "
                "it",
                fix="a controller cancels it, or allocates the slot, when it starts; see its log",
                evidence={"run": labels.get(naming.NAME_LABEL, ""), "uid": uid},
            )


def _available(seen: Snapshot) -> Iterator[Finding]:
    for value in seen.deployments.get():
        wanted = int((value.get("spec") or {}).get("replicas", 1))
        available = int((value.get("status") or {}).get("availableReplicas") or 0)
        if available < wanted:
            yield Finding(
                subject=Subject.of(value),
                message=f"expected {wanted} available replicas, got {available}",
                fix="kubectl describe the Deployment and its pods (check components-running)",
                evidence={"available": str(available), "replicas": str(wanted)},
                severity=Severity.ERROR if not available else Severity.WARNING,
            )


def _release(seen: Snapshot) -> Iterator[Finding]:
    for value in seen.deployments.get():
        version = versions.release_of(value)
        if version and version != seen.release:
            yield Finding(
                subject=Subject.of(value),
                message=f"expected release {seen.release}, that of this agentctl, got {version}",
                fix="use the agentctl of that release, or upgrade the platform",
                evidence={"version": version},
            )


def _running(seen: Snapshot) -> Iterator[Finding]:
    for pod in seen.pods.get():
        status = pod.get("status") or {}
        for container in (
            *(status.get("initContainerStatuses") or ()),
            *(status.get("containerStatuses") or ()),
        ):
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") in _CRASHING:
                yield Finding(
                    subject=Subject.of(pod),
                    message=f"expected container {container.get('name')} to run, got "
                    f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": "),
                    fix=f"kubectl logs --previous -n {pod['metadata'].get('namespace')} "
                    f"{pod['metadata']['name']} -c {container.get('name')}",
                    evidence={
                        "reason": str(waiting["reason"]),
                        "last exit": _last_exit(container),
                    },
                )


def _last_exit(container: JSON) -> str:
    ended = (container.get("lastState") or {}).get("terminated") or {}
    return " ".join(
        str(part) for part in (ended.get("reason"), ended.get("exitCode")) if part is not None
    )


CHECKS: Final = (
    Check("home-exists", "the controller's namespace exists", Severity.ERROR, _home),
    Check(
        "rights-granted",
        "components, or the current user, have the rights that they need",
        Severity.ERROR,
        _rights,
        is_before_install=True,
    ),
    Check("lease-held", "a controller leads and renews its Lease", Severity.ERROR, _lease),
    Check("ledger-readable", "the ledger can be read", Severity.ERROR, _ledger_readable),
    Check(
        "ledger-limits", "no limit on runs in flight is exceeded", Severity.ERROR, _ledger_limits
    ),
    Check("ledger-slots", "every slot belongs to a run", Severity.ERROR, _ledger_slots),
    Check("ledger-jobs", "every active Job has a slot", Severity.ERROR, _ledger_jobs),
    Check(
        "components-available",
        "the Deployments of the platform are available",
        Severity.ERROR,
        _available,
    ),
    Check(
        "components-release",
        "the components are of the same release as this program",
        Severity.WARNING,
        _release,
    ),
    Check("components-running", "no pod of the platform fails", Severity.ERROR, _running),
)
