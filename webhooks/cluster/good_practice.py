"""Known causes of outages in a webhook configuration, or in a CRD's conversion webhook. Pure."""

import base64
import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from certs import authority
from schemagen import canonical
from schemagen.problems import JSON, quoted
from webhooks.cluster import narrowing, untrusted
from webhooks.cluster.findings import PRIVATE_KEY, Finding, Level

CONVERSION: Final = "spec.conversion"
LONG_SECONDS: Final = 10
MAX_SECONDS: Final = 30
EXPIRES_SOON: Final = dt.timedelta(days=30)
# A fail-open webhook that hangs costs its timeout; the API call itself ends after 30 s.
MAX_OPEN_SECONDS: Final = 30
# Fields that decide which objects are sent to a webhook.
_SCOPE: Final = ("rules", "namespaceSelector", "objectSelector", "matchConditions")
SYSTEM_NAMESPACE: Final = "kube-system"
# Writes that a cluster needs to recover, or that are part of nearly every request, with the reason
# and whether the resource is namespaced.
UNTOUCHABLE: Final = {
    ("coordination.k8s.io", "leases"): ("nodes and leaders renew leases continuously", True),
    ("authentication.k8s.io", "tokenreviews"): ("every request with a token creates one", False),
    ("authorization.k8s.io", "subjectaccessreviews"): ("any request may create one", False),
    ("authorization.k8s.io", "selfsubjectaccessreviews"): ("any request may create one", False),
    ("authorization.k8s.io", "localsubjectaccessreviews"): ("any request may create one", True),
}
INJECTED: Final = (
    "cert-manager.io/inject-ca-from",
    "cert-manager.io/inject-ca-from-secret",
    "cert-manager.io/inject-apiserver-ca",
    "service.beta.openshift.io/inject-cabundle",
)
# API groups that a cluster runs on; the kinds of extensions are not among them.
CORE_GROUPS: Final = frozenset({"", "*", "apps", "batch", "policy", "rbac.authorization.k8s.io"})
# Prefix of base64-encoded PEM.
_PEM_IN_BASE64: Final = base64.b64encode(b"-----BEGIN")[:12]


def of_configuration(
    document: JSON, now: dt.datetime, decide: narrowing.Decide
) -> Iterator[Finding]:
    """Yield the findings of a webhook configuration."""
    is_injected = _is_injected(document)
    webhooks = [
        (f"webhooks[{index}]", item)
        for index, item in enumerate(untrusted.items(document, "webhooks"))
        if type(item) is dict
    ]
    for where, webhook in webhooks:
        yield from _timeout(webhook, f"{where}.timeoutSeconds")
        yield from _versions(webhook, "admissionReviewVersions", where)
        yield from _policies(webhook, where, is_mutating=document["kind"].startswith("Mutating"))
        yield from _rules(webhook, where, decide)
        client = untrusted.members(webhook, "clientConfig")
        yield from _client(client, f"{where}.clientConfig", now, is_injected=is_injected)
    yield from _combined([webhook for _, webhook in webhooks])


def of_crd(document: JSON, now: dt.datetime) -> Iterator[Finding]:
    """Yield the findings of a CRD's conversion webhook."""
    conversion = untrusted.members(untrusted.members(document, "spec"), "conversion")
    if conversion.get("strategy") == "Webhook":
        where, webhook = f"{CONVERSION}.webhook", untrusted.members(conversion, "webhook")
        yield from _versions(webhook, "conversionReviewVersions", where)
        client = untrusted.members(webhook, "clientConfig")
        is_injected = _is_injected(document)
        yield from _client(client, f"{where}.clientConfig", now, is_injected=is_injected)


def _is_injected(document: JSON) -> bool:
    """Return whether another program writes the caBundles."""
    annotations = untrusted.members(untrusted.members(document, "metadata"), "annotations")
    return any(item in annotations for item in INJECTED)


def _timeout(webhook: JSON, where: str) -> Iterator[Finding]:
    seconds = webhook.get("timeoutSeconds")
    if seconds is None:
        message = f"expected a timeout of a few seconds, got none: the default is {LONG_SECONDS}"
        yield Finding(where, "warning", "timeout", message)
    elif type(seconds) is int and LONG_SECONDS < seconds <= MAX_SECONDS:
        message = (
            f"expected a few seconds, got {seconds}: a webhook that hangs delays every call that "
            "long"
        )
        yield Finding(where, "warning", "timeout", message)


def _versions(webhook: JSON, name: str, where: str) -> Iterator[Finding]:
    versions = untrusted.texts(webhook, name)
    if "v1beta1" in versions and "v1" not in versions:
        message = f"expected v1 to be listed, got {quoted(versions)}"
        yield Finding(f"{where}.{name}", "error", "versions", message)


