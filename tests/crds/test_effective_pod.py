"""What gets through keeps every policy, as one finds who reads the Job that is submitted."""

import json
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from controllers.runs.runtimes.jobs import job_objects
from controllers.runs.work import related_objects, work
from crds.admission import agentrun, policy
from crds.admission import settings as operator
from crds.admission.pods import effective_pod
from schemagen import Facts
from tests.support import depth, pod_checker

RUN: dict[str, Any] = {
    "metadata": {"name": "fix", "namespace": "team", "uid": "uid-1"},
    "spec": {
        "agentRef": {"name": "coder"},
        "implementation": {"inline": {"text": "Mend it."}},
        "runtime": {"type": "Job"},
        "workload": {"image": "registry.example.com/runner:1"},
    },
}
PROVIDER: dict[str, Any] = {"spec": {"runner": {"command": "agent-runner"}}}
AGENT: dict[str, Any] = {"spec": {"providerRef": {"name": "shell"}}}

NAMES = st.sampled_from(["app", "root-password", "team-x"])
PATTERNS = st.lists(
    st.sampled_from(["app", "root-*", "*", "team-x", "docker.io/*", "registry.example.com/*"]),
    max_size=2,
)
IMAGES = st.sampled_from(
    [
        *("nginx", "docker.io/library/nginx:1", "registry.example.com/app", "team/app:2"),
        *("Registry.example.com:443/app:1", "registry.example.com/../app", "localhost/app"),
        "registry.example.com/app:1@sha256:" + "ab" * 32,
        "docker.io/registry.example.com/app:1",
    ]
)
KEYS = NAMES.map(lambda name: {"secretKeyRef": {"name": name, "key": "k"}})
CONFIG_KEYS = NAMES.map(lambda name: {"configMapKeyRef": {"name": name, "key": "k"}})
VOLUMES = st.one_of(
    NAMES.map(lambda name: {"secret": {"secretName": name}}),
    NAMES.map(lambda name: {"persistentVolumeClaim": {"claimName": name}}),
    st.just({"emptyDir": {}}),
).map(lambda volume: {"name": "v", "mountPath": "/v", **volume})
SYSCTLS = st.sampled_from(["kernel.msgmax", "net.ipv4.tcp_rmem"])
SECURITY = st.fixed_dictionaries(
    {},
    optional={
        "runAsUser": st.sampled_from([0, 1000]),
        "runAsNonRoot": st.booleans(),
        "seccompProfile": st.sampled_from(["Unconfined", "RuntimeDefault"]).map(
            lambda kind: {"type": kind}
        ),
        "seLinuxOptions": st.sampled_from(["spc_t", "container_t"]).map(
            lambda kind: {"type": kind}
        ),
        "sysctls": SYSCTLS.map(lambda name: [{"name": name, "value": "1"}]),
        "fsGroup": st.just(1000),
    },
)
TOKENS = st.sampled_from(["tools", "https://kubernetes.default.svc"]).map(
    lambda audience: {"audience": audience, "expirationSeconds": 600, "mountPath": "/t"}
)
ANNOTATIONS = st.sampled_from(
    ["prometheus.io/scrape", "sidecar.istio.io/inject", "seccomp.security.alpha.kubernetes.io/pod"]
).map(lambda key: {key: "x"})
SELECTORS = st.sampled_from([{"pool": "gpu"}, {pod_checker.CONTROL_PLANE: ""}])
TOLERATIONS = st.sampled_from(
    [{"key": "gpu"}, {"operator": "Exists"}, {"key": pod_checker.CONTROL_PLANE}]
).map(lambda one: [one])
# Where a piece may ask for something, and for what.
WISHES: dict[str, st.SearchStrategy[Any]] = {
    "run workload.image": IMAGES,
    "run workload.volumes": VOLUMES.map(lambda volume: [volume]),
    "run secretRefs": NAMES.map(lambda name: [{"name": name}]),
    "run runtime.podTemplate.serviceAccountName": NAMES,
    "run runtime.podTemplate.securityContext": SECURITY,
    "run runtime.podTemplate.priorityClassName": st.sampled_from(["batch", "system-node-critical"]),
    "run runtime.podTemplate.schedulerName": st.sampled_from(["mine", "default-scheduler"]),
    "run runtime.podTemplate.nodeSelector": SELECTORS,
    "run runtime.podTemplate.tolerations": TOLERATIONS,
    "run runtime.podTemplate.imagePullSecrets": NAMES.map(lambda name: [{"name": name}]),
    "run runtime.podTemplate.hostNetwork": st.just(True),  # noqa: FBT003 - a value
    "run runtime.extraConfig.podAnnotations": ANNOTATIONS,
    "provider workload.image": IMAGES,
    "provider workload.serviceAccountName": NAMES,
    "provider workload.serviceAccountToken": TOKENS,
    "provider env": KEYS.map(lambda key: [{"name": "E", "valueFrom": key}]),
    "provider files": st.one_of(KEYS, CONFIG_KEYS).map(lambda key: [{"path": "/f", **key}]),
    "run parameters": st.one_of(KEYS, CONFIG_KEYS).map(
        lambda key: [{"name": "p", "valueFrom": key}]
    ),
    "agent env": st.one_of(KEYS, CONFIG_KEYS).map(lambda key: [{"name": "E", "valueFrom": key}]),
    "agent runDefaults.systemPrompt": st.one_of(KEYS, CONFIG_KEYS),
    "agent policy.secrets": PATTERNS.map(lambda names: {"mode": "AllowListed", "allowed": names}),
    "agent policy.serviceAccounts": st.just({"mode": "AllowListed", "allowed": ["app"]}),
}
RULES = st.one_of(
    PATTERNS.map(lambda patterns: {"denied": patterns}),
    PATTERNS.map(lambda patterns: {"allowed": patterns}),
    st.just({"allowed": ["*"]}),
)
TOPICS = (
    *("images", "secrets", "configMaps", "serviceAccounts", "tokenAudiences", "tolerations"),
    *("persistentVolumeClaims", "priorityClasses", "schedulers", "annotations", "nodeSelectors"),
)
SETTINGS = st.fixed_dictionaries(
    {
        "policy": st.dictionaries(st.sampled_from(TOPICS), RULES, max_size=3),
        "pods": st.sampled_from(
            [{}, {"runAsNonRoot": False}, {"seccompProfile": "Unconfined"}, {"fsGroup": 1}]
        ),
    }
)


