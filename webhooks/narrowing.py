"""Whether what a webhook selects leaves anything out by itself. Pure.

A selector that opts out (``NotIn``, ``DoesNotExist``) or asks for a label that everything has, and
a condition that is true of every request, leave nothing out until somebody marks it.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from schemagen.problems import JSON

NAME_LABEL: Final = "kubernetes.io/metadata.name"
# No namespace is called so: what selects it selects every one that nobody has marked.
ANY_NAMESPACE: Final = "*"

# What a condition says of a request of which these fields are known, or None of any at all; None
# if that depends on more.
Decide = Callable[[str, JSON], bool | None]

# Built-in resources that are in no namespace, Kubernetes 1.37 (`kubectl api-resources`). That a
# namespaceSelector is asked of a Namespace's own labels makes no difference here.
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
    """A request about an object that nobody has marked.

    Attributes:
        namespace: Of the object; None if it is in none, which no namespaceSelector is asked about.
        fields: What match conditions may know of it; None for nothing.
    """

    namespace: str | None
    fields: JSON = None


def is_sent(webhook: JSON, request: Request, decide: Decide) -> bool:
    """Whether a webhook is sent a request that its rules match, for certain."""
    return _selects(webhook, request) and all(
        decide(one, request.fields) is True for one in _expressions(webhook)
    )


def is_spared(webhook: JSON, request: Request, decide: Decide) -> bool:
    """Whether a webhook is not sent a request that its rules match, for certain."""
    return not _selects(webhook, request) or any(
        decide(one, request.fields) is False for one in _expressions(webhook)
    )


def _selects(webhook: JSON, request: Request) -> bool:
    if not matches(_member(webhook, "objectSelector"), {}):
        return False
    if request.namespace is None:
        return True
    return matches(_member(webhook, "namespaceSelector"), {NAME_LABEL: request.namespace})


def matches(selector: JSON, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector takes something with these labels; a malformed one takes nothing."""
    required = _member(selector, "matchLabels")
    wanted = required.items() if type(required) is dict else ()
    return all(labels.get(key) == value for key, value in wanted) and all(
        _holds(one, labels) for one in _items(selector, "matchExpressions")
    )


def has_namespace(rule: JSON) -> bool:
    """Whether a rule may match objects that are in a namespace."""
    resources = [one for one in _items(rule, "resources") if type(one) is str]
    names = {one.partition("/")[0] for one in resources}
    return _member(rule, "scope") != "Cluster" and not (names and names <= CLUSTER_SCOPED)


def _holds(requirement: JSON, labels: Mapping[str, str]) -> bool:
    key, values = _member(requirement, "key"), _items(requirement, "values")
    value = labels.get(key) if type(key) is str else None
    match _member(requirement, "operator"):
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
    found = (_member(one, "expression") for one in _items(webhook, "matchConditions"))
    return [one for one in found if type(one) is str]


def _member(value: JSON, name: str) -> Any:
    return value.get(name) if type(value) is dict else None


def _items(value: JSON, name: str) -> list[Any]:
    found = _member(value, name)
    return found if type(found) is list else []
