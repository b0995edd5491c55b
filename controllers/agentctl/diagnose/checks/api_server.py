"""Checks of the API server, and of this machine. Pure."""

import datetime as dt
from collections.abc import Iterator
from typing import Final

from controllers.agentctl.diagnose.check import Check, Finding, Severity, Subject
from controllers.agentctl.diagnose.observation import Snapshot, Unread
from controllers.devcluster import versions

API_SERVER: Final = Subject("APIServer", "kube-apiserver")
MAX_SKEW: Final = dt.timedelta(seconds=10)
# Since 1.37 a write whose managedFields cannot be converted is refused; see docs/migrate.md.
_KEEPS_MANAGED_FIELDS: Final = versions.Version(1, 37)
_PACKAGES: Final = ("certs", "controllers", "crds", "schemagen", "webhooks")
_OWN: Final = "kubewright"


def _reachable(seen: Snapshot) -> Iterator[Finding]:
    if isinstance(seen.version.result, Unread):
        yield Finding(
            subject=API_SERVER,
            message=f"expected a response, got none: {seen.version.problem}",
            fix="check the server's address and the credentials of the kubeconfig, and that the "
            "API server is running",
        )


def _ready(seen: Snapshot) -> Iterator[Finding]:
    for name in seen.readiness.get():
        yield Finding(
            subject=API_SERVER,
            message=f"expected /readyz to pass, got a failure of {name}",
            fix="look for the check in the log of the API server",
            evidence={"check": name},
        )


def _version(seen: Snapshot) -> Iterator[Finding]:
    current, text = _version_of(seen)
    newest = versions.Version.found_in(versions.KUBERNETES_VERSION)
    evidence = {"version": text}
    if current is None or current < versions.OLDEST:
        yield Finding(
            subject=API_SERVER,
            message=f"expected Kubernetes {versions.OLDEST} or newer, got {text}",
            fix="upgrade the cluster, or use an older release of kubewright",
            evidence=evidence,
        )
    elif newest is not None and (current.major, current.minor) > (newest.major, newest.minor):
        yield Finding(
            subject=API_SERVER,
            message=f"expected Kubernetes {newest} or older, with which this release was tested, "
            f"got {text}",
            fix="upgrade kubewright, or test this combination",
            evidence=evidence,
            severity=Severity.WARNING,
        )


def _version_of(seen: Snapshot) -> tuple[versions.Version | None, str]:
    text = str(seen.version.get().get("gitVersion") or "no gitVersion")
    return versions.Version.found_in(text), text


def _managed_fields_kept(seen: Snapshot) -> Iterator[Finding]:
    current, text = _version_of(seen)
    if current is not None and current < _KEEPS_MANAGED_FIELDS:
        yield Finding(
            subject=API_SERVER,
            message="expected Kubernetes 1.37 or newer, which refuses a write while the conversion "
            f"webhook is unavailable, got {text}, which stores it without managedFields",
            fix="run at least two replicas of the webhook server with a PodDisruptionBudget, or "
            "upgrade the cluster",
            evidence={"version": text},
        )


def _clocks(seen: Snapshot) -> Iterator[Finding]:
    sample = seen.clock.get()
    # The server's time has whole seconds.
    ahead = sample.server - sample.after
    behind = sample.before - sample.server - dt.timedelta(seconds=1)
    for skew, word in ((ahead, "ahead of"), (behind, "behind")):
        if skew > MAX_SKEW:
            yield Finding(
                subject=API_SERVER,
                message=f"expected clocks within {MAX_SKEW.seconds} s of each other, got the API "
                f"server's {skew.total_seconds():.0f} s {word} the clock of this machine",
                fix="synchronize the clocks of this machine and of the control plane (NTP); times "
                "of Leases and certificates are compared with them",
                evidence={
                    "API server": f"{sample.server:%FT%TZ}",
                    "here": f"{sample.after:%FT%TZ}",
                },
            )


def _rejections(seen: Snapshot) -> Iterator[Finding]:
    for level, count in sorted(seen.rejections.get().items()):
        yield Finding(
            subject=Subject("PriorityLevelConfiguration", level),
            message=f"expected no rejected requests, got {count} since the API server started",
            fix="find the client by apiserver_flowcontrol_rejected_requests_total, and give it a "
            "FlowSchema, or this level more concurrency shares",
            evidence={"rejected": str(count)},
        )


def _packages(seen: Snapshot) -> Iterator[Finding]:
    for package, owners in sorted(seen.packages.get().items()):
        others = sorted({*owners} - {_OWN})
        if package in _PACKAGES and others:
            yield Finding(
                subject=Subject("PythonPackage", package),
                message=f"expected it from {_OWN} alone, got it from {', '.join(others)} as well",
                fix=f"install {_OWN} in a virtual environment of its own",
                evidence={"distributions": ", ".join(owners)},
            )


CHECKS: Final = (
    Check(
        "api-reachable",
        "the API server responds",
        Severity.ERROR,
        _reachable,
        is_before_install=True,
    ),
    Check("api-ready", "the API server is ready", Severity.ERROR, _ready, is_before_install=True),
    Check(
        "api-version",
        "the version of Kubernetes is supported",
        Severity.ERROR,
        _version,
        is_before_install=True,
    ),
    Check(
        "managed-fields-kept",
        "an outage of the conversion webhook costs no managedFields",
        Severity.WARNING,
        _managed_fields_kept,
        is_before_install=True,
    ),
    Check(
        "clock-skew",
        "the clocks of the API server and of this machine agree",
        Severity.ERROR,
        _clocks,
        is_before_install=True,
    ),
    Check(
        "requests-rejected",
        "priority and fairness rejected no request",
        Severity.WARNING,
        _rejections,
    ),
    Check(
        "python-packages",
        "no other distribution has packages of the same names",
        Severity.ERROR,
        _packages,
        is_before_install=True,
    ),
)
