"""Check a pod template against the operator's settings. Pure.

It accepts any core/v1 pod template, with containers and volumes of every kind, and so covers fields
that ``effective_pod`` does not set yet.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias

from crds.admission import members, names_policy
from crds.admission.names_policy import NamedReference, Parts
from crds.admission.pods.pod_sources import ANNOTATIONS, LABELS, SPEC
from crds.admission.settings import Pods
from schemagen import deadlines
from schemagen.problems import JSON, quoted

_AFFINITY: Final = (*SPEC, ".affinity", ".nodeAffinity")
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
_POD_SECURITY: Final = (*SPEC, ".securityContext")
_CONTAINERS: Final = ("initContainers", "containers", "ephemeralContainers")
# Operators that select nodes; the others exclude some.
_SELECTING: Final = frozenset({"In", "Exists", "Gt", "Lt"})


class Violation(NamedTuple):
    """A policy violation.

    Attributes:
        topic: Setting that is violated, such as ``images``; ``security`` for the others.
        path: Path in the template.
        message: What was expected, what was found, and which setting would allow it.
    """

    topic: str
    path: Parts
    message: str


Refuse: TypeAlias = Callable[[str, str], str]
"""Returns why a name of a topic is not allowed; empty if allowed."""


def violations(template: JSON, pods: Pods, refuse: Refuse) -> Iterator[Violation]:
    """Yield the policy violations of a pod template.

    Args:
        template: Pod template (core/v1 PodTemplateSpec).
        pods: Pod defaults of the operator.
        refuse: Checks a name against the policy.
    """
    for topic, path, name in names(template):
        deadlines.check()
        message = "" if _is_given(topic, name, pods) else refuse(topic, name)
        if message:
            yield Violation(topic, path, message)
    for path, message in _security(members.at(template, "spec"), pods):
        yield Violation("security", path, message)


def names(template: JSON) -> Iterator[NamedReference]:
    """Yield the names in a pod template that a setting governs."""
    spec = members.at(template, "spec")
    yield from _metadata(template)
    yield from _scheduling(spec)
    yield from _profiles(spec, SPEC)
    for path, container in _containers(spec):
        if image := members.text(container, "image"):
            yield "images", (*path, ".image"), image
        yield from _profiles(container, path)
    for path, volume in _items(spec, "volumes", SPEC):
        for kind in volume:
            if kind != "name":
                yield "volumeTypes", (*path, f".{kind}"), kind
        if image := members.text(members.at(volume, "image"), "reference"):
            yield "images", (*path, ".image", ".reference"), image
    yield from names_policy.find_references(spec, SPEC)


def _is_given(topic: str, name: str, pods: Pods) -> bool:
    """Whether it is the operator's default for every pod."""
    return topic == "seccompProfiles" and name == pods.seccomp_profile


# ------------------------------------------------------------------------------------- by name


def _metadata(template: JSON) -> Iterator[NamedReference]:
    for key in members.at(template, "metadata", "labels"):
        yield "podLabels", (*LABELS, f"[{key}]"), key
    for key in members.at(template, "metadata", "annotations"):
        yield "annotations", (*ANNOTATIONS, f"[{key}]"), key


def _scheduling(spec: Mapping[str, JSON]) -> Iterator[NamedReference]:
    for field, topic in (
        ("priorityClassName", "priorityClasses"),
        ("schedulerName", "schedulers"),
        ("runtimeClassName", "runtimeClasses"),
    ):
        if name := members.text(spec, field):
            yield topic, (*SPEC, f".{field}"), name
    if name := members.text(spec, "nodeName"):
        yield "nodeSelectors", (*SPEC, ".nodeName"), f"metadata.name={name}"
    for key, value in members.at(spec, "nodeSelector").items():
        yield "nodeSelectors", (*SPEC, ".nodeSelector", f"[{key}]"), f"{key}={value}"
    yield from _affinity(spec)
    for path, toleration in _items(spec, "tolerations", SPEC):
        yield "tolerations", path, members.text(toleration, "key") or "<all>"
    security = members.at(spec, "securityContext")
    for path, sysctl in _items(security, "sysctls", _POD_SECURITY):
        # The kubelet accepts both notations of sysctl(8).
        yield "sysctls", path, members.text(sysctl, "name").replace("/", ".")


def _affinity(spec: Mapping[str, JSON]) -> Iterator[NamedReference]:
    affinity = members.at(spec, "affinity", "nodeAffinity")
    required, path = members.at(affinity, _REQUIRED), (*_AFFINITY, f".{_REQUIRED}")
    for place, term in _items(required, "nodeSelectorTerms", path):
        yield from _term(term, place)
    for place, weighted in _items(affinity, _PREFERRED, _AFFINITY):
        yield from _term(members.at(weighted, "preference"), (*place, ".preference"))


def _term(term: Mapping[str, JSON], path: Parts) -> Iterator[NamedReference]:
    for field in ("matchExpressions", "matchFields"):
        for place, requirement in _items(term, field, path):
            if members.text(requirement, "operator") in _SELECTING:
                values = requirement.get("values")
                chosen = (
                    values
                    if isinstance(values, list) and requirement["operator"] == "In"
                    else ["*"]
                )
                for value in chosen:
                    yield "nodeSelectors", place, f"{members.text(requirement, 'key')}={value}"


