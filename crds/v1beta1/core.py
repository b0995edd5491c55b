"""Types shared by the v1beta1 kinds: names, references, and the parts of core/v1 that runs use.

The core/v1 parts keep Kubernetes' field names and structure, so that a pod's YAML can be pasted.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemagen import Cel, Column, Condition, ListMap, Model, exactly_one_of
from schemagen.model.markers import Atomic
from schemagen.model.wire import Int32, Int64, Quantity, Timestamp

Name = Annotated[str, Field(min_length=1, max_length=253)]
"""The name of a Kubernetes object."""
Key = Annotated[str, Field(min_length=1, max_length=253)]
"""Reference to a key of a Secret or ConfigMap."""
LabelKey = Annotated[str, Field(min_length=1, max_length=317)]
LabelValue = Annotated[str, Field(max_length=63)]
EnvName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[ -<>-~]+$")]
"""The name of an environment variable: printable ASCII without the equals sign.

See IsRelaxedEnvVarName in apimachinery 0.37 (KEP-4369).
"""
EnvValue = Annotated[str, Field(max_length=32768)]
Path = Annotated[str, Field(min_length=1, max_length=1024)]
ShortText = Annotated[str, Field(max_length=1024)]
Word = Annotated[str, Field(min_length=1, max_length=256)]
SourceProvider = Literal["GitHub", "Linear", "Manual", "Custom"]
"""Systems from which a task may originate."""

Conditions = Annotated[list[Condition], ListMap("type"), Field(max_length=16)]
ObservedGeneration = Annotated[
    Int64, Field(description="Most recent metadata.generation observed by the controller.")
]
LastUpdateTime = Annotated[
    Timestamp, Field(description="Time at which this status was last written.")
]

READY = Column("Ready", '.status.conditions[?(@.type=="Ready")].status')
AGE = Column("Age", ".metadata.creationTimestamp", type="date")

VALUE_OR_SOURCE = Cel(
    "!(has(self.value) && has(self.valueFrom))", "value and valueFrom are mutually exclusive"
)
"""Rule for a field with value or valueFrom; without either, the value is empty."""


class NameRef(Model):
    """Reference to an object in the same namespace."""

    name: Name = Field(description="Name of the object, in the same namespace.")


class KeyRef(Model):
    """Reference to a key of a Secret or ConfigMap in the same namespace."""

    name: Name = Field(description="Name of the Secret or ConfigMap, in the same namespace.")
    key: Key = Field(description="Key of the Secret or ConfigMap.")


class ValueSource(Model, rules=[exactly_one_of("secretKeyRef", "configMapKeyRef")]):
    """Source of a value."""

    secret_key_ref: KeyRef | None = Field(default=None, description="Key of a Secret.")
    config_map_key_ref: KeyRef | None = Field(default=None, description="Key of a ConfigMap.")


def only_with(tag: str, word: str, arm: str) -> Cel:
    """Rule: the union member may be set only with its discriminator value."""
    return Cel(
        f"self.{tag} == '{word}' || !has(self.{arm})",
        f"{arm} requires {tag} {word}",
        reason="FieldValueForbidden",
        field_path=f".{arm}",
    )


def union_by(tag: str, **arms: str) -> list[Cel]:
    """Rules of a discriminated union: each member is set if and only if the tag selects it."""
    return [
        rule
        for arm, word in arms.items()
        for rule in (
            only_with(tag, word, arm),
            Cel(
                f"self.{tag} != '{word}' || has(self.{arm})",
                f"{tag} {word} requires {arm}",
                reason="FieldValueRequired",
                field_path=f".{arm}",
            ),
        )
    ]


class LabelSelectorRequirement(Model):
    """A requirement on a label."""

    key: LabelKey = Field(description="Label key that the selector applies to.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(
        description="Relationship of the key to the values."
    )
    values: Annotated[list[LabelValue], Atomic(), Field(max_length=64)] | None = Field(
        default=None,
        description="Values for In and NotIn; must be empty for Exists and DoesNotExist.",
    )


class LabelSelector(Model):
    """A label selector; an empty selector matches all objects."""

    match_labels: Annotated[dict[str, LabelValue], Field(max_length=64)] | None = Field(
        default=None, description="Labels that must be present with these values."
    )
    match_expressions: (
        Annotated[list[LabelSelectorRequirement], Atomic(), Field(max_length=64)] | None
    ) = Field(default=None, description="Requirements, all of which must be met.")


class Toleration(Model):
    """A toleration for a node taint."""

    key: Annotated[str, Field(max_length=317)] | None = Field(
        default=None,
        description="Taint key that is tolerated. Absent with operator Exists, it matches all "
        "keys.",
    )
    operator: Literal["Exists", "Equal", "Lt", "Gt"] | None = Field(
        default=None, description="Relationship of the key to the value. Defaults to Equal."
    )
    value: Annotated[str, Field(max_length=63)] | None = Field(
        default=None,
        description="Taint value that is tolerated; must be empty with operator Exists.",
    )
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Taint effect that is tolerated. Defaults to all effects."
    )
    toleration_seconds: Int64 | None = Field(
        default=None,
        description="Seconds for which a NoExecute taint is tolerated. Defaults to forever.",
    )


class TopologySpreadConstraint(Model):
    """How pods are spread across topology domains."""

    max_skew: Int32 = Field(
        description="Maximum difference in matching pods between two topology domains."
    )
    topology_key: LabelKey = Field(description="Node label that defines the topology domains.")
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = Field(
        description="How to handle a pod that does not satisfy the constraint."
    )
    label_selector: LabelSelector | None = Field(
        default=None, description="Pods that are counted in each domain."
    )
    min_domains: Int32 | None = Field(
        default=None, description="Minimum number of eligible domains."
    )
    match_label_keys: Annotated[list[LabelKey], Atomic(), Field(max_length=16)] | None = Field(
        default=None, description="Pod label keys whose values are added to the selector."
    )
    node_affinity_policy: Literal["Honor", "Ignore"] | None = Field(
        default=None,
        description="Whether node affinity and node selector limit the nodes counted. "
        "Defaults to Honor.",
    )
    node_taints_policy: Literal["Honor", "Ignore"] | None = Field(
        default=None, description="Whether node taints limit the nodes counted. Defaults to Ignore."
    )


class NodeSelectorRequirement(Model):
    """A requirement on a node's label or field."""

    key: LabelKey = Field(description="Label or field that the requirement applies to.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = Field(
        description="Relationship of the key to the values."
    )
    values: Annotated[list[LabelValue], Atomic(), Field(max_length=64)] | None = Field(
        default=None, description="Values for the operator."
    )