def wished(wishes: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Run, agent and provider, with what they ask for."""
    found = {name: json.loads(json.dumps(each)) for name, each in PIECES.items()}
    for place, value in wishes.items():
        whose, _, path = place.partition(" ")
        *above, last = path.split(".")
        at = found[whose]["spec"]
        for name in above:
            at = at.setdefault(name, {})
        at[last] = value
    return found["run"], found["agent"], found["provider"]


PIECES = {"run": RUN, "agent": AGENT, "provider": PROVIDER}


@settings(max_examples=depth.draws(100), deadline=None)
@given(st.data())
def test_pod_that_is_let_through_keeps_every_policy_and_no_other_is_refused(data: Any) -> None:
    places = data.draw(st.lists(st.sampled_from([*WISHES]), max_size=4, unique=True))
    wishes = {place: data.draw(WISHES[place], label=place) for place in places}
    rules = data.draw(SETTINGS)
    run, agent, provider = wished(wishes)
    known = {("Agent", "coder"): agent, ("AgentProvider", "shell"): provider}

    found = [str(one) for one in agentrun.validate(run, None, Facts(settings=rules, related=known))]
    prepared = work.prepare(run, related_objects.Related(agent, provider), 1, operator.read(rules))

    assert bool(found) is isinstance(prepared, work.Refused)
    if isinstance(prepared, work.Ready):
        job = job_objects.job("uid-1/1", prepared.work)
        template, own = job["spec"]["template"], job["metadata"]["name"]
    else:
        context = policy.Context(operator.read(rules), agent, provider)
        (sources,) = policy.pods_of(run["spec"], context)
        template, own = effective_pod.build(sources).template, ""
    broken = pod_checker.broken(template, rules, agent, own)
    event("refused" if found else "let through")
    assert bool(broken) is bool(found), (broken, found)
