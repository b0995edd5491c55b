"""Policies count for the pod that comes of a run, whoever asked for a part of it."""

import copy
import json
import pathlib
from typing import Any

import pytest

from controllers.runs.api_constants import Reason
from controllers.runs.work import related_objects, work
from crds.admission import agentrun, policy, settings
from schemagen import Facts, yaml

BYPASS = pathlib.Path(__file__).parents[1] / "data/policies/bypass.yaml"
PROVIDER, AGENT, RUN = yaml.load_all(BYPASS.read_bytes())
SETTINGS: dict[str, Any] = {
    "policy": {
        "images": {"allowed": ["registry.example.com/*"]},
        "secrets": {"denied": ["root-password"]},
        "tokenAudiences": {"allowed": ["tools.example.com"]},
        "persistentVolumeClaims": {"allowed": ["cache"]},
    }
}
GOOD_PROVIDER: dict[str, Any] = {
    "spec": {
        "runner": {"command": "agent-runner"},
        "adapter": {"type": "Exec"},
        "workload": {"image": "registry.example.com/runner:1"},
    }
}
GOOD_AGENT: dict[str, Any] = {"spec": {"providerRef": {"name": "shell"}}}
GOOD_RUN: dict[str, Any] = {
    "apiVersion": "agents.proompteng.ai/v1beta1",
    "kind": "AgentRun",
    "metadata": {"name": "fix", "namespace": "team", "uid": "uid-1"},
    "spec": {
        "agentRef": {"name": "coder"},
        "implementation": {"inline": {"text": "Mend it."}},
        "runtime": {"type": "Job"},
    },
}
BY_SETTINGS = "which only the operator's settings (policy: {}: {{allowed: [...]}}) allow"
BY_PODS = "only the operator's settings (pods: {}) allow it"


def facts(run: Any, agent: Any, provider: Any, given: Any = None) -> Facts:
    name = run["spec"]["agentRef"]["name"]
    reference = agent["spec"]["providerRef"]["name"]
    return Facts(
        settings=SETTINGS if given is None else given,
        related={("Agent", name): agent, ("AgentProvider", reference): provider},
    )


def problems(run: Any, agent: Any, provider: Any, given: Any = None) -> list[str]:
    known = facts(run, agent, provider, given)
    return [str(one) for one in agentrun.validate(run, None, known)]


