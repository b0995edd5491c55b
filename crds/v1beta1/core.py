"""Shapes that v1beta1 kinds share: names, references, and the parts of core/v1 that runs use.

Field names and forms of the core/v1 parts are Kubernetes' own, so that a pod's YAML can be pasted.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemagen import Cel, Condition, ListMap, Model, exactly_one_of
from schemagen.model.markers import Atomic
from schemagen.model.wire import Int32, Int64, Quantity, Timestamp

Name = Annotated[str, Field(min_length=1, max_length=253)]
"""The name of a Kubernetes object."""
Key = Annotated[str, Field(min_length=1, max_length=253)]
"""A key of a Secret or ConfigMap."""
LabelKey = Annotated[str, Field(min_length=1, max_length=317)]
LabelValue = Annotated[str, Field(max_length=63)]
EnvName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[ -<>-~]+$")]
"""The name of an environment variable: printable ASCII without the equals sign.

As IsRelaxedEnvVarName of apimachinery 0.37 has it.
"""
EnvValue = Annotated[str, Field(max_length=32768)]
Path = Annotated[str, Field(min_length=1, max_length=1024)]
ShortText = Annotated[str, Field(max_length=1024)]
Word = Annotated[str, Field(min_length=1, max_length=256)]
SourceProvider = Literal["GitHub", "Linear", "Manual", "Custom"]
"""Where an implementation may come from."""

Conditions = Annotated[list[Condition], ListMap("type"), Field(max_length=16)]
ObservedGeneration = Annotated[
    Int64, Field(description="The metadata.generation that was last seen.")
]
LastUpdateTime = Annotated[Timestamp, Field(description="When this status was last written.")]

ONE_VALUE = Cel(
    "!(has(self.value) && has(self.valueFrom))", "value and valueFrom exclude each other"
)
"""Rule for what has a value or takes it from elsewhere; with neither, the value is empty."""


class NameRef(Model):
    """The name of an object in the same namespace."""

    name: Name = Field(description="Name of the object, in the same namespace.")


class KeyRef(Model):
    """A key of a Secret or ConfigMap in the same namespace."""

    name: Name = Field(description="Name of the Secret or ConfigMap, in the same namespace.")
    key: Key = Field(description="Key whose value is meant.")


class ValueSource(Model, rules=[exactly_one_of("secretKeyRef", "configMapKeyRef")]):
    """Where a value comes from when it is not written out."""

    secret_key_ref: KeyRef | None = Field(default=None, description="A key of a Secret.")
    config_map_key_ref: KeyRef | None = Field(default=None, description="A key of a ConfigMap.")


def only_with(tag: str, word: str, arm: str) -> Cel:
    """Rule for a field that stands only with its word of a tag."""
    return Cel(
        f"self.{tag} == '{word}' || !has(self.{arm})",
        f"{arm} needs {tag} {word}",
        reason="FieldValueForbidden",
        field_path=f".{arm}",
    )


def union_by(tag: str, **arms: str) -> list[Cel]:
    """Rules for a union with a tag: each arm stands with its word of the tag, and only with it."""
    return [
        rule
        for arm, word in arms.items()
        for rule in (
            only_with(tag, word, arm),
            Cel(
                f"self.{tag} != '{word}' || has(self.{arm})",
                f"{tag} {word} needs {arm}",
                reason="FieldValueRequired",
                field_path=f".{arm}",
            ),
        )
    ]


class LabelSelectorRequirement(Model):
    """One condition on a label."""

    key: LabelKey = Field(description="Label that the condition is about.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(
        description="How the label relates to the values."
    )
    values: Annotated[list[LabelValue], Atomic(), Field(max_length=64)] | None = Field(
        default=None, description="Values for In and NotIn; empty for the others."
    )


class LabelSelector(Model):
    """A choice of objects by their labels; an empty one chooses all."""

    match_labels: Annotated[dict[str, LabelValue], Field(max_length=64)] | None = Field(
        default=None, description="Labels that must have exactly these values."
    )
    match_expressions: (
        Annotated[list[LabelSelectorRequirement], Atomic(), Field(max_length=64)] | None
    ) = Field(default=None, description="Conditions that must all hold.")


class Toleration(Model):
    """A taint of nodes that the pod tolerates."""

    key: Annotated[str, Field(max_length=317)] | None = Field(
        default=None, description="Taint that is tolerated; absent with operator Exists means all."
    )
    operator: Literal["Exists", "Equal", "Lt", "Gt"] | None = Field(
        default=None, description="How the key relates to the value; Equal if absent."
    )
    value: Annotated[str, Field(max_length=63)] | None = Field(
        default=None, description="Value of the taint; empty with operator Exists."
    )
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect that is tolerated; absent means every effect."
    )
    toleration_seconds: Int64 | None = Field(
        default=None, description="How many seconds a NoExecute taint is tolerated; absent: always."
    )


class TopologySpreadConstraint(Model):
    """How pods spread over the values of a node label."""

    max_skew: Int32 = Field(description="Largest allowed difference of pods between two values.")
    topology_key: LabelKey = Field(description="Node label whose values are spread over.")
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = Field(
        description="What happens to a pod that would break the constraint."
    )
    label_selector: LabelSelector | None = Field(default=None, description="Pods that are counted.")
    min_domains: Int32 | None = Field(
        default=None, description="Least number of values that must be available."
    )
    match_label_keys: Annotated[list[LabelKey], Atomic(), Field(max_length=16)] | None = Field(
        default=None, description="Labels of the pod whose values join the selector."
    )
    node_affinity_policy: Literal["Honor", "Ignore"] | None = Field(
        default=None, description="Whether the pod's node affinity limits the nodes counted."
    )
    node_taints_policy: Literal["Honor", "Ignore"] | None = Field(
        default=None, description="Whether taints limit the nodes counted."
    )


class NodeSelectorRequirement(Model):
    """One condition on a node's label or field."""

    key: LabelKey = Field(description="Label or field that the condition is about.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = Field(
        description="How the label relates to the values."
    )
    values: Annotated[list[LabelValue], Atomic(), Field(max_length=64)] | None = Field(
        default=None, description="Values to compare with."
    )