class NodeSelectorTerm(Model):
    """Requirements on a node, all of which must be met."""

    match_expressions: (
        Annotated[list[NodeSelectorRequirement], Atomic(), Field(max_length=32)] | None
    ) = Field(default=None, description="Requirements on node labels.")
    match_fields: (
        Annotated[list[NodeSelectorRequirement], Atomic(), Field(max_length=32)] | None
    ) = Field(default=None, description="Requirements on node fields, such as metadata.name.")


class NodeSelector(Model):
    """A node selector: nodes that match at least one of the terms."""

    node_selector_terms: Annotated[list[NodeSelectorTerm], Atomic(), Field(max_length=32)] = Field(
        description="Node selector terms, at least one of which must match."
    )


class PreferredNodes(Model):
    """A weighted node selector term."""

    weight: Int32 = Field(description="Weight of the term, from 1 to 100.")
    preference: NodeSelectorTerm = Field(description="Node selector term to prefer.")


class NodeAffinity(Model):
    """Node affinity scheduling rules."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = Field(
        default=None, description="Required node selector."
    )
    preferred_during_scheduling_ignored_during_execution: (
        Annotated[list[PreferredNodes], Atomic(), Field(max_length=32)] | None
    ) = Field(default=None, description="Preferred node selector terms.")


class PodAffinityTerm(Model):
    """A set of pods with which to be co-located, or not, by topology domain."""

    topology_key: LabelKey = Field(description="Node label that defines the topology domains.")
    label_selector: LabelSelector | None = Field(
        default=None, description="Label selector of the pods."
    )
    namespaces: Annotated[list[Name], Atomic(), Field(max_length=32)] | None = Field(
        default=None, description="Namespaces of the pods. Defaults to the pod's own namespace."
    )
    namespace_selector: LabelSelector | None = Field(
        default=None, description="Label selector of the pods' namespaces."
    )
    match_label_keys: Annotated[list[LabelKey], Atomic(), Field(max_length=16)] | None = Field(
        default=None, description="Pod label keys whose values are added to the selector."
    )
    mismatch_label_keys: Annotated[list[LabelKey], Atomic(), Field(max_length=16)] | None = Field(
        default=None, description="Pod label keys whose values are excluded by the selector."
    )


class PreferredPods(Model):
    """A weighted pod affinity term."""

    weight: Int32 = Field(description="Weight of the term, from 1 to 100.")
    pod_affinity_term: PodAffinityTerm = Field(description="Pod affinity term to prefer.")


class PodAffinity(Model):
    """Pod affinity or anti-affinity scheduling rules."""

    required_during_scheduling_ignored_during_execution: (
        Annotated[list[PodAffinityTerm], Atomic(), Field(max_length=16)] | None
    ) = Field(default=None, description="Required terms, all of which must be satisfied.")
    preferred_during_scheduling_ignored_during_execution: (
        Annotated[list[PreferredPods], Atomic(), Field(max_length=16)] | None
    ) = Field(default=None, description="Preferred terms.")


class Affinity(Model):
    """Affinity and anti-affinity rules of a pod."""

    node_affinity: NodeAffinity | None = Field(default=None, description="Node affinity rules.")
    pod_affinity: PodAffinity | None = Field(default=None, description="Pod affinity rules.")
    pod_anti_affinity: PodAffinity | None = Field(
        default=None, description="Pod anti-affinity rules."
    )


class SELinuxOptions(Model):
    """SELinux context of a pod's processes."""

    user: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="SELinux user label."
    )
    role: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="SELinux role label."
    )
    type: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="SELinux type label."
    )
    level: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="SELinux level label."
    )


