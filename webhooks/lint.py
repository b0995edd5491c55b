"""What is wrong with webhook configurations, ours or anybody's, and what to write instead. Pure.

After Kubernetes' «Admission Webhook Good Practices» and what API servers refuse
(admissionregistration.k8s.io/v1 validation, Kubernetes 1.37), and after incidents in which a
webhook took a cluster down. Objects of other kinds are passed over.
"""

import base64
import binascii
import dataclasses
import datetime as dt
import urllib.parse
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal

from cryptography import x509

from schemagen.problems import JSON, quoted

KINDS: Final = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")

LONG_SECONDS: Final = 10
MOST_SECONDS: Final = 30
EXPIRES_SOON: Final = dt.timedelta(days=30)
# A fail-open webhook that hangs costs its timeout; the API call itself ends after 30 s.
MOST_OPEN_SECONDS: Final = 30
SYSTEM_NAMESPACE: Final = "kube-system"
NAME_LABEL: Final = "kubernetes.io/metadata.name"
# What must go on being written for a cluster to recover, or is asked in every other request.
UNTOUCHABLE: Final = {
    ("coordination.k8s.io", "leases"): "nodes and leaders renew leases all the time",
    ("authentication.k8s.io", "tokenreviews"): "every request with a token asks it",
    ("authorization.k8s.io", "subjectaccessreviews"): "every request may ask it",
    ("authorization.k8s.io", "selfsubjectaccessreviews"): "every request may ask it",
    ("authorization.k8s.io", "localsubjectaccessreviews"): "every request may ask it",
}
INJECTED: Final = (
    "cert-manager.io/inject-ca-from",
    "cert-manager.io/inject-ca-from-secret",
    "cert-manager.io/inject-apiserver-ca",
    "service.beta.openshift.io/inject-cabundle",
)
# Groups whose objects a cluster is run with; an extension's own kinds are not among them.
CORE_GROUPS: Final = frozenset({"", "*", "apps", "batch", "policy", "rbac.authorization.k8s.io"})

Level = Literal["error", "warning"]


@dataclasses.dataclass(frozen=True, order=True)
class Finding:
    """One thing to mend.

    Attributes:
        where: ``ValidatingWebhookConfiguration/x webhooks[a.b.c].timeoutSeconds``.
        rule: A short name, the same for every finding of its sort.
    """

    where: str
    level: Level
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.level}: {self.where}: {self.message} [{self.rule}]"


def findings(documents: Iterable[JSON], now: dt.datetime) -> Iterator[Finding]:
    """What to mend in configurations and in CRDs that are converted by a webhook."""
    for document in documents:
        kind = _text(document, "kind")
        if kind in KINDS:
            yield from _configuration(document, kind, now)
        elif kind == "CustomResourceDefinition":
            yield from _crd(document, now)


def count(documents: Iterable[JSON]) -> int:
    """How many documents there is something to say of."""
    return sum(_text(one, "kind") in {*KINDS, "CustomResourceDefinition"} for one in documents)


def _configuration(document: JSON, kind: str, now: dt.datetime) -> Iterator[Finding]:
    name = f"{kind}/{_text(_object(document, 'metadata'), 'name')}"
    annotations = _object(_object(document, "metadata"), "annotations")
    is_injected = any(one in annotations for one in INJECTED)
    webhooks = [one for one in _list(document, "webhooks") if type(one) is dict]
    names = Counter(_text(one, "name") for one in webhooks)
    for index, webhook in enumerate(webhooks):
        where = f"{name} webhooks[{_text(webhook, 'name') or index}]"
        if names[_text(webhook, "name")] > 1:
            yield Finding(where, "error", "name", "expected names that differ, got one twice")
        yield from _webhook(webhook, where, is_mutating=kind.startswith("Mutating"))
        client = _object(webhook, "clientConfig")
        yield from _client(client, f"{where}.clientConfig", now, is_injected=is_injected)
    yield from _together(webhooks, name)


def _webhook(webhook: JSON, where: str, *, is_mutating: bool) -> Iterator[Finding]:
    yield from _name(webhook, where)
    yield from _timeout(webhook, where)
    yield from _policies(webhook, where, is_mutating=is_mutating)
    rules = [one for one in _list(webhook, "rules") if type(one) is dict]
    for index, rule in enumerate(rules):
        yield from _rule(webhook, rule, f"{where}.rules[{index}]")
    yield from _own_namespace(webhook, rules, where)


def _name(webhook: JSON, where: str) -> Iterator[Finding]:
    name = _text(webhook, "name")
    if len([part for part in name.split(".") if part]) < 3:  # noqa: PLR2004 - the API server's
        yield Finding(
            f"{where}.name",
            "error",
            "name",
            f"expected at least three words with dots, got {quoted(name)}",
        )