class NodeSelectorTerm(Model):
    """Conditions on a node that must all hold."""

    match_expressions: (
        Annotated[list[NodeSelectorRequirement], Atomic(), Field(max_length=32)] | None
    ) = Field(default=None, description="Conditions on labels.")
    match_fields: (
        Annotated[list[NodeSelectorRequirement], Atomic(), Field(max_length=32)] | None
    ) = Field(default=None, description="Conditions on fields, such as metadata.name.")


class NodeSelector(Model):
    """Nodes that fit at least one of the terms."""

    node_selector_terms: Annotated[list[NodeSelectorTerm], Atomic(), Field(max_length=32)] = Field(
        description="Terms, of which one must fit."
    )


class PreferredNodes(Model):
    """Nodes that are preferred by so much."""

    weight: Int32 = Field(description="How much such a node is preferred, from 1 to 100.")
    preference: NodeSelectorTerm = Field(description="Which nodes.")


class NodeAffinity(Model):
    """Which nodes a pod needs or prefers."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = Field(
        default=None, description="Nodes that the pod needs."
    )
    preferred_during_scheduling_ignored_during_execution: (
        Annotated[list[PreferredNodes], Atomic(), Field(max_length=32)] | None
    ) = Field(default=None, description="Nodes that the pod prefers.")


class PodAffinityTerm(Model):
    """Pods to be near to or far from, by a node label."""

    topology_key: LabelKey = Field(description="Node label that says what near is.")
    label_selector: LabelSelector | None = Field(default=None, description="Which pods.")
    namespaces: Annotated[list[Name], Atomic(), Field(max_length=32)] | None = Field(
        default=None, description="Namespaces of those pods; absent: the pod's own."
    )
    namespace_selector: LabelSelector | None = Field(
        default=None, description="Namespaces of those pods by their labels."
    )
    match_label_keys: Annotated[list[LabelKey], Atomic(), Field(max_length=16)] | None = Field(
        default=None, description="Labels of the pod whose values join the selector."
    )
    mismatch_label_keys: Annotated[list[LabelKey], Atomic(), Field(max_length=16)] | None = Field(
        default=None, description="Labels of the pod whose values are excluded by the selector."
    )


class PreferredPods(Model):
    """Pods that are preferred near or far by so much."""

    weight: Int32 = Field(description="How much the term counts, from 1 to 100.")
    pod_affinity_term: PodAffinityTerm = Field(description="Which pods.")


class PodAffinity(Model):
    """Which pods a pod needs or prefers to be near to, or far from."""

    required_during_scheduling_ignored_during_execution: (
        Annotated[list[PodAffinityTerm], Atomic(), Field(max_length=16)] | None
    ) = Field(default=None, description="Terms that must all hold.")
    preferred_during_scheduling_ignored_during_execution: (
        Annotated[list[PreferredPods], Atomic(), Field(max_length=16)] | None
    ) = Field(default=None, description="Terms that are preferred.")


class Affinity(Model):
    """Scheduling constraints of a pod."""

    node_affinity: NodeAffinity | None = Field(default=None, description="By node.")
    pod_affinity: PodAffinity | None = Field(default=None, description="Near to pods.")
    pod_anti_affinity: PodAffinity | None = Field(default=None, description="Far from pods.")


class SELinuxOptions(Model):
    """SELinux labels of a pod's processes."""

    user: Annotated[str, Field(max_length=253)] | None = Field(default=None, description="User.")
    role: Annotated[str, Field(max_length=253)] | None = Field(default=None, description="Role.")
    type: Annotated[str, Field(max_length=253)] | None = Field(default=None, description="Type.")
    level: Annotated[str, Field(max_length=253)] | None = Field(default=None, description="Level.")