def changed(whole: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of an object's ``spec`` with another value at a path."""
    found = copy.deepcopy(whole)
    place, *above = reversed(path.split("."))
    at = found["spec"]
    for name in reversed(above):
        at = at.setdefault(name, {})
    at[place] = value
    return found


def key(secret: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": secret, "key": "k"}}


TEMPLATE = "spec.runtime.podTemplate"
SECURITY = f"{TEMPLATE}.securityContext"
ANNOTATIONS = "spec.runtime.extraConfig.podAnnotations"
OF_PROVIDER = "spec.agentRef.name: AgentProvider shell: spec"
OF_AGENT = "spec.agentRef.name: Agent coder: spec"
DENIED = "expected a secret that the operator does not deny, got 'root-password'"
FOREIGN = "expected an image that is allowed, got 'attacker.example.net/miner:latest', which"
ALLOW_NONE = {"mode": "AllowListed", "allowed": []}
STEPS = [{"name": "a"}, {"name": "b", "workload": {"image": "attacker.example.net/miner:latest"}}]
CASES = {
    # The provider's.
    "provider: variable": (
        ("provider", "env", [{"name": "ROOTPW", "valueFrom": key("root-password")}]),
        f"{OF_PROVIDER}.env[ROOTPW].valueFrom.secretKeyRef.name: {DENIED}",
    ),
    "provider: file": (
        ("provider", "files", [{"path": "/steal", **key("root-password")}]),
        f"{OF_PROVIDER}.files[/steal].secretKeyRef.name: {DENIED}",
    ),
    "provider: image": (
        ("provider", "workload.image", "attacker.example.net/miner:latest"),
        f"{OF_PROVIDER}.workload.image: {FOREIGN} no pattern allows",
    ),
    "provider: token": (
        (
            "provider",
            "workload.serviceAccountToken",
            {"audience": "vault", "expirationSeconds": 3600, "mountPath": "/tok"},
        ),
        (
            f"{OF_PROVIDER}.workload.serviceAccountToken.audience: "
            "expected a token audience that is allowed, got 'vault', which no pattern allows"
        ),
    ),
    # The agent's.
    "agent: prompt": (
        ("agent", "runDefaults.systemPrompt", key("root-password")),
        f"{OF_AGENT}.runDefaults.systemPrompt.secretKeyRef.name: {DENIED}",
    ),
    "agent: variable": (
        ("agent", "env", [{"name": "PW", "valueFrom": key("root-password")}]),
        f"{OF_AGENT}.env[PW].valueFrom.secretKeyRef.name: {DENIED}",
    ),
    # The run's.
    "run: priority": (
        ("run", "runtime.podTemplate.priorityClassName", "system-cluster-critical"),
        (
            f"{TEMPLATE}.priorityClassName: expected a priority class that is allowed, got "
            f"'system-cluster-critical', {BY_SETTINGS.format('priorityClasses')}"
        ),
    ),
    "run: scheduler": (
        ("run", "runtime.podTemplate.schedulerName", "my-scheduler"),
        (
            f"{TEMPLATE}.schedulerName: expected a scheduler that is allowed, got 'my-scheduler', "
            f"{BY_SETTINGS.format('schedulers')}"
        ),
    ),
    "run: node": (
        ("run", "runtime.podTemplate.nodeSelector", {"node-role.kubernetes.io/control-plane": ""}),
        (
            f"{TEMPLATE}.nodeSelector[node-role.kubernetes.io/control-plane]: "
            "expected a node selector that is allowed, got "
            f"'node-role.kubernetes.io/control-plane=', {BY_SETTINGS.format('nodeSelectors')}"
        ),
    ),
    "run: toleration of all": (
        ("run", "runtime.podTemplate.tolerations", [{"operator": "Exists"}]),
        (
            f"{TEMPLATE}.tolerations[0]: expected a toleration that is allowed, got '<all>', "
            f"{BY_SETTINGS.format('tolerations')}"
        ),
    ),
    "run: user": (
        ("run", "runtime.podTemplate.securityContext", {"runAsUser": 0}),
        (
            f"{SECURITY}.runAsUser: expected a non-root user, got 0; "
            f"{BY_PODS.format('runAsNonRoot: false')}"
        ),
    ),
    "run: root": (
        ("run", "runtime.podTemplate.securityContext", {"runAsNonRoot": False}),
        (
            f"{SECURITY}.runAsNonRoot: expected true, got false; "
            f"{BY_PODS.format('runAsNonRoot: false')}"
        ),
    ),
    "run: seccomp": (
        (
            "run",
            "runtime.podTemplate.securityContext",
            {"seccompProfile": {"type": "Unconfined"}},
        ),
        (
            f"{SECURITY}.seccompProfile: "
            "expected a seccomp profile that is allowed, got 'Unconfined', "
            f"{BY_SETTINGS.format('seccompProfiles')}"
        ),
    ),
    "run: sysctl": (
        (
            "run",
            "runtime.podTemplate.securityContext",
            {"sysctls": [{"name": "kernel/msgmax", "value": "1"}]},
        ),
        (
            f"{SECURITY}.sysctls[kernel/msgmax]: expected a sysctl that is allowed, got "
            f"'kernel.msgmax', {BY_SETTINGS.format('sysctls')}"
        ),
    ),
    "run: SELinux": (
        ("run", "runtime.podTemplate.securityContext", {"seLinuxOptions": {"type": "spc_t"}}),
        (
            f"{SECURITY}.seLinuxOptions.type: expected an SELinux option that is allowed, got "
            f"'type=spc_t', {BY_SETTINGS.format('seLinuxOptions')}"
        ),
    ),
    "run: claim": (
        (
            "run",
            "workload.volumes",
            [
                {
                    "name": "other",
                    "mountPath": "/pvc",
                    "persistentVolumeClaim": {"claimName": "other-teams-data"},
                }
            ],
        ),
        (
            "spec.workload.volumes[other].persistentVolumeClaim.claimName: expected a "
            "PersistentVolumeClaim that is allowed, got 'other-teams-data', which no pattern allows"
        ),
    ),
    "run: secret as files": (
        (
            "run",
            "workload.volumes",
            [{"name": "s", "mountPath": "/s", "secret": {"secretName": "root-password"}}],
        ),
        f"spec.workload.volumes[s].secret.secretName: {DENIED}",
    ),
    "run: secret as variables": (
        ("run", "secretRefs", [{"name": "root-password"}]),
        f"spec.secretRefs[root-password].name: {DENIED}",
    ),
    "run: pull secret": (
        ("run", "runtime.podTemplate.imagePullSecrets", [{"name": "root-password"}]),
        f"{TEMPLATE}.imagePullSecrets[root-password].name: {DENIED}",
    ),
    "step: image": (
        ("run", "runtime", {"type": "Workflow", "workflow": {"steps": STEPS}}),
        f"spec.runtime.workflow.steps[b].workload.image: {FOREIGN} no pattern allows",
    ),
}
for _annotation in (
    "container.apparmor.security.beta.kubernetes.io/agent-runner",
    "sidecar.istio.io/inject",
    "vault.hashicorp.com/agent-inject",
):
    CASES[f"run: annotation {_annotation}"] = (
        ("run", "runtime.extraConfig.podAnnotations", {_annotation: "x"}),
        (
            f"{ANNOTATIONS}[{_annotation}]: expected a pod annotation that is allowed, got "
            f"'{_annotation}', {BY_SETTINGS.format('annotations')}"
        ),
    )


@pytest.mark.parametrize("case", CASES)
def test_what_policy_forbids_is_refused_by_the_place_that_asks_for_it(case: str) -> None:
    (whose, path, value), expected = CASES[case]
    pieces = {"run": GOOD_RUN, "agent": GOOD_AGENT, "provider": GOOD_PROVIDER}
    pieces |= {whose: changed(pieces[whose], path, value)}

    assert [expected] == problems(**pieces)


def test_ordinary_pieces_are_let_through() -> None:
    assert [] == problems(GOOD_RUN, GOOD_AGENT, GOOD_PROVIDER)
    assert [] == problems(GOOD_RUN, GOOD_AGENT, GOOD_PROVIDER, {})


@pytest.mark.parametrize("given", [{}, SETTINGS], ids=["by default", "by settings"])
def test_nothing_of_the_bypass_gets_through(given: dict[str, Any]) -> None:
    found = [one.partition(": expected")[0] for one in problems(RUN, AGENT, PROVIDER, given)]

    by_settings = [
        "spec.workload.volumes[other].persistentVolumeClaim.claimName",
        "spec.agentRef.name: AgentProvider evil: spec.workload.image",
        "spec.agentRef.name: AgentProvider evil: spec.workload.serviceAccountToken.audience",
    ]
    by_default = [
        f"{ANNOTATIONS}[container.apparmor.security.beta.kubernetes.io/agent-runner]",
        f"{ANNOTATIONS}[sidecar.istio.io/inject]",
        f"{ANNOTATIONS}[vault.hashicorp.com/agent-inject]",
        f"{TEMPLATE}.priorityClassName",
        f"{TEMPLATE}.schedulerName",
        f"{TEMPLATE}.nodeSelector[node-role.kubernetes.io/control-plane]",
        f"{TEMPLATE}.tolerations[0]",
        f"{SECURITY}.sysctls[kernel.msgmax]",
        f"{SECURITY}.seccompProfile",
        f"{SECURITY}.runAsNonRoot",
        f"{SECURITY}.runAsUser",
        "spec.agentRef.name: AgentProvider evil: spec.workload.serviceAccountName",
        "spec.agentRef.name: AgentProvider evil: spec.env[ROOTPW].valueFrom.secretKeyRef.name",
        "spec.agentRef.name: AgentProvider evil: spec.files[/steal].secretKeyRef.name",
        "spec.agentRef.name: Agent evil: spec.runDefaults.systemPrompt.secretKeyRef.name",
    ]
    assert sorted([*by_default, *(by_settings if given else [])]) == sorted(found)


def test_controller_refuses_what_the_webhook_refuses_in_its_words() -> None:
    (_, path, value), expected = CASES["provider: image"]
    provider = changed(GOOD_PROVIDER, path, value)

    found = work.prepare(
        GOOD_RUN, related_objects.Related(GOOD_AGENT, provider), 1, settings.read(SETTINGS)
    )

    assert work.Refused(Reason.IMAGE_NOT_ALLOWED, expected) == found


def test_controller_names_every_place_up_to_a_bound() -> None:
    found = work.prepare(
        RUN,
        related_objects.Related(AGENT, PROVIDER),
        1,
        settings.read(SETTINGS),
    )

    said = problems(RUN, AGENT, PROVIDER)
    message = "; ".join([*said[: work.MAX_REFUSALS], f"and {len(said) - work.MAX_REFUSALS} more"])
    assert work.Refused(Reason.POD_NOT_ALLOWED, message) == found


def test_agents_list_counts_for_what_its_provider_brings() -> None:
    policy = {"secrets": {"mode": "AllowListed", "allowed": ["npm"]}, "serviceAccounts": ALLOW_NONE}
    agent = changed(GOOD_AGENT, "policy", policy)
    provider = changed(GOOD_PROVIDER, "workload.serviceAccountName", "admin")
    env = [{"name": name, "valueFrom": key(name.lower())} for name in ("NPM", "OTHER")]

    assert [
        (
            f"{OF_PROVIDER}.workload.serviceAccountName: expected a service account that the agent "
            "allows, got 'admin'"
        ),
        (
            f"{OF_PROVIDER}.env[OTHER].valueFrom.secretKeyRef.name: "
            "expected a secret that the agent allows, got 'other'"
        ),
    ] == problems(GOOD_RUN, agent, changed(provider, "env", env))


def test_what_the_operator_gives_every_pod_is_not_judged() -> None:
    given = {
        "policy": {"images": {"allowed": []}, "serviceAccounts": {"allowed": []}},
        "pods": {
            "image": "internal/runner:latest",
            "serviceAccountName": "runner",
            "seccompProfile": "Unconfined",
        },
    }
    provider = {"spec": {"runner": {"command": "agent-runner"}}}

    assert [] == problems(GOOD_RUN, changed(GOOD_AGENT, "policy", ALLOW_NONE), provider, given)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("run: priority", {"policy": {"priorityClasses": {"allowed": ["system-*"]}}}),
        ("run: scheduler", {"policy": {"schedulers": {"allowed": ["my-*"]}}}),
        ("run: toleration of all", {"policy": {"tolerations": {"allowed": ["<all>"]}}}),
        ("run: user", {"pods": {"runAsNonRoot": False}}),
        ("run: root", {"pods": {"runAsNonRoot": False}}),
        ("run: seccomp", {"pods": {"seccompProfile": "Unconfined"}}),
        ("run: seccomp", {"policy": {"seccompProfiles": {"allowed": ["*"]}}}),
        ("run: sysctl", {"policy": {"sysctls": {"allowed": ["kernel.msgmax"]}}}),
    ],
)
def test_operator_loosens_by_the_setting_that_the_refusal_names(
    name: str, given: dict[str, Any]
) -> None:
    (_, path, value), _ = CASES[name]

    assert [] == problems(changed(GOOD_RUN, path, value), GOOD_AGENT, GOOD_PROVIDER, given)