def _timeout(webhook: JSON, where: str) -> Iterator[Finding]:
    found, place = webhook.get("timeoutSeconds"), f"{where}.timeoutSeconds"
    if found is None:
        message = f"expected a timeout of a few seconds, got none, which is {LONG_SECONDS}"
        yield Finding(place, "warning", "timeout", message)
    elif type(found) is not int or not 1 <= found <= MOST_SECONDS:
        message = f"expected 1 to {MOST_SECONDS} seconds, got {quoted(found)}"
        yield Finding(place, "error", "timeout", message)
    elif found > LONG_SECONDS:
        message = f"expected a few seconds, got {found}: every call waits that long if it hangs"
        yield Finding(place, "warning", "timeout", message)


def _policies(webhook: JSON, where: str, *, is_mutating: bool) -> Iterator[Finding]:
    versions = _list(webhook, "admissionReviewVersions")
    if "v1" not in versions:
        place = f"{where}.admissionReviewVersions"
        yield Finding(place, "error", "versions", f"expected v1 among them, got {versions}")
    effects = webhook.get("sideEffects")
    if effects not in {"None", "NoneOnDryRun"}:
        message = f"expected None or NoneOnDryRun, got {quoted(effects)}"
        yield Finding(f"{where}.sideEffects", "error", "side-effects", message)
    match = webhook.get("matchPolicy", "Equivalent")
    if match != "Equivalent":
        message = f"expected Equivalent, got {quoted(match)}: other versions pass by unseen"
        yield Finding(f"{where}.matchPolicy", "warning", "match-policy", message)
    if webhook.get("failurePolicy") is None:
        message = "expected Fail or Ignore, got none, which is Fail: say which is meant"
        yield Finding(f"{where}.failurePolicy", "warning", "failure-policy", message)
    if is_mutating and webhook.get("reinvocationPolicy", "Never") == "Never":
        message = "expected IfNeeded, got Never: what later webhooks change is not seen"
        yield Finding(f"{where}.reinvocationPolicy", "warning", "reinvocation", message)


def _rule(webhook: JSON, rule: JSON, where: str) -> Iterator[Finding]:
    groups, resources = _texts(rule, "apiGroups"), _texts(rule, "resources")
    if not groups or not resources or not _texts(rule, "operations"):
        message = "expected apiGroups, resources and operations, got an empty list of one"
        yield Finding(where, "error", "rules", message)
    for (group, resource), why in UNTOUCHABLE.items():
        named = {resource, "*", "*/*"} & {*resources}
        if (group in groups or "*" in groups) and named and not _selects(webhook):
            message = f"expected no {resource} of {group}: {why}; name the resources that are meant"
            yield Finding(where, "error", "untouchable", message)
            break
    if {"*", "*/*"} & {*resources} and "*" in groups and not _selects(webhook):
        message = "expected the kinds that are meant, got every one without a selector"
        yield Finding(where, "error", "everything", message)
    if "*/*" in resources:
        message = "expected resources without subresources, got */*: every status is reviewed too"
        yield Finding(where, "warning", "subresources", message)
    if _blocks_deletion(rule) and webhook.get("failurePolicy", "Fail") == "Fail":
        message = (
            "expected no DELETE under Fail: while the server is away nothing can be deleted; leave "
            "it out, or ask for it by a rule of its own that names kinds of one API"
        )
        yield Finding(where, "warning", "deletion", message)
    if _is_core(groups) and not _spares(webhook, SYSTEM_NAMESPACE):
        level: Level = "error" if webhook.get("failurePolicy", "Fail") == "Fail" else "warning"
        message = (
            f"expected a namespaceSelector that spares {SYSTEM_NAMESPACE}, got none: a server "
            "that is away keeps the cluster from recovering"
        )
        yield Finding(where, level, "system-namespace", message)


def _own_namespace(webhook: JSON, rules: Iterable[JSON], where: str) -> Iterator[Finding]:
    """A server whose own pods wait for it never comes up."""
    own = _text(_object(_object(webhook, "clientConfig"), "service"), "namespace")
    is_core = any(_is_core(_texts(rule, "apiGroups")) for rule in rules)
    fails = webhook.get("failurePolicy", "Fail") == "Fail"
    if own and is_core and fails and not _spares(webhook, own):
        message = (
            f"expected one that spares {own}, where the server lives: it would wait for itself"
        )
        yield Finding(f"{where}.namespaceSelector", "error", "own-namespace", message)


def _client(client: JSON, where: str, now: dt.datetime, *, is_injected: bool) -> Iterator[Finding]:
    url, service = _text(client, "url"), _object(client, "service")
    if bool(url) == bool(service):
        got = "both" if url else "neither"
        yield Finding(where, "error", "client", f"expected url or service, got {got}")
    if url:
        yield from _url(url, f"{where}.url")
    bundle = client.get("caBundle")
    if not bundle:
        if not is_injected:
            message = (
                "expected the authority's certificates, or an annotation that has them injected, "
                "got neither: the API server trusts its own system's authorities only"
            )
            yield Finding(f"{where}.caBundle", "warning", "ca-bundle", message)
        return
    yield from _bundle(bundle, f"{where}.caBundle", now)


def _url(url: str, where: str) -> Iterator[Finding]:
    found = urllib.parse.urlsplit(url)
    if found.scheme != "https" or not found.hostname:
        message = f"expected https://HOST/PATH, got {quoted(url)}"
        yield Finding(where, "error", "url", message)
    if found.query or found.fragment or found.username:
        message = "expected no query, fragment or user in it"
        yield Finding(where, "error", "url", message)


