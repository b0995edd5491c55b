"""What there is before a situation happens: the run, and what it finds. Pure."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Final, Literal

from controllers import kube
from controllers.kube import resources
from controllers.runs import naming
from crds.admission.settings import Pods, Settings

RuntimeName = Literal["job", "local"]
BOTH: Final[tuple[RuntimeName, ...]] = ("job", "local")
JOB: Final[tuple[RuntimeName, ...]] = ("job",)
LOCAL: Final[tuple[RuntimeName, ...]] = ("local",)

RUN: Final = "run"
"""The name of the run that everything happens to."""
BY_HAND: Final[Mapping[str, str]] = {"status": "by-hand", "seconds": "never"}
"""Pods whose status is what a situation writes."""
ENDLESS: Final[Mapping[str, str]] = {"seconds": "never"}
SHORT: Final[Mapping[str, str]] = {"seconds": "0.3"}
IMAGE: Final = "registry.example.com/runner:1"
SETTINGS: Final = Settings(pods=Pods(image=IMAGE))


MUTATED: Final = "mutated"
"""The label of what a policy has changed."""


def reporting(exit_code: int = 0, message: str = "", seconds: str = "0.3") -> dict[str, str]:
    """Pods that end so, and leave that termination message."""
    return {"seconds": seconds, "exit_code": str(exit_code), "message": message}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Policy:
    """A policy of the cluster for what is created in the namespace.

    Attributes:
        name: Of it; the API server's words have it.
        expression: CEL that must hold; where it mutates, the ``Object.spec{...}`` that is applied.
        message: What a refusal says.
        kind: What it is about.
        mutates: Whether it changes what is created.
        condition: CEL that says what it is about; all where empty.
        probe: Labels of what shows that it is enforced.
        probe_suspends: Whether that is suspended, where it is a Job.
    """

    name: str
    expression: str
    message: str = ""
    kind: Literal["jobs", "pods"] = "jobs"
    mutates: bool = False
    condition: str = ""
    probe: Mapping[str, str] = dataclasses.field(default_factory=dict)
    probe_suspends: bool = False

    def objects(self, namespace: str) -> tuple[tuple[kube.Resource, kube.JSON], ...]:
        """The policy and its binding, which name the namespace."""
        name = f"{self.name}.{namespace}"
        group, version = ("batch", "v1") if self.kind == "jobs" else ("", "v1")
        rule = {
            "apiGroups": [group],
            "apiVersions": [version],
            "operations": ["CREATE"],
            "resources": [self.kind],
        }
        selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
        matched: dict[str, Any] = {"resourceRules": [rule], "namespaceSelector": selector}
        spec: dict[str, Any] = {"matchConstraints": matched, "failurePolicy": "Fail"}
        if self.condition:
            spec["matchConditions"] = [{"name": "mine", "expression": self.condition}]
        if self.mutates:
            label = f"Object.metadata{{labels: Object.metadata.labels{{{MUTATED}: 'yes'}}}}"
            change = {"expression": f"Object{{metadata: {label}, spec: {self.expression}}}"}
            mutation = {"patchType": "ApplyConfiguration", "applyConfiguration": change}
            spec |= {"reinvocationPolicy": "Never", "mutations": [mutation]}
            pair = MUTATING_POLICIES, MUTATING_BINDINGS
            binding: dict[str, Any] = {"policyName": name}
        else:
            spec["validations"] = [{"expression": self.expression, "message": self.message}]
            pair = VALIDATING_POLICIES, VALIDATING_BINDINGS
            binding = {"policyName": name, "validationActions": ["Deny"]}
        return (
            (pair[0], manifest(pair[0], name, spec=spec)),
            (pair[1], manifest(pair[1], name, spec=binding)),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outage(Policy):
    """A webhook of the cluster that does not answer, and without which nothing is created."""

    expression: str = ""

    def objects(self, namespace: str) -> tuple[tuple[kube.Resource, kube.JSON], ...]:
        """Its configuration."""
        rule = {
            "apiGroups": ["batch"],
            "apiVersions": ["v1"],
            "operations": ["CREATE"],
            "resources": ["jobs"],
        }
        webhook = {
            "name": f"{self.name}.example.com",
            "clientConfig": {"url": "https://127.0.0.1:9/validate"},
            "rules": [rule],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 2,
        }
        resource = resources.VALIDATING_WEBHOOK_CONFIGURATIONS
        body = manifest(resource, f"{self.name}.{namespace}", webhooks=[webhook])
        return ((resource, body),)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Given:
    """What there is.

    Attributes:
        run: Changes to the run's spec; None takes a field away.
        labels: Of the run.
        annotations: Likewise.
        version: In which the run is written.
        is_applied: Whether it is written by server-side apply.
        agent: More of the agent's spec; None where there is no agent.
        provider: More of its provider's.
        script: What the agent does, in the shell, where it is a process.
        pods: How the pods behave (docs/devcluster.md), unless they say so themselves.
        namespace: Labels of the namespace.
        objects: What else there is in the namespace.
        policies: Of the cluster.
        settings: The operator's.
        has_room_beside: Whether another run of the namespace can succeed while this one stands.
    """

    run: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict)
    version: Literal["v1beta1", "v1alpha1"] = "v1beta1"
    is_applied: bool = False
    agent: Mapping[str, Any] | None = dataclasses.field(default_factory=dict)
    provider: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    script: str = "true"
    pods: Mapping[str, str] = dataclasses.field(default_factory=lambda: SHORT)
    namespace: Mapping[str, str] = dataclasses.field(default_factory=dict)
    objects: tuple[tuple[kube.Resource, kube.JSON], ...] = ()
    policies: tuple[Policy, ...] = ()
    settings: Settings = SETTINGS
    has_room_beside: bool = True

    def run_body(self) -> dict[str, Any]:
        """The run, without its namespace."""
        runtime = {"type": "Job"} if self.version == "v1beta1" else {"type": "job"}
        spec = {
            "agentRef": {"name": "coder"},
            "implementation": {"inline": {"text": "Mend it."}},
            "runtime": runtime,
            **self.run,
        }
        return {
            "apiVersion": f"{naming.GROUP}/{self.version}",
            "kind": "AgentRun",
            "metadata": {
                "name": RUN,
                "labels": dict(self.labels),
                "annotations": dict(self.annotations),
            },
            "spec": {name: value for name, value in spec.items() if value is not None},
        }

    def provider_spec(self) -> dict[str, Any]:
        """The provider's: the script in a shell."""
        program = {"binary": "/bin/sh", "args": ["-c", self.script]}
        return {
            "runner": {"command": "agent-runner"},
            "adapter": {"type": "Exec", "exec": program},
            **self.provider,
        }


