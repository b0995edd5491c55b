"""Whether a Job's pod keeps a policy: a second opinion, which shares no code with the product's.

It reads the Job that is submitted, and knows where core/v1 names what; the product follows who
asked for which part.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

SAFE_SYSCTLS = re.compile(
    r"kernel\.shm_rmid_forced|net\.ipv4\.(ip_local_port_range|ip_local_reserved_ports"
    r"|ip_unprivileged_port_start|ping_group_range|tcp_(fin_timeout|keepalive_(intvl|probes|time)"
    r"|rmem|syncookies|wmem))"
)
BAD_ANNOTATIONS = re.compile(r"(container\.apparmor|.*seccomp)\..*|sidecar\.istio\.io/.*")
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


def broken(
    template: dict[str, Any], settings: dict[str, Any], agent: dict[str, Any], own: str = ""
) -> list[str]:
    """The settings that a pod breaks; ``own`` is the run's own ConfigMap."""
    policy, pods = settings.get("policy", {}), settings.get("pods", {})
    named = [*names(template, own)]
    found = {topic for topic, name in named if not allowed(topic, name, policy.get(topic))}
    for topic in ("secrets", "serviceAccounts"):
        rule = agent["spec"].get("policy", {}).get(topic, {"mode": "AllowAll"})
        if rule["mode"] == "AllowListed":
            found |= {
                topic for kind, name in named if kind == topic and name not in rule["allowed"]
            }
    return sorted(found | set(unsafe(template["spec"], pods)))


def names(template: dict[str, Any], own: str) -> Iterator[tuple[str, str]]:
    """What a template names, by topic."""
    spec = template["spec"]
    for key in template["metadata"].get("annotations", {}):
        yield "annotations", key
    yield from names_of_scheduling(spec)
    for one in spec["securityContext"].get("sysctls", []):
        yield "sysctls", one["name"]
    for one in spec.get("imagePullSecrets", []):
        yield "secrets", one["name"]
    (container,) = spec["containers"]
    yield "images", container["image"]
    for one in container.get("env", []):
        for arm, source in one.get("valueFrom", {}).items():
            yield {"secretKeyRef": "secrets", "configMapKeyRef": "configMaps"}[arm], source["name"]
    for one in container.get("envFrom", []):
        yield "secrets", one["secretRef"]["name"]
    for volume in spec["volumes"]:
        yield from names_of_volume(volume, own)


def names_of_scheduling(spec: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a pod names to be scheduled and to be somebody."""
    for field, topic in (
        ("serviceAccountName", "serviceAccounts"),
        ("priorityClassName", "priorityClasses"),
        ("schedulerName", "schedulers"),
    ):
        if field in spec:
            yield topic, spec[field]
    for key, value in spec.get("nodeSelector", {}).items():
        yield "nodeSelectors", f"{key}={value}"
    for one in spec.get("tolerations", []):
        yield "tolerations", one.get("key", "<all>")


def names_of_volume(volume: dict[str, Any], own: str) -> Iterator[tuple[str, str]]:
    """What a volume names."""
    if "secret" in volume:
        yield "secrets", volume["secret"]["secretName"]
    if "configMap" in volume and volume["configMap"]["name"] != own:
        yield "configMaps", volume["configMap"]["name"]
    if "persistentVolumeClaim" in volume:
        yield "persistentVolumeClaims", volume["persistentVolumeClaim"]["claimName"]
    if "projected" in volume:
        (source,) = volume["projected"]["sources"]
        yield "tokenAudiences", source["serviceAccountToken"]["audience"]


def allowed(topic: str, name: str, rules: dict[str, Any] | None) -> bool:
    """Whether rules allow a name; without any, whether it is safe."""
    given = rules or {}
    text = image(name) if topic == "images" else name
    is_limited = bool(given.get("denied")) or "allowed" in given
    if is_limited and topic == "images" and not text:
        return False
    if any(matches(text, one) for one in given.get("denied", [])):
        return False
    if "allowed" in given:
        return any(matches(text, one) for one in given["allowed"])
    return topic not in SAFE or SAFE[topic](name)


SAFE: dict[str, Callable[[str], bool]] = {
    "priorityClasses": lambda name: not name.startswith("system-"),
    "schedulers": lambda name: name == "default-scheduler",
    "annotations": lambda name: not BAD_ANNOTATIONS.fullmatch(name),
    "nodeSelectors": lambda name: not name.startswith(f"{CONTROL_PLANE}="),
    "tolerations": lambda name: name not in {CONTROL_PLANE, "<all>"},
    "sysctls": lambda name: SAFE_SYSCTLS.fullmatch(name) is not None,
    "tokenAudiences": lambda name: "kubernetes.default" not in name,
}


def matches(text: str, pattern: str) -> bool:
    """Whether a text fits a pattern."""
    parts = [re.escape(one) for one in pattern.split("*")]
    return re.fullmatch(".*".join(parts), text) is not None


def image(text: str) -> str:
    """An image in one spelling; empty for what is none."""
    if ".." in text or text != text.strip() or text.endswith(":"):
        return ""
    name, _, digest = text.partition("@")
    head, slash, rest = name.partition("/")
    if not slash or not re.search(r"[.:]|^localhost$", head):
        head, rest = "docker.io", name
    if head == "docker.io" and "/" not in rest:
        rest = f"library/{rest}"
    path, _, tag = rest.partition(":")
    where = f"{head.lower().removesuffix(':443')}/{path}"
    return f"{where}@{digest}" if digest else f"{where}:{tag or 'latest'}"


def unsafe(spec: dict[str, Any], pods: dict[str, Any]) -> Iterator[str]:
    """What of a pod is less safe than the operator's settings."""
    (container,) = spec["containers"]
    pod, own = spec["securityContext"], container["securityContext"]
    loose = pods.get("runAsNonRoot") is False
    if not loose and (pod.get("runAsNonRoot") is not True or pod.get("runAsUser") == 0):
        yield "security"
    expected = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    if own != expected or spec["automountServiceAccountToken"] is not False:
        yield "security"
    profile = pod["seccompProfile"]["type"]
    if profile == "Unconfined" and pods.get("seccompProfile") != "Unconfined":
        yield "seccompProfiles"
    if pod.get("seLinuxOptions", {}).get("type", "container_t") != "container_t":
        yield "seLinuxOptions"
    if {"hostNetwork", "hostPID", "hostIPC", "hostAliases", "nodeName"} & spec.keys():
        yield "security"
