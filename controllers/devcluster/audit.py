"""Compares the calls of service accounts with the rights that RBAC grants them.

Calls are read from the API server's audit log, grants from RBAC objects. Shell: the policy's file
and the log.
"""

import dataclasses
import json
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

POLICY: Final = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    # A watch is known when it starts; everything else has its answer when it ends.
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"},
    ],
}
"""The audit policy: who, what and the answer of each call of a service account; no bodies."""

RESOURCES: Final = "clusterroles,clusterrolebindings,roles,rolebindings"
"""The objects that decide about rights."""

LOG: Final = "audit.jsonl"
"""Name of the log in the cluster's directory."""

_ACCOUNT: Final = "system:serviceaccount:"
_FORBIDDEN: Final = 403
_CREATED: Final = 201
# Of RBAC itself, of server-side apply that would create, and of the admission plugin
# OwnerReferencesPermissionEnforcement; other admission answers 403 as well.
_DENIED: Final = re.compile(r" cannot (\w+ resource|set blockOwnerDeletion|set an ownerRef)")


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """A call of a service account.

    Attributes:
        account: ``NAMESPACE:NAME``.
        verb: As RBAC names it.
        group: API group.
        resource: Such as ``pods`` or ``pods/log``.
        namespace: Empty for all, and for cluster-scoped objects.
        name: Empty for all.
        is_denied: Whether a right was missing.
    """

    account: str
    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    is_denied: bool

    def __str__(self) -> str:
        return _text(self)


@dataclasses.dataclass(frozen=True, slots=True)
class Grant:
    """A verb on a resource.

    Attributes:
        verb: RBAC verb, or ``*``.
        group: API group, or ``*``.
        resource: Such as ``pods`` or ``pods/log``, or ``*``.
        namespace: Empty for all.
        name: Name of the only object; empty for all.
    """

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        return _text(self)

    def covers(self, call: Call) -> bool:
        """Whether a call needs this grant, or another one like it."""
        return (
            self.verb in {call.verb, "*"}
            and self.group in {call.group, "*"}
            and self.resource in {call.resource, "*"}
            and self.namespace in {call.namespace, ""}
            and self.name in {call.name, ""}
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """The rights of a service account, compared with its calls.

    Attributes:
        denied: The calls that a right was missing for.
        unused: The grants that no call needed.
    """

    denied: tuple[str, ...]
    unused: tuple[str, ...]


def _text(action: Call | Grant) -> str:
    target = f"{action.resource}.{action.group}" if action.group else action.resource
    name = f" {action.name}" if action.name else ""
    return f"{action.verb} {target}{name}{f' in {action.namespace}' if action.namespace else ''}"


def flags(directory: pathlib.Path) -> list[str]:
    """Write the policy, and return the API server's flags to record calls in a directory."""
    policy = directory / "audit-policy.json"
    policy.write_text(json.dumps(POLICY))
    (directory / LOG).touch()
    return [
        f"--audit-policy-file={policy}",
        f"--audit-log-path={directory / LOG}",
        # In MB, for there is no way to say never: a rotated file would not be read.
        "--audit-log-maxsize=100000",
    ]


def report(objects: Iterable[Any], log: pathlib.Path, namespace: str, account: str) -> Report:
    """Compare the calls of a service account with its grants.

    A call that its caller did not wait for may not be in the log yet.

    Args:
        objects: Roles, ClusterRoles and their bindings.
        log: The audit log.
        namespace: Namespace of the account.
        account: Its name.
    """
    made = [call for call in calls(log.read_text()) if call.account == f"{namespace}:{account}"]
    return compare(grants(objects, namespace, account), made)


def calls(log: str) -> Iterator[Call]:
    """Yield the calls of an audit log; discovery and health apart.

    Args:
        log: Lines of JSON, each an Event of audit.k8s.io/v1.
    """
    for line in log.splitlines():
        event = json.loads(line)
        user, place = event["user"]["username"], event.get("objectRef")
        if place is None or not user.startswith(_ACCOUNT):
            continue
        status = event.get("responseStatus") or {}
        resource = "/".join(filter(None, (place.get("resource"), place.get("subresource"))))
        call = Call(
            account=user.removeprefix(_ACCOUNT),
            verb=event["verb"],
            group=place.get("apiGroup", ""),
            resource=resource,
            namespace=place.get("namespace", ""),
            name=place.get("name", ""),
            is_denied=_is_denied(event, status),
        )
        yield call
        # Server-side apply of an object that was missing: it needs the right to create, too.
        if (call.verb, status.get("code")) == ("patch", _CREATED):
            yield dataclasses.replace(call, verb="create")


def _is_denied(event: Any, status: Any) -> bool:
    decision = (event.get("annotations") or {}).get("authorization.k8s.io/decision")
    message = str(status.get("message") or "")
    return decision == "forbid" or (
        status.get("code") == _FORBIDDEN and _DENIED.search(message) is not None
    )


def grants(objects: Iterable[Any], namespace: str, account: str) -> Iterator[Grant]:
    """Yield the grants of a service account, by roles that are bound to it by name.

    Args:
        objects: Roles, ClusterRoles and their bindings.
        namespace: Namespace of the account.
        account: Its name.
    """
    listed = [*objects]
    subject = {"kind": "ServiceAccount", "namespace": namespace, "name": account}
    roles = {_key(value): value.get("rules") or () for value in listed}
    for binding in listed:
        if not any(subject.items() <= entry.items() for entry in binding.get("subjects") or ()):
            continue
        where, role = binding["metadata"].get("namespace", ""), binding["roleRef"]
        owner = where if role["kind"] == "Role" else ""
        for rule in roles.get((role["kind"], owner, role["name"]), ()):
            yield from _of_rule(rule, where)


def _key(value: Any) -> tuple[str, str, str]:
    metadata = value["metadata"]
    return value["kind"], metadata.get("namespace", ""), metadata["name"]


def _of_rule(rule: Any, namespace: str) -> Iterator[Grant]:
    for group in rule.get("apiGroups") or ():
        for resource in rule.get("resources") or ():
            for verb in rule["verbs"]:
                for name in rule.get("resourceNames") or ("",):
                    yield Grant(verb, group, resource, namespace, name)


def compare(granted: Iterable[Grant], made: Sequence[Call]) -> Report:
    """Compare grants with calls."""
    answered = {call for call in made if not call.is_denied}
    unused = [grant for grant in granted if not any(grant.covers(call) for call in answered)]
    denied = {str(call) for call in made if call.is_denied}
    return Report(tuple(sorted(denied)), tuple(sorted({str(grant) for grant in unused})))
