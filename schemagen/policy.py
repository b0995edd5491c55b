"""What no schema can hold -> ValidatingAdmissionPolicies, which the API server runs by itself.

Byte limits of text (a schema counts characters), and the rules of ``Kind.policies``, which may look
at the request, the namespace and who asks. One policy and binding for each kind and version that
has any; both are admissionregistration.k8s.io/v1 (Kubernetes 1.30).
"""

import itertools
import re
from collections.abc import Iterator
from typing import Any

from schemagen import keywords, structural
from schemagen.expressions import RESERVED
from schemagen.model import markers, registry
from schemagen.problems import JSON


def policies(api: registry.Api) -> Iterator[dict[str, JSON]]:
    """A policy, and its binding, for each served version that has something to say."""
    for kind in api:
        for version in kind.versions:
            validations = [*_byte_limits(version), *(one.validation() for one in kind.policies)]
            if validations and version.served:
                yield _policy(api, kind, version, validations)
                yield _binding(api, kind, version)


def name_of(api: registry.Api, kind: registry.Kind, version: registry.Version) -> str:
    """``v1beta1.agentruns.agents.proompteng.ai``."""
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
            # Exact: each version has a policy that knows its fields.
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


def _byte_limits(version: registry.Version) -> Iterator[dict[str, JSON]]:
    schema = structural.schema_of(version.model, descriptions=False, limits=True)
    for path, node in keywords.nodes(schema):
        marker = node.get(structural.LIMIT)
        if isinstance(marker, markers.MaxBytes):
            place = "".join(path).removeprefix(".")
            yield {
                "expression": _guarded("object", path, marker.limit, itertools.count()),
                "message": f"{place}: expected at most {marker.limit} bytes of UTF-8",
                "reason": "Invalid",
            }


def _guarded(value: str, path: tuple[str, ...], limit: int, names: Iterator[int]) -> str:
    """CEL that holds where any step of the path is absent."""
    if not path:
        return f"bytes({value}).size() <= {limit}"
    step, *rest = path
    if step == "[]":
        item = f"i{next(names)}"
        return f"{value}.all({item}, {_guarded(item, tuple(rest), limit, names)})"
    if step == "{}":
        key = f"k{next(names)}"
        return f"{value}.all({key}, {_guarded(f'{value}[{key}]', tuple(rest), limit, names)})"
    name = step.removeprefix(".")
    if _NAME.fullmatch(name) and name not in RESERVED:
        member, is_there = f"{value}.{name}", f"has({value}.{name})"
    else:  # objects have no type in a policy, so that nothing is escaped there
        member, is_there = f"{value}['{name}']", f"'{name}' in {value}"
    return f"!({is_there}) || {_guarded(member, tuple(rest), limit, names)}"


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
