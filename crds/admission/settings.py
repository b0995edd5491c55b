"""The operator's settings (``--settings FILE``), decoded strictly. Pure; see docs/policies.md.

Unknown keys are refused, because a misspelt policy would silently allow everything.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

import msgspec

from schemagen import FieldPath, Problem
from schemagen.problems import JSON, quoted
from schemagen.versions import durations


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
    """Allowed and denied names; ``*`` is a wildcard in patterns.

    Attributes:
        denied: Patterns of denied names; take precedence over allowed.
        allowed: Patterns of allowed names; an empty list allows nothing. None allows every name
            that is not unsafe by default.
    """

    denied: tuple[str, ...] = ()
    allowed: tuple[str, ...] | None = None


class Labels(Names, frozen=True):
    """Required, denied and allowed labels of a run."""

    required: tuple[str, ...] = ()


class Policy(_Strict, frozen=True):
    """Names that runs and their pods may use."""

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
    """Compute resources of a container (core/v1 ResourceRequirements)."""

    requests: Quantities = msgspec.field(default_factory=dict)
    limits: Quantities = msgspec.field(default_factory=dict)


class Pods(_Strict, frozen=True):
    """Pod defaults, which are also the minimum security of a pod.

    Attributes:
        image: Image of the runner, unless set by the run or its provider.
        service_account_name: As ``image``; empty for the namespace's default.
        resources: As ``image``, for each quantity.
        run_as_user: None leaves it to the image.
        run_as_group: None leaves it to the image.
        fs_group: None leaves volume ownership unchanged.
        start_timeout: Maximum time until the pod of a Job is running, unless set by the Agent; a
            duration such as ``1h30m``, ``0s`` for no limit.
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
    """The operator's settings file.

    Attributes:
        temporal: Temporal settings, read when the controller starts.
    """

    policy: Policy = Policy()
    pods: Pods = PODS
    temporal: Mapping[str, JSON] = msgspec.field(default_factory=dict)


# Names that an ordinary run does not need and that weaken the security of its pod or the cluster;
# only `allowed` of the operator's setting permits them.
UNSAFE: Final[Mapping[str, tuple[str, ...]]] = {
    # Audiences of the API server (kubeadm and clouds, k3s, old clusters): such a token is an API
    # credential. An empty audience defaults to them.
    "tokenAudiences": ("", "*kubernetes.default*", "api", "k3s", "rke2"),
    "priorityClasses": ("system-*",),
    # Labels by which the controller and Kubernetes identify Jobs and pods, and labels that enable
    # the injection of identities and containers.
    "podLabels": (
        "agents.proompteng.ai/*",
        "batch.kubernetes.io/*",
        "controller-uid",
        "job-name",
        "*.istio.io/*",
        "istio.io/*",
        "azure.workload.identity/*",
    ),
    # Profiles that predate their fields, and annotations that enable the injection of identities,
    # networks and containers.
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

# For these settings, only the listed names are allowed by default.
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
    # Profile Restricted, without csi: an inline driver may expose any of its own secrets.
    "volumeTypes": (
        *("configMap", "downwardAPI", "emptyDir", "ephemeral", "image"),
        *("persistentVolumeClaim", "projected", "secret"),
    ),
}


def read(settings: Mapping[str, JSON]) -> Settings:
    """Decode the settings of a validated file; absent settings have their defaults.

    Raises:
        msgspec.ValidationError: The mapping is not valid.
    """
    return decoded(msgspec.json.encode(settings)) if settings else DEFAULTS


DEFAULTS: Final = Settings()


def encoded(settings: Settings) -> bytes:
    """Encode settings for ``decoded``; defaults are omitted."""
    return msgspec.json.encode(settings)


@functools.lru_cache(maxsize=8)
def decoded(data: bytes) -> Settings:
    """Decode settings from JSON.

    Raises:
        msgspec.ValidationError: The JSON is not valid.
    """
    return msgspec.json.decode(data, type=Settings)


def problems(settings: Mapping[str, JSON]) -> list[Problem]:
    """Return the problems of a settings file."""
    try:
        converted = msgspec.convert(settings, Settings)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        path = FieldPath(tuple(re.findall(r"\.\w+", place)))
        return [Problem(path, f"{_lowered(message)}; docs/policies.md lists every setting")]
    return [*_pod_problems(converted.pods)]


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]


def _pod_problems(pods: Pods) -> Iterator[Problem]:
    path, profile = FieldPath().member("pods"), pods.seccomp_profile
    if profile not in {"RuntimeDefault", "Unconfined"} and not profile.startswith("Localhost/"):
        message = f"expected RuntimeDefault, Unconfined or Localhost/PATH, got {quoted(profile)}"
        yield Problem(path.member("seccompProfile"), message)
    if pods.run_as_user == 0 and pods.run_as_non_root:
        message = "expected a non-root user, got 0; root requires runAsNonRoot: false"
        yield Problem(path.member("runAsUser"), message)
    if durations.seconds_of(pods.start_timeout) is None:
        message = f"expected a duration such as 30m or 1h30m, got {quoted(pods.start_timeout)}"
        yield Problem(path.member("startTimeout"), message)