def _policies(webhook: JSON, where: str, *, is_mutating: bool) -> Iterator[Finding]:
    if webhook.get("matchPolicy") == "Exact":
        message = "expected Equivalent, got Exact: requests in other versions are not reviewed"
        yield Finding(f"{where}.matchPolicy", "warning", "match-policy", message)
    if webhook.get("failurePolicy") is None:
        message = "expected an explicit Fail or Ignore, got none: the default is Fail"
        yield Finding(f"{where}.failurePolicy", "warning", "failure-policy", message)
    if is_mutating and webhook.get("reinvocationPolicy", "Never") == "Never":
        message = "expected IfNeeded, got Never: changes by later webhooks are not seen"
        yield Finding(f"{where}.reinvocationPolicy", "warning", "reinvocation", message)


def _rules(webhook: JSON, where: str, decide: narrowing.Decide) -> Iterator[Finding]:
    rules = [item for item in untrusted.items(webhook, "rules") if type(item) is dict]
    for index, rule in enumerate(rules):
        path = f"{where}.rules[{index}]"
        yield from _untouchable(webhook, rule, path, decide)
        yield from _everything(webhook, rule, path, decide)
        yield from _deletion(webhook, rule, path)
    yield from _namespaces(webhook, rules, where, decide)


def _untouchable(
    webhook: JSON, rule: JSON, where: str, decide: narrowing.Decide
) -> Iterator[Finding]:
    groups, resources = untrusted.texts(rule, "apiGroups"), untrusted.texts(rule, "resources")
    for (group, resource), (why, is_namespaced) in UNTOUCHABLE.items():
        is_named = {group, "*"} & {*groups} and {resource, "*", "*/*"} & {*resources}
        fields = {"resource": {"group": group, "version": "v1", "resource": resource}}
        request = narrowing.Request(narrowing.ANY_NAMESPACE if is_namespaced else None, fields)
        if (
            is_named
            and _matches_scope(rule, is_namespaced)
            and narrowing.is_sent(webhook, request, decide)
        ):
            message = f"expected no {resource} of {group}: {why}; list the intended resources"
            yield Finding(where, "error", "untouchable", message)
            break


def _everything(
    webhook: JSON, rule: JSON, where: str, decide: narrowing.Decide
) -> Iterator[Finding]:
    resources = {*untrusted.texts(rule, "resources")}
    namespace = narrowing.ANY_NAMESPACE if narrowing.has_namespace(rule) else None
    is_all = {"*", "*/*"} & resources and "*" in untrusted.texts(rule, "apiGroups")
    if is_all and narrowing.is_sent(webhook, narrowing.Request(namespace), decide):
        message = (
            "expected specific kinds, got all of them, without a selector or condition that "
            "excludes unlabelled objects"
        )
        yield Finding(where, "error", "everything", message)
    if "*/*" in resources:
        message = (
            "expected resources without subresources, got */*: status updates are reviewed too"
        )
        yield Finding(where, "warning", "subresources", message)


def _deletion(webhook: JSON, rule: JSON, where: str) -> Iterator[Finding]:
    if _blocks_deletion(rule) and _fails_closed(webhook):
        message = (
            "expected no DELETE with failurePolicy Fail: while the webhook is down nothing can be "
            "deleted; remove it, or add a separate rule that lists kinds of one API"
        )
        yield Finding(where, "warning", "deletion", message)


def _namespaces(
    webhook: JSON, rules: Iterable[JSON], where: str, decide: narrowing.Decide
) -> Iterator[Finding]:
    """Check namespaces whose pods a cluster needs to recover; cluster-scoped rules are skipped."""
    core = [
        index
        for index, rule in enumerate(rules)
        if _is_core(untrusted.texts(rule, "apiGroups")) and narrowing.has_namespace(rule)
    ]
    if not core:
        return
    if not _excludes(webhook, SYSTEM_NAMESPACE, decide):
        message = (
            f"expected a namespaceSelector that excludes {SYSTEM_NAMESPACE}, got none that does: a "
            "webhook that is down keeps the cluster from recovering"
        )
        level: Level = "error" if _fails_closed(webhook) else "warning"
        yield Finding(f"{where}.rules[{core[0]}]", level, "system-namespace", message)
    # A webhook server whose own pods need the webhook never starts.
    own = untrusted.text(
        untrusted.members(untrusted.members(webhook, "clientConfig"), "service"), "namespace"
    )
    if own and _fails_closed(webhook) and not _excludes(webhook, own, decide):
        message = (
            f"expected a namespaceSelector that excludes {quoted(own)}, the server's own "
            "namespace: the server's pods could not start without the server"
        )
        yield Finding(f"{where}.namespaceSelector", "error", "own-namespace", message)


def _client(client: JSON, where: str, now: dt.datetime, *, is_injected: bool) -> Iterator[Finding]:
    bundle = untrusted.text(client, "caBundle")
    if bundle:
        yield from _bundle(bundle, f"{where}.caBundle", now)
    elif not is_injected:
        message = (
            "expected a CA bundle or an annotation that injects one, got neither: the API server "
            "trusts only its system's CAs"
        )
        yield Finding(f"{where}.caBundle", "warning", "ca-bundle", message)