def manifest(resource: kube.Resource, name: str, **parts: Any) -> dict[str, Any]:
    """An object."""
    metadata = {"name": name, **parts.pop("metadata", {})}
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": metadata,
        **parts,
    }


def retries(limit: int, base: str = "1s") -> dict[str, Any]:
    """An agent's spec: failed attempts are repeated so often."""
    backoff = {"base": base, "max": base, "jitterPercent": 0}
    return {"runDefaults": {"retry": {"limit": limit, "backoff": backoff}}}


def report(**parts: Any) -> str:
    """A runner's report as a termination message."""
    return json.dumps({"status": "succeeded", "exitCode": 0, **parts})


QUOTAS: Final = kube.Resource("", "v1", "resourcequotas", "ResourceQuota")
LIMIT_RANGES: Final = kube.Resource("", "v1", "limitranges", "LimitRange")
CLAIMS: Final = kube.Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
VALIDATING_POLICIES: Final = resources.VALIDATING_ADMISSION_POLICIES
VALIDATING_BINDINGS: Final = resources.VALIDATING_ADMISSION_POLICY_BINDINGS
MUTATING_POLICIES: Final = kube.Resource(
    "admissionregistration.k8s.io",
    "v1",
    "mutatingadmissionpolicies",
    "MutatingAdmissionPolicy",
    namespaced=False,
)
MUTATING_BINDINGS: Final = kube.Resource(
    "admissionregistration.k8s.io",
    "v1",
    "mutatingadmissionpolicybindings",
    "MutatingAdmissionPolicyBinding",
    namespaced=False,
)


def quota(**hard: str) -> tuple[kube.Resource, kube.JSON]:
    """A quota: how many of what; the world gives it a status, as its controller would."""
    words = {"jobs": "count/jobs.batch", "config_maps": "count/configmaps"}
    limits = {words.get(name, name): value for name, value in hard.items()}
    return QUOTAS, manifest(QUOTAS, "quota", spec={"hard": limits})
