"""What is wrong with webhook configurations, ours or anybody's, and what to write instead. Pure.

After Kubernetes' «Admission Webhook Good Practices», and after incidents in which a webhook took a
cluster down. What the API server would refuse is asked of the judge, which is its own validation.
Objects of other kinds are passed over.
"""

import base64
import dataclasses
import datetime as dt
import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Literal

from certs import authority
from schemagen import canonical, judge
from schemagen.problems import JSON, kind_of, quoted
from webhooks import narrowing

KINDS: Final = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
CRD: Final = "CustomResourceDefinition"
# The only versions that API servers since Kubernetes 1.22 serve.
API_VERSIONS: Final = {
    **dict.fromkeys(KINDS, "admissionregistration.k8s.io/v1"),
    CRD: "apiextensions.k8s.io/v1",
}

CONVERSION: Final = "spec.conversion"
LONG_SECONDS: Final = 10
MAX_SECONDS: Final = 30
EXPIRES_SOON: Final = dt.timedelta(days=30)
# A fail-open webhook that hangs costs its timeout; the API call itself ends after 30 s.
MAX_OPEN_SECONDS: Final = 30
# What decides which objects a webhook is sent.
_SCOPE: Final = ("rules", "namespaceSelector", "objectSelector", "matchConditions")
SYSTEM_NAMESPACE: Final = "kube-system"
# What must go on being written for a cluster to recover, or is asked in every other request; and
# whether it is in a namespace.
UNTOUCHABLE: Final = {
    ("coordination.k8s.io", "leases"): ("nodes and leaders renew leases all the time", True),
    ("authentication.k8s.io", "tokenreviews"): ("every request with a token asks it", False),
    ("authorization.k8s.io", "subjectaccessreviews"): ("every request may ask it", False),
    ("authorization.k8s.io", "selfsubjectaccessreviews"): ("every request may ask it", False),
    ("authorization.k8s.io", "localsubjectaccessreviews"): ("every request may ask it", True),
}
INJECTED: Final = (
    "cert-manager.io/inject-ca-from",
    "cert-manager.io/inject-ca-from-secret",
    "cert-manager.io/inject-apiserver-ca",
    "service.beta.openshift.io/inject-cabundle",
)
# Groups whose objects a cluster is run with; an extension's own kinds are not among them.
CORE_GROUPS: Final = frozenset({"", "*", "apps", "batch", "policy", "rbac.authorization.k8s.io"})

# The short names of what the API server refuses, by the innermost member that has one.
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
MAX_MESSAGE_CHARACTERS: Final = 500
_PRINTABLE: Final = re.compile(r"[\w.:-]{1,253}")
_KEY: Final = "PRIVATE KEY"
# How the base64 of PEM begins.
_PEM_IN_BASE64: Final = base64.b64encode(b"-----BEGIN")[:12]

Level = Literal["error", "warning"]


@dataclasses.dataclass(frozen=True, order=True)
class Finding:
    """One thing to mend.

    Attributes:
        field: As the API server writes it: ``webhooks[0].timeoutSeconds``; empty for the whole.
        rule: A short name, the same for every finding of its sort.
        subject: ``ValidatingWebhookConfiguration/x``.
    """

    field: str
    level: Level
    rule: str
    message: str
    subject: str = ""

    @property
    def where(self) -> str:
        """The object and the field."""
        return f"{self.subject} {self.field}".strip()

    def __str__(self) -> str:
        return f"{self.level}: {self.where}: {self.message} [{self.rule}]"


def findings(
    documents: Iterable[JSON], now: dt.datetime, asked: judge.Judge | None = None
) -> Iterator[Finding]:
    """What to mend in configurations and in CRDs that are converted by a webhook.

    Args:
        documents: Objects of any kind.
        now: When certificates have to be valid.
        asked: Who knows what the API server refuses; if None, one that stays loaded.

    Raises:
        judge.JudgeMissingError: if there is no judge.
    """
    server = asked or _judge()
    for document in documents:
        if is_looked_at(document):
            decide = _decider(server)
            for finding in (*_refusals(document, server), *_practices(document, now, decide)):
                message = _line(finding.message)
                yield dataclasses.replace(finding, subject=_subject(document), message=message)


@functools.cache
def _judge() -> judge.Judge:
    return judge.Judge()


def is_looked_at(document: JSON) -> bool:
    """Whether there is something to say of a document."""
    return _text(document, "kind") in API_VERSIONS