def _profiles(holder: Mapping[str, JSON], path: Parts) -> Iterator[NamedReference]:
    """Yield the profiles in the security context of a pod or container."""
    security, path = members.at(holder, "securityContext"), (*path, ".securityContext")
    for field, topic in (
        ("seccompProfile", "seccompProfiles"),
        ("appArmorProfile", "appArmorProfiles"),
    ):
        profile = members.at(security, field)
        if profile:
            at = members.text(profile, "localhostProfile")
            name = members.text(profile, "type") + (f"/{at}" if at else "")
            yield topic, (*path, f".{field}"), name
    options = members.at(security, "seLinuxOptions")
    for key, value in options.items():
        yield "seLinuxOptions", (*path, ".seLinuxOptions", f".{key}"), f"{key}={value}"


# ------------------------------------------------------------------------------------ security

PathMessage: TypeAlias = tuple[Parts, str]
_NO_HOST_PROCESS: Final = "expected no hostProcess, which no setting allows"
_HOST: Final = ("hostNetwork", "hostPID", "hostIPC")


def _security(spec: Mapping[str, JSON], pods: Pods) -> Iterator[PathMessage]:
    for field in _HOST:
        if spec.get(field):
            yield (*SPEC, f".{field}"), f"expected no {field}, which no setting allows"
    has_token = spec.get("automountServiceAccountToken") is not False
    if has_token and not pods.automount_service_account_token:
        path = (*SPEC, ".automountServiceAccountToken")
        yield path, _needs("no mounted API token", "automountServiceAccountToken: true")
    security = members.at(spec, "securityContext")
    yield from _user(security, _POD_SECURITY, pods)
    if _is_host_process(security):
        yield (
            (*_POD_SECURITY, ".windowsOptions"),
            _NO_HOST_PROCESS,
        )
    for place, container in _containers(spec):
        yield from _container(container, place, security, pods)


def _container(
    container: Mapping[str, JSON], path: Parts, pod: Mapping[str, JSON], pods: Pods
) -> Iterator[PathMessage]:
    for place, port in _items(container, "ports", path):
        if port.get("hostPort"):
            yield (*place, ".hostPort"), "expected no hostPort, which no setting allows"
    security, path = members.at(container, "securityContext"), (*path, ".securityContext")
    yield from _user(security, path, pods)
    yield from _isolation(security, path, pods)
    yield from _capabilities(members.at(security, "capabilities"), (*path, ".capabilities"), pods)
    if "seccompProfile" not in {**pod, **security} and pods.seccomp_profile != "Unconfined":
        yield (*path, ".seccompProfile"), _needs("a profile", "seccompProfile: Unconfined")
    non_root = security.get("runAsNonRoot", pod.get("runAsNonRoot"))
    if non_root is None and pods.run_as_non_root:
        yield (*path, ".runAsNonRoot"), _needs("true, got nothing", "runAsNonRoot: false")


def _user(security: Mapping[str, JSON], path: Parts, pods: Pods) -> Iterator[PathMessage]:
    """Check that a security context does not run as root."""
    if not pods.run_as_non_root:
        return
    if security.get("runAsNonRoot") is False:
        yield (*path, ".runAsNonRoot"), _needs("true, got false", "runAsNonRoot: false")
    if security.get("runAsUser") == 0:
        place = (*path, ".runAsUser")
        yield place, _needs("a non-root user, got 0", "runAsNonRoot: false")


def _isolation(security: Mapping[str, JSON], path: Parts, pods: Pods) -> Iterator[PathMessage]:
    if security.get("privileged"):
        yield (*path, ".privileged"), "expected false, got true, which no setting allows"
    if members.text(security, "procMount") not in {"", "Default"}:
        got = quoted(security["procMount"])
        yield (*path, ".procMount"), f"expected Default, got {got}, which no setting allows"
    if _is_host_process(security):
        yield (*path, ".windowsOptions"), _NO_HOST_PROCESS
    is_bound = security.get("allowPrivilegeEscalation") is False
    if not is_bound and not pods.allow_privilege_escalation:
        place = (*path, ".allowPrivilegeEscalation")
        yield place, _needs("false", "allowPrivilegeEscalation: true")


def _capabilities(given: Mapping[str, JSON], path: Parts, pods: Pods) -> Iterator[PathMessage]:
    added, dropped = {*members.texts(given, "add")}, {*members.texts(given, "drop")}
    for name in sorted(added - {*pods.capabilities.add}):
        yield (*path, ".add"), _needs(f"no {name}", f"capabilities: {{add: [{name}]}}")
    for name in sorted({*pods.capabilities.drop} - dropped):
        if "ALL" not in dropped:
            yield (*path, ".drop"), _needs(f"{name} to be dropped", "capabilities: {drop: []}")


def _is_host_process(security: Mapping[str, JSON]) -> bool:
    return bool(members.at(security, "windowsOptions").get("hostProcess"))


def _needs(expected: str, setting: str) -> str:
    return f"expected {expected}; only the operator's settings (pods: {setting}) allow it"


# -------------------------------------------------------------------------------------- members


def _containers(spec: Mapping[str, JSON]) -> Iterator[tuple[Parts, Mapping[str, JSON]]]:
    for field in _CONTAINERS:
        yield from _items(spec, field, SPEC)


def _items(
    holder: Mapping[str, JSON], field: str, path: Parts
) -> Iterator[tuple[Parts, Mapping[str, JSON]]]:
    """Yield the objects of a list with their paths."""
    member = holder.get(field)
    for index, item in enumerate(member if isinstance(member, list) else ()):
        if isinstance(item, Mapping):
            yield (*path, f".{field}", f"[{members.text(item, 'name') or index}]"), item
