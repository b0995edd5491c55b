"""Values of the chart's images and Deployments: controller and webhook server. Pure."""

from typing import Annotated, Any, Final, Literal, TypeAlias

import pydantic
from pydantic import Field
from pydantic.alias_generators import to_camel

from controllers.sources.repair.github_reader import PUBLIC_API
from webhooks.cluster import configuration
from webhooks.deployment import workloads
from webhooks.server.serve_settings import SERVER_PORT

JSON = dict[str, Any]

DNS_LABEL: Final = r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$"
# A quantity as people write it: 100m, 1.5, 256Mi.
QUANTITY: Final = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"

Name: TypeAlias = Annotated[str, Field(pattern=DNS_LABEL)]
Port: TypeAlias = Annotated[int, Field(ge=1024, le=65535)]
Quantity: TypeAlias = Annotated[str, Field(pattern=QUANTITY)]
Labels: TypeAlias = dict[str, str]


class Values(pydantic.BaseModel):
    """Base of every group of values: unknown names are errors."""

    model_config = pydantic.ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid"
    )


class Image(Values):
    """A container image."""

    repository: Annotated[str, Field(min_length=1)] = Field(
        description="Repository, with the registry."
    )
    tag: str = Field(default="", description="Tag. Defaults to the chart's appVersion.")
    digest: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")] = Field(
        default="", description="Digest (sha256:...), used instead of the tag."
    )


class MainImage(Image):
    """The image of the controller and the webhook server."""

    repository: Annotated[str, Field(min_length=1)] = Field(
        default="kubewright/agents", description="Repository, with the registry."
    )
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        default="IfNotPresent", description="Pull policy."
    )


class RunnerImage(Image):
    """The default image of runs."""

    repository: Annotated[str, Field(min_length=1)] = Field(
        default="kubewright/agent-runner", description="Repository, with the registry."
    )


class Resources(Values):
    """Resource requests and limits of a container."""

    requests: dict[Literal["cpu", "memory", "ephemeral-storage"], Quantity] = Field(
        default_factory=dict, description="Requests."
    )
    limits: dict[Literal["cpu", "memory", "ephemeral-storage"], Quantity] = Field(
        default_factory=dict, description="Limits. No CPU limit: throttling delays every API call."
    )


class Disruption(Values):
    """A PodDisruptionBudget."""

    enabled: bool = Field(
        default=True, description="Create a PodDisruptionBudget, if there are several replicas."
    )
    max_unavailable: Annotated[int, Field(ge=1)] = Field(
        default=1, description="Pods that a drain may evict at the same time."
    )


class Autoscaling(Values):
    """A HorizontalPodAutoscaler."""

    enabled: bool = Field(default=False, description="Create a HorizontalPodAutoscaler.")
    min_replicas: Annotated[int, Field(ge=1)] = Field(default=2, description="Minimum of replicas.")
    max_replicas: Annotated[int, Field(ge=1)] = Field(default=6, description="Maximum of replicas.")
    cpu: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=70, description="Target CPU utilization, in percent of the request."
    )


class Pods(Values):
    """Pods of a Deployment."""

    annotations: Labels = Field(default_factory=dict, description="Annotations of the pods.")
    labels: Labels = Field(default_factory=dict, description="Additional labels of the pods.")
    node_selector: Labels = Field(default_factory=dict, description="Node selector.")
    tolerations: list[JSON] = Field(default_factory=list, description="Tolerations.")
    affinity: JSON = Field(
        default_factory=dict,
        description="Affinity. The pods are spread over nodes and zones in any case.",
    )
    env: list[JSON] = Field(default_factory=list, description="Additional environment variables.")
    volumes: list[JSON] = Field(default_factory=list, description="Additional volumes.")
    volume_mounts: list[JSON] = Field(
        default_factory=list, description="Mounts of the additional volumes."
    )


class RunLimits(Values):
    """Limits on runs in flight."""

    namespace: Annotated[int, Field(ge=0)] = Field(
        default=10, description="Per namespace; 0 means no limit."
    )
    agent: Annotated[int, Field(ge=0)] = Field(
        default=5, description="Per agent; 0 means no limit."
    )
    cluster: Annotated[int, Field(ge=1, le=5000)] = Field(
        default=100, description="In the cluster."
    )


class Retention(Values):
    """Deletion of expired runs."""

    mode: Literal["Keep", "Archive", "Delete"] = Field(
        default="Keep",
        description="Keep all runs, archive expired runs in a volume before their deletion, or "
        "delete them without an archive.",
    )
    claim: Name = Field(
        default="",
        description="PersistentVolumeClaim of the archive, for mode Archive. With several "
        "replicas it has to be ReadWriteMany.",
    )


