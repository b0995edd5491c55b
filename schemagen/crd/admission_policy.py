"""ValidatingAdmissionPolicies for rules beyond schemas, evaluated by the API server itself.

Byte limits (a schema counts characters), and the rules of ``Kind.policies``, which may read the
request, the namespace and the user. One policy and binding for each kind and version that has any;
both are admissionregistration.k8s.io/v1 (Kubernetes 1.30).
"""

import itertools
from collections.abc import Iterator
from typing import Any

from schemagen.model import cel_identifiers, markers, registry
from schemagen.problems import JSON
from schemagen.schema import expressions, keywords, structural, unions


def policies(api: registry.Api, *, has_byte_limits: bool = True) -> Iterator[dict[str, JSON]]:
    """Return a policy and its binding for each served version that has rules.

    Args:
        api: The API.
        has_byte_limits: Whether to include byte limits. Webhooks enforce them too, and unlike a
            policy accept an update that leaves an oversized value unchanged.
    """
    for kind in api:
        for version in kind.versions:
            limits = _byte_limits(version) if has_byte_limits else ()
            validations = [*limits, *_own(kind, version)]
            if validations and version.served:
                yield _policy(api, kind, version, validations)
                yield _binding(api, kind, version)


def name_of(api: registry.Api, kind: registry.Kind, version: registry.Version) -> str:
    """Return ``v1beta1.agentruns.agents.proompteng.ai``."""
    return f"{version.name}.{api.crd_name(kind)}"


def _policy(
    api: registry.Api,
    kind: registry.Kind,
    version: registry.Version,
    validations: list[dict[str, Any]],
) -> dict[str, JSON]:
    rule = {
        "apiGroups": [api.group],
        "apiVersions": [version.name],
        "operations": ["CREATE", "UPDATE"],
        "resources": [kind.plural],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name_of(api, kind, version)},
        "spec": {
            "failurePolicy": "Fail",
            # Exact: each version has its own policy with its own fields.
            "matchConstraints": {"matchPolicy": "Exact", "resourceRules": [rule]},
            "validations": validations,
        },
    }


def _binding(api: registry.Api, kind: registry.Kind, version: registry.Version) -> dict[str, JSON]:
    name = name_of(api, kind, version)
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }


# Policy variables that are not objects of the kind.
_FOREIGN = dict.fromkeys(("request", "namespaceObject", "authorizer", "params", "variables"))


def _own(kind: registry.Kind, version: registry.Version) -> Iterator[dict[str, JSON]]:
    """Return the kind's own rules, with the wire names of a version."""
    if not kind.policies:
        return
    schema = structural.schema_of(version.model, descriptions=False)
    names = expressions.names_of(version.model)
    where = f"{kind.name} {version.name}: policy"
    variables = {"object": schema, "oldObject": schema, **_FOREIGN}
    for rule in kind.policies:
        validation = rule.validation()
        for keyword in validation.keys() & {"expression", "messageExpression"}:
            validation[keyword] = expressions.wire_expression(
                validation[keyword], names, where, variables=variables, is_typed=False
            )
        yield validation


def _byte_limits(version: registry.Version) -> Iterator[dict[str, JSON]]:
    schema = structural.schema_of(version.model, descriptions=False, limits=True)
    for path, node in keywords.nodes(schema):
        place = "".join(path).removeprefix(".")
        for keyword, step, what in _LIMITS:
            marker = node.get(keyword)
            if isinstance(marker, markers.MaxBytes):
                steps = (*path, *step)
                yield {
                    "expression": _guarded("object", steps, marker.limit, itertools.count()),
                    "message": f"{place}: expected at most {marker.limit} bytes of UTF-8{what}",
                    "reason": "Invalid",
                }


# For each limit marker: the step to what it bounds, and its wording in a message.
_LIMITS = ((structural.LIMIT, (), ""), (structural.KEY_LIMIT, ("key",), " in each key"))


def _guarded(value: str, path: tuple[str, ...], limit: int, names: Iterator[int]) -> str:
    """Return CEL that holds if any step of the path is absent."""
    if not path:
        return f"bytes({value}).size() <= {limit}"
    if path == ("key",):
        key = f"k{next(names)}"
        return f"{value}.all({key}, bytes({key}).size() <= {limit})"
    step, *rest = path
    if step == "[]":
        item = f"i{next(names)}"
        return f"{value}.all({item}, {_guarded(item, tuple(rest), limit, names)})"
    if step == "{}":
        key = f"k{next(names)}"
        return f"{value}.all({key}, {_guarded(f'{value}[{key}]', tuple(rest), limit, names)})"
    name = step.removeprefix(".")
    if cel_identifiers.PLAIN.fullmatch(name) and name not in cel_identifiers.RESERVED:
        member, is_there = f"{value}.{name}", f"has({value}.{name})"
    else:  # objects are untyped in a policy, so names are not escaped
        quoted = unions.cel_text(name)
        member, is_there = f"{value}[{quoted}]", f"{quoted} in {value}"
    return f"!({is_there}) || {_guarded(member, tuple(rest), limit, names)}"