def test_denied_goes_before_allowed_and_an_empty_list_allows_nothing() -> None:
    provider = changed(GOOD_PROVIDER, "workload.serviceAccountName", "runner")

    def said(rules: dict[str, Any]) -> list[str]:
        given = {"policy": {"serviceAccounts": rules}}
        return [one.rpartition(", ")[2] for one in problems(GOOD_RUN, GOOD_AGENT, provider, given)]

    assert ["which 'run*' denies"] == said({"allowed": ["runner"], "denied": ["run*"]})
    assert ["which no pattern allows"] == said({"allowed": []})
    assert [] == said({"denied": ["admin"]})


def test_run_without_a_pod_is_judged_by_its_own_names_alone() -> None:
    run = changed(GOOD_RUN, "runtime", {"type": "Custom", "custom": {"endpoint": "https://x"}})
    provider = changed(GOOD_PROVIDER, "workload.image", "attacker.example.net/miner:latest")

    assert [] == problems(run, GOOD_AGENT, provider)
    assert [f"spec.secretRefs[root-password].name: {DENIED}"] == problems(
        changed(run, "secretRefs", [{"name": "root-password"}]), GOOD_AGENT, provider
    )


def test_pieces_that_no_schema_has_judged_raise_nothing() -> None:
    odd: list[Any] = [None, 1, "x", [], {}, [None, 1, {"name": 1}], {"name": None}]
    for name in ("podTemplate", "extraConfig", "workflow"):
        for value in odd:
            for kind in ("Job", "Workflow"):
                run = changed(GOOD_RUN, "runtime", {"type": kind, name: value})
                assert [] == problems(run, GOOD_AGENT, GOOD_PROVIDER)
    for field in ("runner", "env", "files", "workload"):
        for value in odd:
            assert [] == problems(GOOD_RUN, GOOD_AGENT, {"spec": {field: value}})


