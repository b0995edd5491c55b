"""The values of the Helm chart as a model: defaults, descriptions, schema. Pure."""

from typing import Annotated, Literal

from pydantic import Field

from controllers.agentctl.chart.workload_values import (
    JSON,
    Controller,
    Labels,
    MainImage,
    Name,
    RunnerImage,
    Values,
    Webhook,
)


class Issuer(Values):
    """An issuer of cert-manager."""

    name: Name = Field(
        default="", description="Name. Empty for an Issuer of this chart that signs itself."
    )
    kind: Literal["Issuer", "ClusterIssuer"] = Field(default="Issuer", description="Kind.")
    group: str = Field(default="cert-manager.io", description="API group.")


class Certificates(Values):
    """The serving certificate of the webhook server."""

    mode: Literal["SelfManaged", "CertManager", "OwnSecret"] = Field(
        default="SelfManaged",
        description="SelfManaged: a CA that the replicas share and rotate. CertManager: a "
        "Certificate of cert-manager, whose cainjector writes the caBundles. OwnSecret: an "
        "existing Secret.",
    )
    secret_name: Name = Field(
        default="",
        description="Secret with ca.crt, tls.crt and tls.key, for mode OwnSecret; for the other "
        "modes its name, by default derived from the release's.",
    )
    issuer: Issuer = Field(default_factory=Issuer, description="Issuer, for mode CertManager.")


class Runs(Values):
    """The namespaces of runs."""

    namespace: Name = Field(
        default="",
        description="The only namespace whose runs are executed and whose objects are admitted; "
        "all namespaces if empty. Conversion is always for the whole cluster.",
    )


class Definitions(Values):
    """The CustomResourceDefinitions."""

    install: Literal["Hook", "Chart", "None"] = Field(
        default="Hook",
        description="Hook: applied before install and upgrade by a Job with the image's own "
        "CRDs. Chart: rendered with the other objects, for GitOps without hooks. None: installed "
        "by someone else.",
    )
    storage: Annotated[str, Field(pattern=r"^(v[0-9]+((alpha|beta)[0-9]+)?)?$")] = Field(
        default="", description="Storage version, for install Hook. Defaults to the newest."
    )
    preflight: bool = Field(
        default=True,
        description="Before the CRDs are applied, for install Hook, judge all objects, and refuse "
        "the install or upgrade if writes of them would be refused or fields lost.",
    )


class Uninstall(Values):
    """Steps before an uninstall."""

    webhooks: bool = Field(
        default=True,
        description="Before an uninstall, rewrite all objects in the storage version and end "
        "conversion and admission, so that no object depends on a server that is gone.",
    )


class Rbac(Values):
    """Roles."""

    create: bool = Field(default=True, description="Create roles and role bindings.")
    owner_references: bool = Field(
        default=False,
        description="Allow what the admission plugin OwnerReferencesPermissionEnforcement "
        "demands (OpenShift).",
    )
    secrets: dict[str, list[str]] = Field(
        default_factory=dict,
        description="Names of the Secrets that the controller may read, by namespace: those of "
        'Memories, VersionControlProviders and ImplementationSources; "*" means all of a namespace '
        "(docs/readiness.md).",
    )


class ServiceAccounts(Values):
    """Service accounts."""

    annotations: Labels = Field(default_factory=dict, description="Annotations.")


class NetworkPolicy(Values):
    """NetworkPolicies of the controller and the webhook server."""

    enabled: bool = Field(default=True, description="Create NetworkPolicies.")
    # An empty list would allow every port.
    api_server_ports: list[Annotated[int, Field(ge=1, le=65535)]] = Field(
        default=[443, 6443], min_length=1, description="Ports of the API server."
    )
    webhook_clients: list[JSON] = Field(
        default_factory=list,
        description="Peers that may send reviews: the API server's addresses, where known. All "
        "if empty.",
    )
    metrics_clients: list[JSON] = Field(
        default_factory=list,
        description="Peers that may read metrics, such as Prometheus. All if empty.",
    )
    source_clients: list[JSON] = Field(
        default_factory=list,
        description="Peers that may deliver issues, such as the ingress controller. All if empty.",
    )
    controller_egress: list[JSON] = Field(
        default_factory=list,
        description="Additional egress rules of the controller, for Temporal, Custom runs, stores "
        "of Memories and a GitHub on another port than 443.",
    )


class ServiceMonitor(Values):
    """ServiceMonitors of the Prometheus Operator."""

    enabled: bool = Field(default=False, description="Create ServiceMonitors.")
    interval: Annotated[str, Field(pattern=r"^[0-9]+(ms|s|m)$")] = Field(
        default="30s", description="Scrape interval."
    )
    labels: Labels = Field(default_factory=dict, description="Additional labels.")


class PriorityClass(Values):
    """The priority of the pods."""

    name: str = Field(
        default="",
        description="PriorityClass of the pods, such as system-cluster-critical. Without the "
        "webhook server no object of the API can be written.",
    )
    create: bool = Field(default=False, description="Create a PriorityClass of that name.")
    value: Annotated[int, Field(ge=0, le=1_000_000_000)] = Field(
        default=1_000_000, description="Value of the created PriorityClass."
    )


class ChartValues(Values):
    """Values of the chart."""

    image: MainImage = Field(
        default_factory=MainImage, description="Image of the controller and the webhook server."
    )
    runner_image: RunnerImage = Field(
        default_factory=RunnerImage,
        description="Image of runs whose spec and provider set none.",
    )
    image_pull_secrets: list[dict[Literal["name"], str]] = Field(
        default_factory=list, description="Pull secrets of the pods."
    )
    name_override: Name = Field(default="", description="Replaces the chart's name in names.")
    fullname_override: Name = Field(default="", description="Replaces the names' prefix.")
    runs: Runs = Field(default_factory=Runs, description="The namespaces of runs.")
    settings: JSON = Field(
        default_factory=dict,
        description="The operator's policy and pod defaults (docs/policies.md), for the "
        "controller and the webhook server.",
    )
    controller: Controller = Field(
        default_factory=Controller, description="The controller, which executes runs."
    )
    webhook: Webhook = Field(
        default_factory=Webhook,
        description="The webhook server, which answers admission and conversion reviews.",
    )
    listen: Literal["0.0.0.0", "::"] = Field(  # noqa: S104 - the pods' own network
        default="0.0.0.0",  # noqa: S104 - likewise
        description="Address that the pods listen on; :: in IPv6 and dual-stack clusters.",
    )
    certificates: Certificates = Field(
        default_factory=Certificates, description="Serving certificate of the webhook server."
    )
    crds: Definitions = Field(default_factory=Definitions, description="CustomResourceDefinitions.")
    uninstall: Uninstall = Field(default_factory=Uninstall, description="Uninstalling.")
    rbac: Rbac = Field(default_factory=Rbac, description="Roles (docs/rbac.md).")
    service_accounts: ServiceAccounts = Field(
        default_factory=ServiceAccounts, description="Service accounts."
    )
    network_policy: NetworkPolicy = Field(
        default_factory=NetworkPolicy, description="NetworkPolicies."
    )
    service_monitor: ServiceMonitor = Field(
        default_factory=ServiceMonitor, description="ServiceMonitors of the Prometheus Operator."
    )
    priority_class: PriorityClass = Field(
        default_factory=PriorityClass, description="Priority of the pods."
    )
    global_: JSON = Field(
        default_factory=dict, alias="global", description="Helm's global values; not used."
    )