class SeccompProfile(Model):
    """Seccomp profile of a pod's processes."""

    type: Literal["Unconfined", "RuntimeDefault", "Localhost"] = Field(
        description="Type of the seccomp profile."
    )
    localhost_profile: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None,
        description="Path of the profile on the node, relative to the kubelet's seccomp "
        "directory. For type Localhost only.",
    )


class Sysctl(Model):
    """A kernel parameter."""

    name: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        description="Name of the parameter."
    )
    value: Annotated[str, Field(max_length=1024)] = Field(description="Value of the parameter.")


class PodSecurityContext(Model):
    """Pod-level security attributes."""

    run_as_user: Int64 | None = Field(default=None, description="User ID (UID) of the processes.")
    run_as_group: Int64 | None = Field(default=None, description="Group ID (GID) of the processes.")
    run_as_non_root: bool | None = Field(
        default=None, description="Whether the containers must run as a non-root user."
    )
    supplemental_groups: Annotated[list[Int64], Atomic(), Field(max_length=64)] | None = Field(
        default=None, description="Supplemental group IDs of the processes."
    )
    fs_group: Int64 | None = Field(default=None, description="Group ID that owns the volumes.")
    fs_group_change_policy: Literal["OnRootMismatch", "Always"] | None = Field(
        default=None,
        description="Policy for changing the ownership of volumes. Defaults to Always.",
    )
    se_linux_options: SELinuxOptions | None = Field(
        default=None, description="SELinux context of the containers."
    )
    seccomp_profile: SeccompProfile | None = Field(
        default=None, description="Seccomp profile of the containers."
    )
    sysctls: Annotated[list[Sysctl], Atomic(), Field(max_length=32)] | None = Field(
        default=None, description="Namespaced kernel parameters of the pod."
    )


class ResourceRequirements(Model):
    """Compute resources of a container."""

    requests: Annotated[dict[str, Quantity], Field(max_length=32)] | None = Field(
        default=None, description="Minimum resources, reserved by the scheduler, such as cpu: 250m."
    )
    limits: Annotated[dict[str, Quantity], Field(max_length=32)] | None = Field(
        default=None, description="Maximum resources."
    )


class PodTemplate(Model):
    """Pod settings that a run may choose."""

    service_account_name: Name | None = Field(
        default=None, description="ServiceAccount of the pods."
    )
    node_selector: Annotated[dict[str, LabelValue], Field(max_length=64)] | None = Field(
        default=None, description="Labels that a node must have."
    )
    tolerations: Annotated[list[Toleration], Atomic(), Field(max_length=32)] | None = Field(
        default=None, description="Tolerations of the pods."
    )
    affinity: Affinity | None = Field(
        default=None, description="Affinity and anti-affinity rules of the pods."
    )
    topology_spread_constraints: (
        Annotated[list[TopologySpreadConstraint], Atomic(), Field(max_length=16)] | None
    ) = Field(default=None, description="Topology spread constraints of the pods.")
    security_context: PodSecurityContext | None = Field(
        default=None, description="Pod-level security attributes."
    )
    priority_class_name: Name | None = Field(default=None, description="PriorityClass of the pods.")
    scheduler_name: Name | None = Field(
        default=None, description="Name of the scheduler of the pods."
    )
    image_pull_secrets: Annotated[list[NameRef], ListMap("name"), Field(max_length=16)] | None = (
        Field(default=None, description="Secrets for pulling images.")
    )
    resources: ResourceRequirements | None = Field(
        default=None,
        description="Compute resources of the runner, unless the workload sets its own.",
    )


__all__ = [
    "VALUE_OR_SOURCE",
    "Affinity",
    "Conditions",
    "EnvName",
    "EnvValue",
    "Key",
    "KeyRef",
    "LabelSelector",
    "LastUpdateTime",
    "Name",
    "NameRef",
    "ObservedGeneration",
    "Path",
    "PodSecurityContext",
    "PodTemplate",
    "ResourceRequirements",
    "ShortText",
    "SourceProvider",
    "Toleration",
    "TopologySpreadConstraint",
    "ValueSource",
    "Word",
    "only_with",
    "union_by",
]
