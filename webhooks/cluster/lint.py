"""Lint webhook configurations of any origin against good practice. Pure.

Follows Kubernetes' "Admission Webhook Good Practices" and incidents in which a webhook took a
cluster down. What the API server would refuse is decided by the judge, which runs the API server's
own validation. Objects of other kinds are skipped.
"""

import dataclasses
import datetime as dt
import functools
import re
from collections.abc import Iterable, Iterator
from typing import Final

from schemagen import canonical, judge
from schemagen.problems import JSON, kind_of, quoted
from webhooks.cluster import good_practice, narrowing, untrusted
from webhooks.cluster.findings import Finding, printable

KINDS: Final = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
CRD: Final = "CustomResourceDefinition"
# The only versions that API servers since Kubernetes 1.22 serve.
API_VERSIONS: Final = {
    **dict.fromkeys(KINDS, "admissionregistration.k8s.io/v1"),
    CRD: "apiextensions.k8s.io/v1",
}

# Rule names for what the API server refuses, by the innermost field that has one.
REFUSED: Final = "refused"
_RULES: Final = {
    "admissionReviewVersions": "versions",
    "caBundle": "ca-bundle",
    "clientConfig": "client",
    "conversionReviewVersions": "versions",
    "failurePolicy": "failure-policy",
    "matchConditions": "match-conditions",
    "matchPolicy": "match-policy",
    "name": "name",
    "namespaceSelector": "selector",
    "objectSelector": "selector",
    "reinvocationPolicy": "reinvocation",
    "rules": "rules",
    "service": "client",
    "sideEffects": "side-effects",
    "timeoutSeconds": "timeout",
    "url": "url",
}
_MEMBER: Final = re.compile(r"\w+")
_PRINTABLE: Final = re.compile(r"[\w.:-]{1,253}")


def findings(
    documents: Iterable[JSON], now: dt.datetime, checker: judge.Judge | None = None
) -> Iterator[Finding]:
    """Yield the findings of webhook configurations and of CRDs that convert by webhook.

    Args:
        documents: Objects of any kind.
        now: Time for which certificates are checked.
        checker: Runs the API server's validation; by default a shared judge.

    Raises:
        judge.JudgeMissingError: The judge is not available.
    """
    server = checker or _judge()
    for document in documents:
        if is_checked(document):
            decide = _decider(server)
            for finding in (*_refusals(document, server), *_practices(document, now, decide)):
                message = printable(finding.message)
                yield dataclasses.replace(finding, subject=_subject(document), message=message)


@functools.cache
def _judge() -> judge.Judge:
    return judge.Judge()


def is_checked(document: JSON) -> bool:
    """Return whether a document is of a kind that is checked."""
    return untrusted.text(document, "kind") in API_VERSIONS


def refused(message: str) -> Finding:
    """Return the finding that the API server refuses the object as a whole."""
    return Finding("", "error", REFUSED, printable(message))


def _practices(document: JSON, now: dt.datetime, decide: narrowing.Decide) -> Iterator[Finding]:
    if document["kind"] == CRD:
        return good_practice.of_crd(document, now)
    return good_practice.of_configuration(document, now, decide)


def _subject(document: JSON) -> str:
    name = untrusted.text(untrusted.members(document, "metadata"), "name")
    return f"{document['kind']}/{name}" if _PRINTABLE.fullmatch(name) else str(document["kind"])


def _refusals(document: JSON, server: judge.Judge) -> Iterator[Finding]:
    """Yield what `kubectl create --validate=strict` would report."""
    kind, version = document["kind"], document.get("apiVersion")
    if version is not None and version != API_VERSIONS[kind]:
        got = quoted(version) if type(version) is str else kind_of(version)
        message = f"expected {API_VERSIONS[kind]}, got {got}: no other version is served"
        yield Finding("apiVersion", "error", REFUSED, message)
        return
    try:
        if kind == CRD:
            yield from _refusals_of_conversion(document, server)
        else:
            yield from _of(server.check_registration(document))
    except judge.JudgeMissingError:
        raise
    except judge.JudgeError as error:
        yield refused(str(error))


def _refusals_of_conversion(document: JSON, server: judge.Judge) -> Iterator[Finding]:
    """Yield what is refused in a CRD's conversion stanza; the rest of a CRD is not checked."""
    if untrusted.members(document, "spec").get("conversion") is not None:
        for finding in _of(server.check(document)):
            if finding.field.startswith(good_practice.CONVERSION) or not finding.field:
                yield finding


def _of(verdict: judge.Verdict) -> Iterator[Finding]:
    for warning in verdict.warnings:
        field, _, message = warning.partition(": ")
        if field.startswith("webhooks"):
            yield Finding(field, "warning", "api-server", message)
    if not verdict.allowed and not verdict.causes:
        yield refused(verdict.message)
    for cause in verdict.causes:
        members = reversed(_MEMBER.findall(cause.field))
        rule = next((_RULES[item] for item in members if item in _RULES), REFUSED)
        yield Finding(cause.field, "error", rule, cause.message)


def _decider(server: judge.Judge) -> narrowing.Decide:
    """Return an evaluator of match conditions that caches its results."""
    known: dict[tuple[str, bytes], bool | None] = {}

    def decide(expression: str, fields: JSON) -> bool | None:
        key = expression, canonical.dumps(fields)
        if key not in known:
            try:
                known[key] = server.decide_condition(expression, fields)
            except judge.JudgeError:
                known[key] = None
        return known[key]

    return decide
