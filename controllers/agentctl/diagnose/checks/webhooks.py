"""Checks of webhook configurations, and of the certificates of the server that they call. Pure."""

from collections.abc import Iterator
from typing import Final

from certs import authority, expiry
from controllers import kube
from controllers.agentctl.diagnose.check import Check, Finding, Severity, Subject
from controllers.agentctl.diagnose.observation import Snapshot
from schemagen.problems import JSON
from webhooks.cluster import findings, good_practice, install, lint

_INSTALL: Final = (
    "install the webhook configurations of this release: helm upgrade, or restart webhooks serve "
    "--install"
)
# Fields that decide which requests are reviewed, and what happens if they cannot be.
_FIELDS: Final = ("rules", "matchConditions", "failurePolicy", "matchPolicy", "sideEffects")


def _present(seen: Snapshot) -> Iterator[Finding]:
    live = {_key(value): value for value in seen.configurations.get()}
    for expected in seen.expected_configurations:
        current = live.get(_key(expected))
        if current is None:
            yield Finding(
                subject=Subject.of(expected),
                message="expected the webhook configuration, got none: objects are stored without "
                "defaults and without the rules that a schema cannot express",
                fix=_INSTALL,
            )
            continue
        webhooks = {webhook["name"]: webhook for webhook in current.get("webhooks") or ()}
        for webhook in expected["webhooks"]:
            yield from _differences(Subject.of(current), webhook, webhooks.get(webhook["name"]))


def _key(value: JSON) -> tuple[str, str]:
    return str(value["kind"]), str(value["metadata"]["name"])


def _differences(subject: Subject, expected: JSON, current: JSON) -> Iterator[Finding]:
    name = expected["name"]
    if current is None:
        yield Finding(subject=subject, message=f"expected webhook {name}, got none", fix=_INSTALL)
        return
    for field in _FIELDS:
        if expected.get(field) != current.get(field):
            yield Finding(
                subject=subject,
                message=f"expected {field} of webhook {name} as in this release, got others",
                fix=_INSTALL,
                evidence={"expected": str(expected.get(field)), "got": str(current.get(field))},
            )


def _practice(seen: Snapshot) -> Iterator[Finding]:
    own = {_key(value) for value in seen.expected_configurations}
    called = [value for value in seen.configurations.get() if _key(value) in own]
    for value in called:
        for finding in lint.findings([value], seen.now):
            yield _of_lint(value, finding, Severity(finding.level))
    for value in seen.definitions.get().values():
        # The API server has accepted it: to judge its schemas again would take half a second.
        for rule in good_practice.of_crd(value, seen.now):
            yield _of_lint(value, rule, Severity(rule.level))


def _of_others(seen: Snapshot) -> Iterator[Finding]:
    own = {_key(value) for value in seen.expected_configurations}
    for value in seen.configurations.get():
        if _key(value) not in own:
            for finding in lint.findings([value], seen.now):
                if finding.level == "error":
                    yield _of_lint(value, finding, Severity.WARNING)


def _of_lint(value: kube.JSON, problem: findings.Finding, severity: Severity) -> Finding:
    message = findings.printable(problem.message)
    return Finding(
        subject=Subject.of(value),
        message=f"{problem.field}: {message}" if problem.field else message,
        fix=f"see rule {problem.rule} of `webhooks lint` in docs/webhooks.md",
        evidence={"field": problem.field, "rule": problem.rule},
        severity=severity,
    )


def _trusted(seen: Snapshot) -> Iterator[Finding]:
    for handshake in seen.handshakes.get():
        if handshake.reason:
            for target in handshake.targets:
                yield Finding(
                    subject=_subject_of(target),
                    message=f"expected a TLS connection to {handshake.host}:{handshake.port} that "
                    f"its caBundle trusts, got: {handshake.reason}",
                    fix="check that the webhook server is running; if the certificate is not "
                    "trusted, agentctl certs status names the replica that does not write the "
                    "caBundle, or cert-manager's cainjector does not",
                    evidence={"host": handshake.host, "port": str(handshake.port)},
                )


_KINDS: Final = {
    resource.plural: resource.kind
    for resource in (kube.CUSTOM_RESOURCE_DEFINITIONS, *install.CONFIGURATIONS.values())
}


def _subject_of(target: str) -> Subject:
    plural, _, name = target.partition("/")
    return Subject(_KINDS[plural], name)


def _expiry(seen: Snapshot) -> Iterator[Finding]:
    for handshake in seen.handshakes.get():
        if not handshake.leaf_pem:
            continue
        leaf = authority.read_bundle(handshake.leaf_pem.encode())[0]
        for _, found in expiry.findings({"serving certificate": leaf}, seen.now):
            yield Finding(
                subject=Subject("Certificate", f"{handshake.host}:{handshake.port}"),
                message=f"expected a certificate that is renewed in time, got: {found.message}",
                fix="see the log of the webhook server, or of cert-manager, for the failed renewal",
                evidence={"not after": expiry.time_text(leaf.not_valid_after_utc)},
                severity=Severity.ERROR if found.is_fatal else Severity.WARNING,
            )


CHECKS: Final = (
    Check(
        "webhooks-registered",
        "the webhook configurations are those of this release",
        Severity.ERROR,
        _present,
    ),
    Check(
        "webhooks-practice",
        "the webhook configurations follow good practice",
        Severity.ERROR,
        _practice,
    ),
    Check(
        "webhooks-of-others",
        "no other webhook endangers the cluster",
        Severity.WARNING,
        _of_others,
        is_before_install=True,
    ),
    Check(
        "webhook-trusted",
        "the webhook server serves a certificate that each caBundle trusts",
        Severity.ERROR,
        _trusted,
    ),
    Check(
        "certificate-valid",
        "the served certificate is valid and is renewed in time",
        Severity.ERROR,
        _expiry,
    ),
)
