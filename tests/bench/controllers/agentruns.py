"""Watch events of AgentRuns as an API server writes them: 3 KB, managedFields and all. Pure."""

import json
from collections.abc import Iterator
from typing import Any, Final

BOOKMARK_ENDS_INITIAL: Final = "k8s.io/initial-events-end"
_GROUP: Final = "agents.proompteng.ai"
_VERSION: Final = f"{_GROUP}/v1beta1"
_AT: Final = "2026-01-01T08:00:00Z"
_CONDITIONS: Final = (
    ("Accepted", "True", "Valid", ""),
    ("Admitted", "True", "SlotHeld", ""),
    ("Blocked", "False", "NotBlocked", ""),
    ("InProgress", "True", "Running", "The agent started in run-mfrggzdfmztwq2lknnwg."),
)
# What differs from event to event, as it stands in the template.
_NAME, _UID, _JOB, _RESOURCE_VERSION = "@name@", "@uid@", "@job@", "@version@"


def run(name: str, uid: str, job: str, resource_version: str) -> dict[str, Any]:
    """A run that is going, as ``agentctl`` made it and a controller wrote its status."""
    return {
        "apiVersion": _VERSION,
        "kind": "AgentRun",
        "metadata": {
            "annotations": {"kubectl.kubernetes.io/restartedAt": _AT},
            "creationTimestamp": _AT,
            "generation": 1,
            "labels": {"team": "web", f"{_GROUP}/agent": "coder"},
            "managedFields": _managed_fields(),
            "name": name,
            "namespace": "team",
            "resourceVersion": resource_version,
            "uid": uid,
        },
        "spec": {
            "agentRef": {"name": "coder"},
            "idempotencyKey": name,
            "implementation": {"inline": {"text": "Make the login page work again. " * 8}},
            "parameters": [
                {"name": "repository", "value": "example/shop"},
                {"name": "base", "value": "main"},
                {"name": "head", "value": "fix/login"},
            ],
            "retention": {"ttl": "720h"},
            "runtime": {"type": "Job"},
        },
        "status": {
            "attempt": 1,
            "conditions": [
                {
                    "lastTransitionTime": _AT,
                    "message": message,
                    "observedGeneration": 1,
                    "reason": reason,
                    "status": status,
                    "type": kind,
                }
                for kind, status, reason, message in _CONDITIONS
            ],
            "lastUpdateTime": _AT,
            "observedGeneration": 1,
            "phase": "Running",
            "reason": "Running",
            "runtimeRef": {"name": job, "namespace": "team", "type": "Job", "uid": uid},
            "specHash": "b7612935667ceda4658a525591497ac72ad7f6e75b9e5162cabb4016ea59f3e6",
            "startTime": _AT,
        },
    }


def lines(first: int, count: int, runs: int) -> Iterator[bytes]:
    """Events number ``first`` and so on, of so many runs in turn: ADDED, then MODIFIED."""
    template = json.dumps(run(_NAME, _UID, _JOB, _RESOURCE_VERSION), separators=(",", ":"))
    for number in range(first, first + count):
        one = number % runs
        text = template.replace(_NAME, f"fix-login-{one:05d}")
        text = text.replace(_UID, f"539c8b7b-f30e-47e0-8422-7495{one:08x}")
        text = text.replace(_JOB, f"run-mfrggzdfmztwq2l{one:05d}")
        text = text.replace(_RESOURCE_VERSION, str(100_000 + number))
        kind = "ADDED" if number < runs else "MODIFIED"
        yield f'{{"type":"{kind}","object":{text}}}\n'.encode()


def bookmark(resource_version: int) -> bytes:
    """The event that says that all there was has been sent."""
    metadata = {
        "resourceVersion": str(resource_version),
        "annotations": {BOOKMARK_ENDS_INITIAL: "true"},
    }
    value = {"apiVersion": _VERSION, "kind": "AgentRun", "metadata": metadata}
    return json.dumps({"type": "BOOKMARK", "object": value}).encode() + b"\n"


def _managed_fields() -> list[dict[str, Any]]:
    leaf: dict[str, Any] = {}
    condition = {
        ".": leaf,
        **{
            f"f:{name}": leaf
            for name in (
                *("lastTransitionTime", "message", "observedGeneration", "reason", "status"),
                "type",
            )
        },
    }
    conditions = {f'k:{{"type":"{kind}"}}': condition for kind, *_ in _CONDITIONS}
    status = {
        **dict.fromkeys(("f:attempt", "f:lastUpdateTime", "f:observedGeneration"), leaf),
        "f:conditions": conditions,
        **dict.fromkeys(("f:phase", "f:reason", "f:specHash", "f:startTime"), leaf),
        "f:runtimeRef": dict.fromkeys(("f:name", "f:namespace", "f:type", "f:uid"), leaf),
    }
    spec = {
        ".": leaf,
        "f:agentRef": {".": leaf, "f:name": leaf},
        "f:idempotencyKey": leaf,
        "f:implementation": {".": leaf, "f:inline": {".": leaf, "f:text": leaf}},
        "f:parameters": {
            f'k:{{"name":"{name}"}}': {".": leaf, "f:name": leaf, "f:value": leaf}
            for name in ("base", "head", "repository")
        },
        "f:retention": {".": leaf, "f:ttl": leaf},
        "f:runtime": {".": leaf, "f:type": leaf},
    }
    said = {"apiVersion": _VERSION, "fieldsType": "FieldsV1", "time": _AT}
    return [
        {
            **said,
            "fieldsV1": {"f:status": status},
            "manager": "agents-controller",
            "operation": "Apply",
            "subresource": "status",
        },
        {
            **said,
            "fieldsV1": {"f:metadata": {"f:labels": {".": leaf}}, "f:spec": spec},
            "manager": "agentctl",
            "operation": "Update",
        },
    ]