class SeccompProfile(Model):
    """Which system calls a pod's processes may make."""

    type: Literal["Unconfined", "RuntimeDefault", "Localhost"] = Field(
        description="Where the profile comes from."
    )
    localhost_profile: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None, description="Path of the profile on the node, for type Localhost."
    )


class Sysctl(Model):
    """A kernel parameter."""

    name: Annotated[str, Field(min_length=1, max_length=253)] = Field(description="Its name.")
    value: Annotated[str, Field(max_length=1024)] = Field(description="Its value.")


class PodSecurityContext(Model):
    """Who a pod's processes run as."""

    run_as_user: Int64 | None = Field(default=None, description="User id of the processes.")
    run_as_group: Int64 | None = Field(default=None, description="Group id of the processes.")
    run_as_non_root: bool | None = Field(
        default=None, description="Whether the kubelet refuses to start processes as root."
    )
    supplemental_groups: Annotated[list[Int64], Atomic(), Field(max_length=64)] | None = Field(
        default=None, description="Further group ids."
    )
    fs_group: Int64 | None = Field(default=None, description="Group id that owns the volumes.")
    fs_group_change_policy: Literal["OnRootMismatch", "Always"] | None = Field(
        default=None, description="When the ownership of volumes is changed."
    )
    se_linux_options: SELinuxOptions | None = Field(default=None, description="SELinux labels.")
    seccomp_profile: SeccompProfile | None = Field(default=None, description="Seccomp profile.")
    sysctls: Annotated[list[Sysctl], Atomic(), Field(max_length=32)] | None = Field(
        default=None, description="Kernel parameters of the pod's namespaces."
    )


class ResourceRequirements(Model):
    """What a container needs and may use at most."""

    requests: Annotated[dict[str, Quantity], Field(max_length=32)] | None = Field(
        default=None, description="Resources that the scheduler sets aside, such as cpu: 250m."
    )
    limits: Annotated[dict[str, Quantity], Field(max_length=32)] | None = Field(
        default=None, description="Resources that are not exceeded."
    )


class PodTemplate(Model):
    """What a run may choose about its pods."""

    service_account_name: Name | None = Field(
        default=None, description="Service account of the pods."
    )
    node_selector: Annotated[dict[str, LabelValue], Field(max_length=64)] | None = Field(
        default=None, description="Labels that a node must have."
    )
    tolerations: Annotated[list[Toleration], Atomic(), Field(max_length=32)] | None = Field(
        default=None, description="Taints that the pods tolerate."
    )
    affinity: Affinity | None = Field(default=None, description="Scheduling constraints.")
    topology_spread_constraints: (
        Annotated[list[TopologySpreadConstraint], Atomic(), Field(max_length=16)] | None
    ) = Field(default=None, description="How the pods spread over the nodes.")
    security_context: PodSecurityContext | None = Field(
        default=None, description="Who the pods' processes run as."
    )
    priority_class_name: Name | None = Field(
        default=None, description="Priority class of the pods."
    )
    scheduler_name: Name | None = Field(default=None, description="Scheduler of the pods.")
    image_pull_secrets: Annotated[list[NameRef], ListMap("name"), Field(max_length=16)] | None = (
        Field(default=None, description="Secrets for pulling images.")
    )
    resources: ResourceRequirements | None = Field(
        default=None, description="Resources of the runner, unless the workload sets its own."
    )


__all__ = [
    "ONE_VALUE",
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
