"""Runs Jobs to completion without a kubelet: controllers, kwok, a node, a policy. Pure.

kube-controller-manager creates the pods; the policy assigns each pod to the single node at
creation, which saves a scheduler and a write per pod; kwok simulates the kubelet (kwok.yaml).
"""

import json
import pathlib
from collections.abc import Sequence
from typing import Any

from controllers.devcluster import versions

KWOK_CONFIG = pathlib.Path(__file__).with_name("kwok.yaml")

NODE = "devcluster"
NODE_PATH = f"/api/v1/nodes/{NODE}"

# A dry-run pod that shows whether pods are assigned to the node.
TRIAL_PATH = "/api/v1/namespaces/default/pods?dryRun=All"
TRIAL = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "trial"},
    "spec": {"containers": [{"name": "trial", "image": "none"}]},
}

# Prefix of annotations that control pods.
ANNOTATIONS = "devcluster.kubewright.dev/"

# Since this version MutatingAdmissionPolicy is served by default.
_POLICIES_BY_DEFAULT = versions.Version(1, 36)

_CONTROLLERS = (
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "pod-garbage-collector-controller",
    "serviceaccount-controller",
    "ttl-after-finished-controller",
)

# Annotations of the namespace that the pod lacks.
_MISSING = f"""
namespaceObject.metadata.?annotations.orValue({{}}).filter(name,
  name.startsWith("{ANNOTATIONS}") && !(name in object.metadata.?annotations.orValue({{}}))
)
"""

# Set on a pod or its namespace: simulates an unschedulable pod.
_UNPLACED = f"""
object.metadata.?annotations[?"{ANNOTATIONS}node"].orValue(
  namespaceObject.metadata.?annotations[?"{ANNOTATIONS}node"].orValue("")
) == "none"
"""

_PATCHES = f"""
(
  has(object.spec.nodeName) || has(object.spec.schedulingGates) || variables.unplaced ? [] :
  [JSONPatch{{op: "add", path: "/spec/nodeName", value: "{NODE}"}}]
) + (
  has(object.metadata.annotations) || variables.missing.size() == 0 ? [] :
  [JSONPatch{{op: "add", path: "/metadata/annotations", value: {{}}}}]
) + variables.missing.map(name, JSONPatch{{
  op: "add",
  path: "/metadata/annotations/" + jsonpatch.escapeKey(name),
  value: namespaceObject.metadata.annotations[name]
}})
"""


def api_server_flags(version: versions.Version) -> list[str]:
    """Flags with which an API server of a version serves MutatingAdmissionPolicy."""
    if version >= _POLICIES_BY_DEFAULT:
        return []
    return [
        "--feature-gates=MutatingAdmissionPolicy=true",
        "--runtime-config=admissionregistration.k8s.io/v1beta1=true",
    ]


def controller_manager_flags(kubeconfig: pathlib.Path, more: Sequence[str] = ()) -> list[str]:
    """Flags of kube-controller-manager: without leader election, few controllers, high rates."""
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--controllers={','.join((*_CONTROLLERS, *more))}",
        "--leader-elect=false",
        "--secure-port=0",
        # The default of 20 requests per second suffices for three Jobs.
        "--kube-api-qps=2000",
        "--kube-api-burst=4000",
        "--concurrent-job-syncs=20",
    ]


def kwok_flags(kubeconfig: pathlib.Path) -> list[str]:
    """Flags of kwok."""
    return [f"--kubeconfig={kubeconfig}", "--manage-all-nodes=true", f"--config={KWOK_CONFIG}"]


def objects(version: versions.Version) -> dict[str, Any]:
    """A List of the objects that the API server of a version needs."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
    return {"apiVersion": "v1", "kind": "List", "items": [node, *_policy(version)]}


def is_node_ready(answer: bytes | None) -> bool:
    """Return whether the response to NODE_PATH is a Ready node."""
    conditions = json.loads(answer)["status"].get("conditions", []) if answer else []
    return any(
        condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions
    )


def is_placed(answer: bytes | None) -> bool:
    """Return whether the response to a POST of TRIAL to TRIAL_PATH is a pod on the node.

    It is not while the namespace has no service account, or the API server has not loaded the
    policy.
    """
    return answer is not None and json.loads(answer)["spec"].get("nodeName") == NODE


def _policy(version: versions.Version) -> list[dict[str, Any]]:
    served = "v1" if version >= _POLICIES_BY_DEFAULT else "v1beta1"
    metadata = {"name": "devcluster.kubewright.dev"}
    pods = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["pods"],
    }
    return [
        {
            "apiVersion": f"admissionregistration.k8s.io/{served}",
            "kind": "MutatingAdmissionPolicy",
            "metadata": metadata,
            "spec": {
                "failurePolicy": "Fail",
                "reinvocationPolicy": "Never",
                "matchConstraints": {"resourceRules": [pods]},
                "variables": [
                    {"name": "missing", "expression": _MISSING},
                    {"name": "unplaced", "expression": _UNPLACED},
                ],
                "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": _PATCHES}}],
            },
        },
        {
            "apiVersion": f"admissionregistration.k8s.io/{served}",
            "kind": "MutatingAdmissionPolicyBinding",
            "metadata": metadata,
            "spec": {"policyName": metadata["name"]},
        },
    ]