def refused(message: str) -> Finding:
    """What keeps a whole object from the API server."""
    return Finding("", "error", REFUSED, _line(message))


def _subject(document: JSON) -> str:
    name = _text(_object(document, "metadata"), "name")
    return f"{document['kind']}/{name}" if _PRINTABLE.fullmatch(name) else str(document["kind"])


# --- what the API server says -------------------------------------------------------------------


def _refusals(document: JSON, server: judge.Judge) -> Iterator[Finding]:
    """What `kubectl create --validate=strict` would be told."""
    kind, version = document["kind"], document.get("apiVersion")
    if version is not None and version != API_VERSIONS[kind]:
        got = quoted(version) if type(version) is str else kind_of(version)
        message = f"expected {API_VERSIONS[kind]}, got {got}: nothing else is served"
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
    """The rest of a CRD is not about webhooks."""
    if _object(document, "spec").get("conversion") is not None:
        for finding in _of(server.check(document)):
            if finding.field.startswith(CONVERSION) or not finding.field:
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
        rule = next((_RULES[one] for one in members if one in _RULES), REFUSED)
        yield Finding(cause.field, "error", rule, cause.message)


def _line(message: str) -> str:
    """A message in a line, without what nobody may see: the API server quotes what it refuses."""
    if _KEY in message:
        return "expected no private key in it, got one"
    text = " ".join(message.split())
    return text if len(text) <= MAX_MESSAGE_CHARACTERS else f"{text[:MAX_MESSAGE_CHARACTERS]}…"


# --- what has taken clusters down ---------------------------------------------------------------


def _practices(document: JSON, now: dt.datetime, decide: narrowing.Decide) -> Iterator[Finding]:
    annotations = _object(_object(document, "metadata"), "annotations")
    is_injected = any(one in annotations for one in INJECTED)
    if document["kind"] == CRD:
        yield from _conversion(document, now, is_injected=is_injected)
        return
    webhooks = [
        (f"webhooks[{index}]", one)
        for index, one in enumerate(_list(document, "webhooks"))
        if type(one) is dict
    ]
    for where, webhook in webhooks:
        yield from _timeout(webhook, f"{where}.timeoutSeconds")
        yield from _versions(webhook, "admissionReviewVersions", where)
        yield from _policies(webhook, where, is_mutating=document["kind"].startswith("Mutating"))
        yield from _rules(webhook, where, decide)
        client = _object(webhook, "clientConfig")
        yield from _client(client, f"{where}.clientConfig", now, is_injected=is_injected)
    yield from _together([webhook for _, webhook in webhooks])


def _conversion(document: JSON, now: dt.datetime, *, is_injected: bool) -> Iterator[Finding]:
    conversion = _object(_object(document, "spec"), "conversion")
    if conversion.get("strategy") == "Webhook":
        where, webhook = f"{CONVERSION}.webhook", _object(conversion, "webhook")
        yield from _versions(webhook, "conversionReviewVersions", where)
        client = _object(webhook, "clientConfig")
        yield from _client(client, f"{where}.clientConfig", now, is_injected=is_injected)


def _timeout(webhook: JSON, where: str) -> Iterator[Finding]:
    seconds = webhook.get("timeoutSeconds")
    if seconds is None:
        message = f"expected a timeout of a few seconds, got none, which is {LONG_SECONDS}"
        yield Finding(where, "warning", "timeout", message)
    elif type(seconds) is int and LONG_SECONDS < seconds <= MAX_SECONDS:
        message = f"expected a few seconds, got {seconds}: every call waits that long if it hangs"
        yield Finding(where, "warning", "timeout", message)


def _versions(webhook: JSON, name: str, where: str) -> Iterator[Finding]:
    versions = _texts(webhook, name)
    if "v1beta1" in versions and "v1" not in versions:
        message = f"expected v1 among them, got {quoted(versions)}"
        yield Finding(f"{where}.{name}", "error", "versions", message)


def _policies(webhook: JSON, where: str, *, is_mutating: bool) -> Iterator[Finding]:
    if webhook.get("matchPolicy") == "Exact":
        message = "expected Equivalent, got Exact: other versions pass by unseen"
        yield Finding(f"{where}.matchPolicy", "warning", "match-policy", message)
    if webhook.get("failurePolicy") is None:
        message = "expected Fail or Ignore, got none, which is Fail: say which is meant"
        yield Finding(f"{where}.failurePolicy", "warning", "failure-policy", message)
    if is_mutating and webhook.get("reinvocationPolicy", "Never") == "Never":
        message = "expected IfNeeded, got Never: what later webhooks change is not seen"
        yield Finding(f"{where}.reinvocationPolicy", "warning", "reinvocation", message)


