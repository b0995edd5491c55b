"""The operator's settings (``--settings FILE``), read strictly. Pure; docs/policies.md has a table.

What is misspelt is refused and not passed over: a policy that nobody reads would allow everything.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

import msgspec

from schemagen import FieldPath, Problem
from schemagen.problems import JSON, quoted
from schemagen.versions import steps


class _Strict(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    rename="camel",
):
    """A mapping with known keys."""


class Names(_Strict, frozen=True):
    """Which names are allowed; in a pattern, ``*`` stands for any text.

    Attributes:
        denied: Patterns; they go before those allowed.
        allowed: Patterns; an empty list allows nothing. None is every name but those that are
            unsafe by default.
    """

    denied: tuple[str, ...] = ()
    allowed: tuple[str, ...] | None = None


class Labels(Names, frozen=True):
    """Which labels a run must, must not and may have."""

    required: tuple[str, ...] = ()


class Policy(_Strict, frozen=True):
    """What runs and their pods may name."""

    labels: Labels = Labels()
    images: Names = Names()
    secrets: Names = Names()
    config_maps: Names = Names()
    service_accounts: Names = Names()
    token_audiences: Names = Names()
    persistent_volume_claims: Names = Names()
    priority_classes: Names = Names()
    schedulers: Names = Names()
    runtime_classes: Names = Names()
    pod_labels: Names = Names()
    annotations: Names = Names()
    node_selectors: Names = Names()
    tolerations: Names = Names()
    sysctls: Names = Names()
    seccomp_profiles: Names = Names()
    app_armor_profiles: Names = Names()
    se_linux_options: Names = Names()
    volume_types: Names = Names()


class Capabilities(_Strict, frozen=True):
    """Linux capabilities of a container (core/v1 Capabilities)."""

    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ("ALL",)


Quantities: TypeAlias = Mapping[str, str | int | float]


class Resources(_Strict, frozen=True):
    """What a container needs and may use at most (core/v1 ResourceRequirements)."""

    requests: Quantities = msgspec.field(default_factory=dict)
    limits: Quantities = msgspec.field(default_factory=dict)


class Pods(_Strict, frozen=True):
    """What pods are given; who asks for less safety than this is refused.

    Attributes:
        image: Of the runner, where neither a run nor its provider names one.
        service_account_name: Likewise; empty is the namespace's default.
        resources: Likewise, each quantity.
        run_as_user: None leaves it to the image.
        run_as_group: Likewise.
        fs_group: None leaves volumes as they are.
        start_timeout: How long a Job may take to get its pod to run, where an agent does not say; a
            duration such as ``1h30m``, ``0s`` is without limit.
    """

    image: str = ""
    service_account_name: str = ""
    resources: Resources = Resources()
    automount_service_account_token: bool = False
    allow_privilege_escalation: bool = False
    capabilities: Capabilities = Capabilities()
    seccomp_profile: str = "RuntimeDefault"
    run_as_non_root: bool = True
    run_as_user: int | None = None
    run_as_group: int | None = None
    fs_group: int | None = None
    start_timeout: str = "1h"


PODS: Final = Pods()


class Settings(_Strict, frozen=True):
    """The whole file.

    Attributes:
        temporal: What the controller reads of Temporal when it starts.
    """

    policy: Policy = Policy()
    pods: Pods = PODS
    temporal: Mapping[str, JSON] = msgspec.field(default_factory=dict)


# What an ordinary run does not need, and what would undo the safety of its pod or of the cluster;
# `allowed` of the operator's setting can name it.
UNSAFE: Final[Mapping[str, tuple[str, ...]]] = {
    # The API server's own audiences (kubeadm and clouds, k3s, old clusters): such a token is a
    # credential of the API. An empty one means the same.
    "tokenAudiences": ("", "*kubernetes.default*", "api", "k3s", "rke2"),
    "priorityClasses": ("system-*",),
    # What the controller and Kubernetes know Jobs and pods by, and switches of what injects
    # identities and containers.
    "podLabels": (
        "agents.proompteng.ai/*",
        "batch.kubernetes.io/*",
        "controller-uid",
        "job-name",
        "*.istio.io/*",
        "istio.io/*",
        "azure.workload.identity/*",
    ),
    # Profiles before they were fields, and switches of what injects identities, networks and
    # containers.
    "annotations": (
        "container.apparmor.security.beta.kubernetes.io/*",
        "container.seccomp.security.alpha.kubernetes.io/*",
        "seccomp.security.alpha.kubernetes.io/*",
        "*.cri-o.io*",
        "io.kubernetes.cri*",
        "io.katacontainers.*",
        "sidecar.istio.io/*",
        "*.istio.io/*",
        "linkerd.io/*",
        "config.linkerd.io/*",
        "vault.hashicorp.com/*",
        "iam.amazonaws.com/*",
        "eks.amazonaws.com/*",
        "azure.workload.identity/*",
        "k8s.v1.cni.cncf.io/*",
        "cni.projectcalico.org/*",
        "dapr.io/*",
    ),
    "nodeSelectors": (
        "node-role.kubernetes.io/control-plane=*",
        "node-role.kubernetes.io/master=*",
        "node-role.kubernetes.io/etcd=*",
        "metadata.name=*",
    ),
    "tolerations": (
        "<all>",
        "node-role.kubernetes.io/control-plane",
        "node-role.kubernetes.io/master",
        "node-role.kubernetes.io/etcd",
    ),
}

# Of these, nothing else is allowed by default.
SAFE: Final[Mapping[str, tuple[str, ...]]] = {
    "schedulers": ("default-scheduler",),
    # Pod Security Standards, profile Baseline, of Kubernetes 1.37.
    "sysctls": (
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    ),
    "seccompProfiles": ("RuntimeDefault", "Localhost/*"),
    "appArmorProfiles": ("RuntimeDefault", "Localhost/*"),
    "seLinuxOptions": (
        "level=*",
        "type=container_t",
        "type=container_init_t",
        "type=container_kvm_t",
        "type=container_engine_t",
    ),
    # Profile Restricted, without csi: an inline driver may hand out any secret of its own.
    "volumeTypes": (
        *("configMap", "downwardAPI", "emptyDir", "ephemeral", "image"),
        *("persistentVolumeClaim", "projected", "secret"),
    ),
}


def read(settings: Mapping[str, JSON]) -> Settings:
    """The settings of a file's mapping; what was refused when the file was read is absent.

    Raises:
        msgspec.ValidationError: It is no such mapping.
    """
    return decoded(msgspec.json.encode(settings)) if settings else DEFAULTS


DEFAULTS: Final = Settings()


def encoded(settings: Settings) -> bytes:
    """The settings as ``decoded`` reads them; what is as by default is left out."""
    return msgspec.json.encode(settings)


@functools.lru_cache(maxsize=8)
def decoded(data: bytes) -> Settings:
    """Settings from their JSON.

    Raises:
        msgspec.ValidationError: It is none of them.
    """
    return msgspec.json.decode(data, type=Settings)


def problems(settings: Mapping[str, JSON]) -> list[Problem]:
    """What is wrong with a file's mapping."""
    try:
        found = msgspec.convert(settings, Settings)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        path = FieldPath(tuple(re.findall(r"\.\w+", place)))
        return [Problem(path, f"{_lowered(message)}; docs/policies.md names every setting")]
    return [*_pod_problems(found.pods)]


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]


def _pod_problems(pods: Pods) -> Iterator[Problem]:
    path, profile = FieldPath().member("pods"), pods.seccomp_profile
    if profile not in {"RuntimeDefault", "Unconfined"} and not profile.startswith("Localhost/"):
        message = f"expected RuntimeDefault, Unconfined or Localhost/PATH, got {quoted(profile)}"
        yield Problem(path.member("seccompProfile"), message)
    if pods.run_as_user == 0 and pods.run_as_non_root:
        message = "expected another user than root, got 0; root needs runAsNonRoot: false"
        yield Problem(path.member("runAsUser"), message)
    if steps.seconds_of(pods.start_timeout) is None:
        message = f"expected a duration such as 30m or 1h30m, got {quoted(pods.start_timeout)}"
        yield Problem(path.member("startTimeout"), message)