def _bundle(bundle: str, where: str, now: dt.datetime) -> Iterator[Finding]:
    pem = _decoded(bundle)
    if _has_key(bundle.encode(errors="replace") if pem is None else pem):
        message = (
            "expected only certificates, got a private key, which is exposed to anyone who can "
            "read the configuration: replace it and every certificate signed with it"
        )
        yield Finding(where, "error", "private-key", message)
        return
    try:
        periods = _periods(pem)
    except (authority.CertificateError, ValueError) as error:
        message = f"expected base64-encoded PEM certificates: {error}"
        yield Finding(where, "error", "ca-bundle", message)
        return
    valid = [end for begin, end in periods if begin <= now < end]
    if not valid:
        end = max(end for _, end in periods)
        message = f"expected a certificate that is valid now, got the latest expiry {end:%Y-%m-%d}"
        yield Finding(where, "error", "ca-bundle", message)
    elif max(valid) - now < EXPIRES_SOON:
        message = (
            f"expected a certificate valid for more than {EXPIRES_SOON.days} days, got expiry "
            f"{max(valid):%Y-%m-%d}"
        )
        yield Finding(where, "warning", "ca-bundle", message)


def _decoded(bundle: str) -> bytes | None:
    """Decode a caBundle; like the API server's decoder, ignore line breaks."""
    text = bundle.replace("\r", "").replace("\n", "")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


def _has_key(pem: bytes) -> bool:
    """Return whether PEM contains a private key, also if it was base64-encoded twice."""
    again = base64.b64decode(pem) if pem.startswith(_PEM_IN_BASE64) else b""
    return PRIVATE_KEY.encode() in pem + again


def _periods(pem: bytes | None) -> list[tuple[dt.datetime, dt.datetime]]:
    """Return the validity periods of a bundle's certificates.

    Raises:
        ValueError, authority.CertificateError: It is not a bundle of certificates.
    """
    if pem is None:
        raise ValueError("not base64")
    return [
        (item.not_valid_before_utc, item.not_valid_after_utc) for item in authority.read_bundle(pem)
    ]


def _combined(webhooks: Sequence[JSON]) -> Iterator[Finding]:
    """Check the webhooks of a configuration against each other."""
    names = [untrusted.text(item, "name") for item in webhooks]
    for name, number in Counter(names).items():
        if name and number > 1:
            # The API server reports the later ones.
            message = f"expected unique names, got {quoted(name)} more than once"
            yield Finding(f"webhooks[{names.index(name)}].name", "error", "name", message)
    scopes = Counter(canonical.dumps([item.get(name) for name in _SCOPE]) for item in webhooks)
    if any(number > 1 for number in scopes.values()):
        message = "expected a single webhook for the same objects, got several: each costs a call"
        yield Finding("webhooks", "warning", "consolidate", message)
    timeouts = [
        seconds if type(seconds := item.get("timeoutSeconds")) is int else LONG_SECONDS
        for item in webhooks
        if item.get("failurePolicy") == "Ignore"
    ]
    if sum(timeouts) > MAX_OPEN_SECONDS:
        message = (
            f"expected timeouts of fail-open webhooks of at most {MAX_OPEN_SECONDS} s in total, "
            f"got {sum(timeouts)}: while they hang, every write fails"
        )
        yield Finding("webhooks", "warning", "timeout", message)


# --- reading untrusted objects ------------------------------------------------------------------


def _excludes(webhook: JSON, namespace: str, decide: narrowing.Decide) -> bool:
    """Return whether unlabelled objects in a namespace are certainly not sent."""
    request = narrowing.Request(namespace, {"namespace": namespace})
    return narrowing.is_not_sent(webhook, request, decide)


def _matches_scope(rule: JSON, is_namespaced: bool) -> bool:  # noqa: FBT001 - a fact of the resource
    return untrusted.text(rule, "scope") != ("Cluster" if is_namespaced else "Namespaced")


def _fails_closed(webhook: JSON) -> bool:
    """Return whether writes fail while the webhook is down."""
    return untrusted.text(webhook, "failurePolicy") != "Ignore"


def _blocks_deletion(rule: JSON) -> bool:
    """Return whether a rule reviews deletions beyond a dedicated DELETE rule of its own kinds."""
    operations = {*untrusted.texts(rule, "operations")}
    if not {"DELETE", "*"} & operations:
        return False
    groups, resources = untrusted.texts(rule, "apiGroups"), untrusted.texts(rule, "resources")
    is_wide = _is_core(groups) or "*" in {*groups, *resources} or "*/*" in resources
    return is_wide or operations != {"DELETE"}


def _is_core(groups: Iterable[str]) -> bool:
    return bool(CORE_GROUPS & {*groups})