def _rules(webhook: JSON, where: str, decide: narrowing.Decide) -> Iterator[Finding]:
    rules = [one for one in _list(webhook, "rules") if type(one) is dict]
    for index, rule in enumerate(rules):
        place = f"{where}.rules[{index}]"
        yield from _untouchable(webhook, rule, place, decide)
        yield from _everything(webhook, rule, place, decide)
        yield from _deletion(webhook, rule, place)
    yield from _namespaces(webhook, rules, where, decide)


def _untouchable(
    webhook: JSON, rule: JSON, where: str, decide: narrowing.Decide
) -> Iterator[Finding]:
    groups, resources = _texts(rule, "apiGroups"), _texts(rule, "resources")
    for (group, resource), (why, is_namespaced) in UNTOUCHABLE.items():
        is_named = {group, "*"} & {*groups} and {resource, "*", "*/*"} & {*resources}
        fields = {"resource": {"group": group, "version": "v1", "resource": resource}}
        request = narrowing.Request(narrowing.ANY_NAMESPACE if is_namespaced else None, fields)
        if is_named and _takes(rule, is_namespaced) and narrowing.is_sent(webhook, request, decide):
            message = f"expected no {resource} of {group}: {why}; name the resources that are meant"
            yield Finding(where, "error", "untouchable", message)
            break


def _everything(
    webhook: JSON, rule: JSON, where: str, decide: narrowing.Decide
) -> Iterator[Finding]:
    resources = {*_texts(rule, "resources")}
    namespace = narrowing.ANY_NAMESPACE if narrowing.has_namespace(rule) else None
    is_all = {"*", "*/*"} & resources and "*" in _texts(rule, "apiGroups")
    if is_all and narrowing.is_sent(webhook, narrowing.Request(namespace), decide):
        message = (
            "expected the kinds that are meant, got every one, without a selector or condition "
            "that leaves out what nobody has marked"
        )
        yield Finding(where, "error", "everything", message)
    if "*/*" in resources:
        message = "expected resources without subresources, got */*: every status is reviewed too"
        yield Finding(where, "warning", "subresources", message)


def _deletion(webhook: JSON, rule: JSON, where: str) -> Iterator[Finding]:
    if _blocks_deletion(rule) and _fails(webhook):
        message = (
            "expected no DELETE under Fail: while the server is away nothing can be deleted; leave "
            "it out, or ask for it by a rule of its own that names kinds of one API"
        )
        yield Finding(where, "warning", "deletion", message)


def _namespaces(
    webhook: JSON, rules: Iterable[JSON], where: str, decide: narrowing.Decide
) -> Iterator[Finding]:
    """Namespaces whose pods a cluster needs to recover; objects in none of them have no say."""
    core = [
        index
        for index, rule in enumerate(rules)
        if _is_core(_texts(rule, "apiGroups")) and narrowing.has_namespace(rule)
    ]
    if not core:
        return
    if not _spares(webhook, SYSTEM_NAMESPACE, decide):
        message = (
            f"expected a namespaceSelector that spares {SYSTEM_NAMESPACE}, got none that does: a "
            "server that is away keeps the cluster from recovering"
        )
        level: Level = "error" if _fails(webhook) else "warning"
        yield Finding(f"{where}.rules[{core[0]}]", level, "system-namespace", message)
    # A server whose own pods wait for it never comes up.
    own = _text(_object(_object(webhook, "clientConfig"), "service"), "namespace")
    if own and _fails(webhook) and not _spares(webhook, own, decide):
        message = (
            f"expected one that spares {quoted(own)}, where the server lives: it would wait for "
            "itself"
        )
        yield Finding(f"{where}.namespaceSelector", "error", "own-namespace", message)


def _client(client: JSON, where: str, now: dt.datetime, *, is_injected: bool) -> Iterator[Finding]:
    bundle = _text(client, "caBundle")
    if bundle:
        yield from _bundle(bundle, f"{where}.caBundle", now)
    elif not is_injected:
        message = (
            "expected the authority's certificates, or an annotation that has them injected, "
            "got neither: the API server trusts its own system's authorities only"
        )
        yield Finding(f"{where}.caBundle", "warning", "ca-bundle", message)