@pytest.mark.parametrize("size", [1, 20_000, "deep", 2**70], ids=str)
def test_pieces_are_judged_whatever_their_size(size: Any) -> None:
    extra: Any = "x" * size if isinstance(size, int) and size < 2**60 else size
    if size == "deep":
        extra = {}
        for _ in range(300):
            extra = {"a": extra}
    (_, path, value), expected = CASES["provider: image"]
    run = changed(GOOD_RUN, "runtime.extraConfig", {"other": extra})

    assert [expected] == [
        str(one.problem)
        for one in policy.refusals(
            run,
            policy.Context(
                settings.read({"policy": {"images": {"allowed": ["registry.example.com/*"]}}}),
                GOOD_AGENT,
                changed(GOOD_PROVIDER, path, value),
            ),
        )
    ]


def test_same_problem_of_many_steps_is_said_once() -> None:
    steps = [{"name": name, "workload": {"resources": {"limits": {"cpu": name}}}} for name in "123"]
    run = changed(GOOD_RUN, "runtime", {"type": "Workflow", "workflow": {"steps": steps}})
    (_, path, value), expected = CASES["provider: image"]

    assert [expected] == problems(run, GOOD_AGENT, changed(GOOD_PROVIDER, path, value))


def test_answers_that_are_remembered_are_those_of_the_same_pieces() -> None:
    (_, path, value), expected = CASES["provider: image"]
    for _ in range(2):
        assert [] == problems(GOOD_RUN, GOOD_AGENT, GOOD_PROVIDER)
        assert [expected] == problems(
            json.loads(json.dumps(GOOD_RUN)), GOOD_AGENT, changed(GOOD_PROVIDER, path, value)
        )
        assert [] == problems(GOOD_RUN, GOOD_AGENT, changed(GOOD_PROVIDER, path, value), {})


class Positioned(dict[str, Any]):
    """A mapping as a reader of manifests makes it, which remembers lines."""


def test_objects_of_a_manifest_are_judged_like_those_of_the_api_server() -> None:
    (_, path, value), expected = CASES["provider: image"]
    provider = changed(GOOD_PROVIDER, path, value)

    read = [json.loads(json.dumps(one), object_hook=Positioned) for one in (GOOD_AGENT, provider)]

    assert [expected] == problems(GOOD_RUN, *read)
