"""Decides whether a webhook's selectors and conditions exclude anything by themselves. Pure.

A selector that opts out (``NotIn``, ``DoesNotExist``) or requires a label that every object has,
and a condition that is true for every request, exclude nothing unless an object is labelled.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from schemagen.problems import JSON
from webhooks.cluster import untrusted

NAME_LABEL: Final = "kubernetes.io/metadata.name"
# Not a valid namespace name: a selector that matches it matches every unlabelled namespace.
ANY_NAMESPACE: Final = "*"

# Evaluates a condition for a request with these fields, None for any request; None if the result
# depends on other fields.
Decide = Callable[[str, JSON], bool | None]

# Built-in cluster-scoped resources of Kubernetes 1.37 (`kubectl api-resources`). That a
# namespaceSelector matches a Namespace's own labels makes no difference here.
CLUSTER_SCOPED: Final = frozenset(
    {
        "apiservices",
        "certificatesigningrequests",
        "clusterrolebindings",
        "clusterroles",
        "clustertrustbundles",
        "componentstatuses",
        "csidrivers",
        "csinodes",
        "customresourcedefinitions",
        "deviceclasses",
        "flowschemas",
        "ingressclasses",
        "ipaddresses",
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
        "mutatingwebhookconfigurations",
        "namespaces",
        "nodes",
        "persistentvolumes",
        "podsecuritypolicies",
        "priorityclasses",
        "prioritylevelconfigurations",
        "resourceslices",
        "runtimeclasses",
        "selfsubjectaccessreviews",
        "selfsubjectreviews",
        "selfsubjectrulesreviews",
        "servicecidrs",
        "storageclasses",
        "storageversions",
        "subjectaccessreviews",
        "tokenreviews",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "validatingwebhookconfigurations",
        "volumeattachments",
        "volumeattributesclasses",
    }
)


@dataclasses.dataclass(frozen=True)
class Request:
    """A request for an unlabelled object.

    Attributes:
        namespace: Namespace of the object; None if cluster-scoped, which ignores namespaceSelector.
        fields: Fields that match conditions can read; None for none.
    """

    namespace: str | None
    fields: JSON = None


def is_sent(webhook: JSON, request: Request, decide: Decide) -> bool:
    """Return whether a request that the rules match is certainly sent."""
    return _selects(webhook, request) and all(
        decide(item, request.fields) is True for item in _expressions(webhook)
    )


def is_not_sent(webhook: JSON, request: Request, decide: Decide) -> bool:
    """Return whether a request that the rules match is certainly not sent."""
    return not _selects(webhook, request) or any(
        decide(item, request.fields) is False for item in _expressions(webhook)
    )


def _selects(webhook: JSON, request: Request) -> bool:
    if not matches(untrusted.member(webhook, "objectSelector"), {}):
        return False
    if request.namespace is None:
        return True
    return matches(untrusted.member(webhook, "namespaceSelector"), {NAME_LABEL: request.namespace})


def matches(selector: JSON, labels: Mapping[str, str]) -> bool:
    """Return whether a LabelSelector matches labels; a malformed one matches nothing."""
    required = untrusted.member(selector, "matchLabels")
    required_labels = required.items() if type(required) is dict else ()
    return all(labels.get(key) == value for key, value in required_labels) and all(
        _holds(item, labels) for item in untrusted.items(selector, "matchExpressions")
    )


def has_namespace(rule: JSON) -> bool:
    """Return whether a rule may match namespaced objects."""
    names = {item.partition("/")[0] for item in untrusted.texts(rule, "resources")}
    return untrusted.member(rule, "scope") != "Cluster" and not (names and names <= CLUSTER_SCOPED)


def _holds(requirement: JSON, labels: Mapping[str, str]) -> bool:
    key, values = untrusted.member(requirement, "key"), untrusted.items(requirement, "values")
    value = labels.get(key) if type(key) is str else None
    match untrusted.member(requirement, "operator"):
        case "In":
            return value is not None and value in values
        case "NotIn":
            return value is None or value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    return False


def _expressions(webhook: JSON) -> Iterable[str]:
    items = (
        untrusted.member(item, "expression") for item in untrusted.items(webhook, "matchConditions")
    )
    return [item for item in items if type(item) is str]