def _bundle(bundle: str, where: str, now: dt.datetime) -> Iterator[Finding]:
    pem = _decoded(bundle)
    if _has_key(bundle.encode(errors="replace") if pem is None else pem):
        message = (
            "expected certificates, got a private key among them, which whoever may read the "
            "configuration has now: replace it, and what was signed with it"
        )
        yield Finding(where, "error", "private-key", message)
        return
    try:
        periods = _periods(pem)
    except (authority.CertificateError, ValueError) as error:
        message = f"expected certificates in PEM in base64, got what is none: {error}"
        yield Finding(where, "error", "ca-bundle", message)
        return
    valid = [end for begin, end in periods if begin <= now < end]
    if not valid:
        end = max(end for _, end in periods)
        message = f"expected a certificate that is valid now, got the last one until {end:%Y-%m-%d}"
        yield Finding(where, "error", "ca-bundle", message)
    elif max(valid) - now < EXPIRES_SOON:
        message = (
            f"expected a certificate for more than {EXPIRES_SOON.days} days, got "
            f"{max(valid):%Y-%m-%d}"
        )
        yield Finding(where, "warning", "ca-bundle", message)


def _decoded(bundle: str) -> bytes | None:
    """The bytes of a caBundle; as the API server's decoder, it passes over line breaks."""
    text = bundle.replace("\r", "").replace("\n", "")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


def _has_key(pem: bytes) -> bool:
    """Whether a private key is among it, also in base64 that was encoded once more."""
    again = base64.b64decode(pem) if pem.startswith(_PEM_IN_BASE64) else b""
    return _KEY.encode() in pem + again


def _periods(pem: bytes | None) -> list[tuple[dt.datetime, dt.datetime]]:
    """From when to when the certificates of a bundle are valid.

    Raises:
        ValueError, authority.CertificateError: if it is none.
    """
    if pem is None:
        raise ValueError("no base64")
    return [
        (one.not_valid_before_utc, one.not_valid_after_utc) for one in authority.read_bundle(pem)
    ]


def _together(webhooks: Sequence[JSON]) -> Iterator[Finding]:
    """What only shows between the webhooks of a configuration."""
    names = [_text(one, "name") for one in webhooks]
    for name, number in Counter(names).items():
        if name and number > 1:
            # The API server says so of those below.
            message = f"expected names that differ, got {quoted(name)} again below"
            yield Finding(f"webhooks[{names.index(name)}].name", "error", "name", message)
    scopes = Counter(canonical.dumps([one.get(name) for name in _SCOPE]) for one in webhooks)
    if any(number > 1 for number in scopes.values()):
        message = "expected one webhook for the same objects, got several: each costs a call"
        yield Finding("webhooks", "warning", "consolidate", message)
    timeouts = [
        seconds if type(seconds := one.get("timeoutSeconds")) is int else LONG_SECONDS
        for one in webhooks
        if one.get("failurePolicy") == "Ignore"
    ]
    if sum(timeouts) > MAX_OPEN_SECONDS:
        message = (
            f"expected timeouts of webhooks that may fail of at most {MAX_OPEN_SECONDS} s in all, "
            f"got {sum(timeouts)}: while they hang, every write fails"
        )
        yield Finding("webhooks", "warning", "timeout", message)


# --- reading what may be anything ---------------------------------------------------------------


def _spares(webhook: JSON, namespace: str, decide: narrowing.Decide) -> bool:
    """Whether what nobody has marked in a namespace is not sent for certain."""
    request = narrowing.Request(namespace, {"namespace": namespace})
    return narrowing.is_spared(webhook, request, decide)


def _decider(server: judge.Judge) -> narrowing.Decide:
    """What match conditions say; each is asked once, however many rules a webhook has."""
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


def _takes(rule: JSON, is_namespaced: bool) -> bool:  # noqa: FBT001 - a fact of the resource
    return _text(rule, "scope") != ("Cluster" if is_namespaced else "Namespaced")


def _fails(webhook: JSON) -> bool:
    """Whether writes fail while the server is away."""
    return _text(webhook, "failurePolicy") != "Ignore"


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


def _object(value: JSON, name: str) -> dict[str, Any]:
    member = value.get(name) if type(value) is dict else None
    return member if type(member) is dict else {}


def _list(value: JSON, name: str) -> list[Any]:
    member = value.get(name) if type(value) is dict else None
    return member if type(member) is list else []


def _text(value: JSON, name: str) -> str:
    member = value.get(name) if type(value) is dict else None
    return member if type(member) is str else ""


def _texts(value: JSON, name: str) -> list[str]:
    return [one for one in _list(value, name) if type(one) is str]