def _bundle(bundle: JSON, where: str, now: dt.datetime) -> Iterator[Finding]:
    try:
        pem = base64.b64decode(bundle, validate=True)
        found = x509.load_pem_x509_certificates(pem)
    except (TypeError, ValueError, binascii.Error) as error:
        message = f"expected certificates in PEM in base64, got what is none: {error}"
        yield Finding(where, "error", "ca-bundle", message)
        return
    valid = [one for one in found if one.not_valid_before_utc <= now < one.not_valid_after_utc]
    if not valid:
        ends = max(one.not_valid_after_utc for one in found)
        message = (
            f"expected a certificate that is valid now, got the last one until {ends:%Y-%m-%d}"
        )
        yield Finding(where, "error", "ca-bundle", message)
    elif all(one.not_valid_after_utc - now < EXPIRES_SOON for one in valid):
        ends = max(one.not_valid_after_utc for one in valid)
        message = (
            f"expected a certificate for more than {EXPIRES_SOON.days} days, got {ends:%Y-%m-%d}"
        )
        yield Finding(where, "warning", "ca-bundle", message)


def _together(webhooks: Iterable[JSON], name: str) -> Iterator[Finding]:
    """What only shows between the webhooks of a configuration."""
    many = [*webhooks]
    rules = Counter(repr((_list(one, "rules"), one.get("namespaceSelector"))) for one in many)
    if any(number > 1 for number in rules.values()):
        message = "expected one webhook for the same objects, got several: each costs a call"
        yield Finding(name, "warning", "consolidate", message)
    timeouts = [
        found if type(found := one.get("timeoutSeconds")) is int else LONG_SECONDS
        for one in many
        if one.get("failurePolicy") == "Ignore"
    ]
    if sum(timeouts) > MOST_OPEN_SECONDS:
        message = (
            f"expected timeouts of webhooks that may fail of at most {MOST_OPEN_SECONDS} s in all, "
            f"got {sum(timeouts)}: while they hang, every write fails"
        )
        yield Finding(name, "warning", "timeout", message)


def _crd(document: JSON, now: dt.datetime) -> Iterator[Finding]:
    conversion = _object(_object(document, "spec"), "conversion")
    if conversion.get("strategy") != "Webhook":
        return
    metadata = _object(document, "metadata")
    where = f"CustomResourceDefinition/{_text(metadata, 'name')} spec.conversion.webhook"
    webhook = _object(conversion, "webhook")
    versions = _list(webhook, "conversionReviewVersions")
    if "v1" not in versions:
        place = f"{where}.conversionReviewVersions"
        yield Finding(place, "error", "versions", f"expected v1 among them, got {versions}")
    annotations = _object(metadata, "annotations")
    is_injected = any(one in annotations for one in INJECTED)
    client = _object(webhook, "clientConfig")
    yield from _client(client, f"{where}.clientConfig", now, is_injected=is_injected)


# --- reading what may be anything ---------------------------------------------------------------


def _blocks_deletion(rule: JSON) -> bool:
    """Whether deletions are asked about by the way; a kind's own rule for them is meant so."""
    operations = {*_texts(rule, "operations")}
    if not {"DELETE", "*"} & operations:
        return False
    groups, resources = _texts(rule, "apiGroups"), _texts(rule, "resources")
    is_wide = _is_core(groups) or "*" in {*groups, *resources} or "*/*" in resources
    return is_wide or operations != {"DELETE"}


def _is_core(groups: Iterable[str]) -> bool:
    return bool(CORE_GROUPS & {*groups})


def _selects(webhook: JSON) -> bool:
    """Whether anything narrows down which objects are sent."""
    return any(
        webhook.get(name) for name in ("namespaceSelector", "objectSelector", "matchConditions")
    )


def _spares(webhook: JSON, namespace: str) -> bool:
    """Whether a namespace is left out: by name, or as one without a label that is asked for."""
    selector = _object(webhook, "namespaceSelector")
    if _object(selector, "matchLabels"):
        return True
    for one in _list(selector, "matchExpressions"):
        operator, values = _text(one, "operator"), _texts(one, "values")
        is_named = _text(one, "key") == NAME_LABEL
        if is_named and operator in {"In", "NotIn"}:
            if (operator == "NotIn") == (namespace in values):
                return True
        elif not is_named and operator in {"In", "Exists"}:
            return True
    return bool(webhook.get("objectSelector"))


def _object(value: JSON, name: str) -> dict[str, Any]:
    found = value.get(name) if type(value) is dict else None
    return found if type(found) is dict else {}


def _list(value: JSON, name: str) -> list[Any]:
    found = value.get(name) if type(value) is dict else None
    return found if type(found) is list else []


def _text(value: JSON, name: str) -> str:
    found = value.get(name) if type(value) is dict else None
    return found if type(found) is str else ""


def _texts(value: JSON, name: str) -> list[str]:
    return [one for one in _list(value, name) if type(one) is str]