class Audit(Values):
    """The audit log."""

    mode: Literal["None", "Stdout", "File"] = Field(
        default="None",
        description="Audit log of deliveries and runs (docs/audit.md): none, on standard output, "
        "or in a file of each pod in a volume.",
    )
    claim: Name = Field(
        default="",
        description="PersistentVolumeClaim of the files, for mode File. With several replicas it "
        "has to be ReadWriteMany.",
    )


class Ingress(Values):
    """An Ingress."""

    enabled: bool = Field(default=False, description="Create an Ingress.")
    class_name: str = Field(
        default="", description="IngressClass. Defaults to that of the cluster."
    )
    host: str = Field(default="", description="Host name of the webhooks' URL.")
    tls_secret: str = Field(
        default="",
        description="Secret with the certificate of the host, in the release's namespace.",
    )
    annotations: Labels = Field(default_factory=dict, description="Annotations.")


class Sources(Values):
    """Issues of GitHub and Linear."""

    enabled: bool = Field(
        default=False,
        description="Receive deliveries of GitHub and Linear, and read GitHub's API "
        "(docs/sources.md). Their Secrets have to be in rbac.secrets.",
    )
    port: Port = Field(default=8090, description="Port of deliveries, without TLS.")
    github_api: Annotated[str, Field(pattern=r"^https?://[^ ]+$")] = Field(
        default=PUBLIC_API, description="Base URL of GitHub's REST API."
    )
    ingress: Ingress = Field(default_factory=Ingress, description="Ingress for deliveries.")


class Controller(Values):
    """The controller, which executes runs."""

    replicas: Annotated[int, Field(ge=1)] = Field(
        default=2, description="Replicas: one works, the others are hot standbys."
    )
    workers: Annotated[int, Field(ge=1)] = Field(
        default=16, description="Number of runs reconciled concurrently."
    )
    limits: RunLimits = Field(default_factory=RunLimits, description="Limits on runs in flight.")
    retention: Retention = Field(default_factory=Retention, description="Deletion of expired runs.")
    allow_endpoints: list[str] = Field(
        default_factory=list,
        description="Non-public destinations (CIDR or host) that Custom runs may call.",
    )
    audit: Audit = Field(default_factory=Audit, description="Audit log.")
    sources: Sources = Field(default_factory=Sources, description="Issues of GitHub and Linear.")
    temporal: str = Field(default="", description="HOST:PORT of a Temporal frontend.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Log level."
    )
    health_port: Port = Field(default=8080, description="Port of health and metrics.")
    resources: Resources = Field(
        default_factory=lambda: Resources(
            requests={"cpu": "100m", "memory": "256Mi"}, limits={"memory": "1Gi"}
        ),
        description="Resource requests and limits.",
    )
    disruption: Disruption = Field(default_factory=Disruption, description="PodDisruptionBudget.")
    pods: Pods = Field(default_factory=Pods, description="Pods of the Deployment.")


class Webhook(Values):
    """The webhook server, which answers admission and conversion reviews."""

    replicas: Annotated[int, Field(ge=1)] = Field(
        default=workloads.REPLICAS, description="Replicas, unless autoscaling is enabled."
    )
    workers: Annotated[int, Field(ge=1, le=64)] = Field(
        default=2, description="Worker processes of a replica."
    )
    port: Port = Field(default=SERVER_PORT, description="Port of the reviews.")
    service_port: Annotated[int, Field(ge=1, le=65535)] = Field(
        default=configuration.HTTPS_PORT,
        description="Port of the Service, which the API server calls.",
    )
    health_port: Port = Field(
        default=workloads.HEALTH_PORT, description="Port of health and metrics."
    )
    drain_seconds: Annotated[int, Field(ge=1, le=3600)] = Field(
        default=workloads.DRAIN_SECONDS,
        description="Time to answer the last requests after SIGTERM, in seconds.",
    )
    pre_stop_seconds: Annotated[int, Field(ge=0, le=300)] = Field(
        default=workloads.PRE_STOP_SECONDS,
        description="Pause before SIGTERM, until Services no longer route to the pod, in seconds.",
    )
    resources: Resources = Field(
        default_factory=lambda: Resources(**workloads.RESOURCES),
        description="Resource requests and limits.",
    )
    autoscaling: Autoscaling = Field(
        default_factory=Autoscaling, description="HorizontalPodAutoscaler."
    )
    disruption: Disruption = Field(default_factory=Disruption, description="PodDisruptionBudget.")
    pods: Pods = Field(default_factory=Pods, description="Pods of the Deployment.")
