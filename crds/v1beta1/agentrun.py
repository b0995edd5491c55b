"""AgentRun v1beta1: one execution of an agent on a task."""

import enum
from typing import Annotated, Literal

from pydantic import Field

from crds.v1beta1 import core, implementationspec
from schemagen import (
    Cel,
    Column,
    Condition,
    ListMap,
    MaxBytes,
    MaxEntries,
    Model,
    Resource,
    Spec,
    Status,
    exactly_one_of,
)
from schemagen.model.base import JSONObject
from schemagen.model.markers import Atomic
from schemagen.model.wire import Duration, Int32, Int64, Quantity, Timestamp

PARAMETERS = 100
PARAMETER_BYTES = 2048

ParameterName = Annotated[str, Field(min_length=1, max_length=253)]
StepName = Annotated[
    str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")
]
"""A valid label value, because the Jobs of a step carry its name in a label."""
VolumeName = Annotated[
    str, Field(min_length=1, max_length=63, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
"""A valid pod volume name (RFC 1123 label)."""
Hash = Annotated[str, Field(max_length=128)]
Message = Annotated[str, Field(max_length=32768)]
AnnotationValue = Annotated[str, Field(max_length=4096)]


class Implementation(Model, rules=[exactly_one_of("specRef", "inline")]):
    """Task of the run: a reference to an ImplementationSpec, or inline text."""

    spec_ref: core.NameRef | None = Field(
        default=None, description="ImplementationSpec to execute."
    )
    inline: implementationspec.ImplementationSpecSpec | None = Field(
        default=None, description="Inline task."
    )


class Goal(Model):
    """Objective and token budget."""

    objective: Annotated[str, Field(min_length=1, max_length=8192)] = Field(
        description="Objective of the agent, in plain text."
    )
    token_budget: Annotated[Int64, Field(ge=1)] | None = Field(
        default=None, description="Maximum number of tokens the run may use."
    )


class Parameter(
    Model,
    rules=[
        Cel(
            "self.name.lowerAscii() != 'prompt'",
            "the name prompt is reserved, because the prompt comes from the "
            "implementation; choose another name",
            field_path=".name",
        ),
        core.VALUE_OR_SOURCE,
    ],
):
    """A named value for templates and prompts."""

    name: ParameterName = Field(description="Name of the parameter.")
    value: Annotated[str, MaxBytes(PARAMETER_BYTES)] | None = Field(
        default=None, description="Value of the parameter, at most 2048 bytes of UTF-8."
    )
    value_from: core.ValueSource | None = Field(
        default=None, description="Source of the value, instead of value."
    )


Parameters = Annotated[list[Parameter], ListMap("name"), MaxEntries(PARAMETERS)]


class EmptyDirVolume(Model):
    """A temporary directory that shares the pod's lifetime."""

    size_limit: Quantity | None = Field(default=None, description="Maximum size of the volume.")
    medium: Annotated[str, Field(max_length=64)] | None = Field(
        default=None,
        description="Storage medium: Memory, or empty for the node's default medium. Defaults "
        "to empty.",
    )


class ClaimVolume(Model):
    """A PersistentVolumeClaim."""

    claim_name: core.Name = Field(
        description="Name of the PersistentVolumeClaim, in the same namespace."
    )


class SecretVolume(Model):
    """A Secret, mounted as files."""

    secret_name: core.Name = Field(description="Name of the Secret, in the same namespace.")


class Volume(Model, rules=[exactly_one_of("emptyDir", "persistentVolumeClaim", "secret")]):
    """A volume mounted into the runner's container."""

    name: VolumeName = Field(description="Name of the volume, unique within the workload.")
    mount_path: core.Path = Field(
        description="Path in the container at which the volume is mounted."
    )
    read_only: bool | None = Field(
        default=None, description="Whether the volume is mounted read-only. Defaults to false."
    )
    empty_dir: EmptyDirVolume | None = Field(
        default=None, description="Temporary directory that shares the pod's lifetime."
    )
    persistent_volume_claim: ClaimVolume | None = Field(
        default=None, description="PersistentVolumeClaim to mount."
    )
    secret: SecretVolume | None = Field(default=None, description="A Secret, mounted as files.")


class Workload(Model):
    """The container that runs the agent."""

    image: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None,
        description="Image of the runner. Defaults to the provider's image, then to the "
        "controller's.",
    )
    resources: core.ResourceRequirements | None = Field(
        default=None, description="Compute resources of the container."
    )
    volumes: Annotated[list[Volume], ListMap("name"), Field(max_length=20)] | None = Field(
        default=None, description="Volumes mounted into the container."
    )


class Backoff(Model):
    """Delay between attempts."""

    base: Duration | None = Field(
        default=None,
        description="Delay before the first retry, doubled for each further one, up to 5m. "
        "Defaults to 5s.",
    )


class Retry(Model):
    """Retry policy of a step."""

    limit: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None,
        description="Maximum number of retries after the first attempt. Defaults to 0.",
    )
    backoff: Backoff | None = Field(default=None, description="Delays between attempts.")


class LoopControl(
    Model,
    rules=[
        Cel(
            "!has(self.path) || ((!self.path.startsWith('/') || "
            "self.path.startsWith('/workspace/')) && !('/' + self.path + '/').contains('/../'))",
            "expected a path under /workspace",
            field_path=".path",
        ),
        Cel(
            "!has(self.path) || !(self.path in ['run.json', 'agent-runner.json', "
            "'/workspace/run.json', '/workspace/agent-runner.json']) && "
            "!self.path.startsWith('.agent/') && !self.path.startsWith('/workspace/.agent/')",
            "the path is reserved for the runner's own files; choose another path",
            reason="FieldValueForbidden",
            field_path=".path",
        ),
    ],
):
    """The control file, in which a step reports whether its loop should continue."""

    path: core.Path | None = Field(
        default=None,
        description="Path of the file, under /workspace. Defaults to "
        "/workspace/.agentrun/loop-control.json.",
    )
    on_missing: Literal["Stop", "Fail"] | None = Field(
        default=None, description="Action when the file is missing. Defaults to Stop."
    )
    on_invalid: Literal["Stop", "Fail"] | None = Field(
        default=None,
        description="Action when the file is not a JSON object or is too large. Defaults to Stop.",
    )


class LoopWhile(
    Model,
    rules=[Cel("has(self.cel)", "while requires cel", reason="FieldValueRequired")],
):
    """Condition for starting another iteration."""

    cel: Annotated[str, Field(min_length=1, max_length=4096)] | None = Field(
        default=None,
        description="CEL expression over control, the content of the control file, and "
        "iteration, the number of succeeded iterations.",
    )
    control: LoopControl | None = Field(
        default=None, description="Control file that the step writes."
    )


class LoopState(Model):
    """State passed from one iteration to the next."""

    persistent: bool | None = Field(
        default=None,
        description="Whether every volume must outlive an iteration, which requires a "
        "PersistentVolumeClaim. Defaults to false.",
    )
    volumes: Annotated[list[VolumeName], Atomic(), Field(max_length=20)] | None = Field(
        default=None,
        description="Volumes of the workload that carry the state. Their names and paths are "
        "listed at loop.state of the iteration's run.json.",
    )


class Loop(Model):
    """Loop that repeats a step."""

    max_iterations: Annotated[Int32, Field(ge=1)] = Field(
        description="Maximum number of iterations."
    )
    while_: LoopWhile | None = Field(
        default=None, alias="while", description="Condition for starting another iteration."
    )
    state: LoopState | None = Field(
        default=None, description="State passed from one iteration to the next."
    )


class WorkflowStep(Model):
    """One step of a workflow; its settings take precedence over the run's."""

    name: StepName = Field(description="Name of the step, unique within the run.")
    implementation: Implementation | None = Field(
        default=None, description="Task of the step. Defaults to the run's."
    )
    workload: Workload | None = Field(
        default=None, description="Container of the step. Defaults to the run's."
    )
    parameters: Parameters | None = Field(
        default=None, description="Parameters that override the run's, at most 100."
    )
    retry: Retry | None = Field(default=None, description="Retry policy of the step.")
    timeout: Duration | None = Field(
        default=None,
        description="Maximum duration of an attempt. Defaults to no limit, as does 0s.",
    )
    loop: Loop | None = Field(default=None, description="Loop that repeats the step.")


class Workspace(
    Model,
    rules=[
        Cel(
            "!has(self.subPath) || (!self.subPath.startsWith('/') && "
            "!('/' + self.subPath + '/').contains('/../'))",
            "expected a relative path without ..",
            field_path=".subPath",
        )
    ],
):
    """A directory shared by the steps."""

    persistent_volume_claim: ClaimVolume = Field(
        description="PersistentVolumeClaim that holds the workspace. Its access mode must "
        "allow all concurrent steps to mount it."
    )
    sub_path: core.Path | None = Field(
        default=None,
        description="Directory within the claim. Defaults to a directory for this run, named "
        "by its UID and attempt. It is kept when the run is deleted.",
    )


class WorkflowRuntime(Model):
    """Steps, each in its own Job."""

    steps: Annotated[list[WorkflowStep], ListMap("name"), Field(max_length=100)] | None = Field(
        default=None, description="Steps, in the order in which they start."
    )
    parallelism: Annotated[Int32, Field(ge=1, le=100)] = Field(
        default=1, description="Maximum number of steps that run concurrently. Defaults to 1."
    )
    workspace: Workspace | None = Field(
        default=None,
        description="Shared directory that every step mounts at /workspace. Defaults to a "
        "separate empty directory per step.",
    )


class JobRuntime(Model):
    """A single Job; its settings are the sibling fields of job."""


class TemporalTimeouts(Model):
    """Timeouts of a Temporal workflow."""

    execution: Duration | None = Field(
        default=None,
        description="Maximum duration of the workflow execution, including retries and "
        "continue-as-new.",
    )
    run: Duration | None = Field(
        default=None, description="Maximum duration of a single workflow run."
    )
    task: Duration | None = Field(
        default=None, description="Maximum duration of a single workflow task."
    )


class TemporalRuntime(Model):
    """A Temporal workflow."""

    workflow_type: Annotated[str, Field(min_length=1, max_length=1000)] = Field(
        description="Workflow type."
    )
    task_queue: Annotated[str, Field(min_length=1, max_length=1000)] = Field(
        description="Task queue polled by the workers."
    )
    namespace: Annotated[str, Field(max_length=1000)] | None = Field(
        default=None, description="Temporal namespace."
    )
    workflow_id: Annotated[str, Field(max_length=1000)] | None = Field(
        default=None,
        description="Workflow ID. Defaults to the idempotency key, or to RUN-temporal without one.",
    )
    timeouts: TemporalTimeouts | None = Field(default=None, description="Timeouts of the workflow.")


class CustomRuntime(Model):
    """An HTTP endpoint that executes runs."""

    endpoint: Annotated[str, Field(min_length=1, max_length=2048)] = Field(
        description="URL to which the run is submitted."
    )
    payload: JSONObject | None = Field(
        default=None,
        description="Request body. Defaults to the run, the implementation and the memory.",
    )


class RuntimeType(enum.StrEnum):
    """The runtimes. Each has an adapter in ``controllers.agentctl.controller.runtimes``."""

    JOB = "Job"
    WORKFLOW = "Workflow"
    TEMPORAL = "Temporal"
    CUSTOM = "Custom"


def _qualified(field: str) -> Cel:
    """Require valid label or annotation keys, as the API server does."""
    return Cel(
        f"!has(self.{field}) || self.{field}.all(key, "
        "!format.qualifiedName().validate(key).hasValue())",
        f"keys of {field} must be NAME or DOMAIN/NAME, NAME at most 63 letters, digits, -, _ and .",
        field_path=f".{field}",
    )


def _only_for(runtime: str, arm: str) -> Cel:
    return Cel(f"self.type == '{runtime}' || !has(self.{arm})", f"{arm} requires type {runtime}")


def _needed_for(runtime: str, arm: str) -> Cel:
    return Cel(
        f"self.type != '{runtime}' || has(self.{arm})",
        f"type {runtime} requires {arm}",
        reason="FieldValueRequired",
    )


class Runtime(
    Model,
    rules=[
        _only_for("Job", "job"),
        _only_for("Workflow", "workflow"),
        _only_for("Temporal", "temporal"),
        _needed_for("Temporal", "temporal"),
        _only_for("Custom", "custom"),
        _needed_for("Custom", "custom"),
        _qualified("labels"),
        _qualified("annotations"),
    ],
):
    """Runtime that executes a run."""

    type: RuntimeType = Field(
        description="Type of the runtime. Its settings are in the field of the same name."
    )
    job: JobRuntime | None = Field(default=None, description="Settings for type Job.")
    workflow: WorkflowRuntime | None = Field(
        default=None, description="Settings for type Workflow."
    )
    temporal: TemporalRuntime | None = Field(
        default=None, description="Settings for type Temporal."
    )
    custom: CustomRuntime | None = Field(default=None, description="Settings for type Custom.")
    pod_template: core.PodTemplate | None = Field(
        default=None, description="Pod settings of the run."
    )
    labels: Annotated[dict[str, core.LabelValue], Field(max_length=32)] | None = Field(
        default=None,
        description="Labels added to the Jobs and their pods, such as a queue name or a cost "
        "centre.",
    )
    annotations: Annotated[dict[str, AnnotationValue], Field(max_length=32)] | None = Field(
        default=None, description="Annotations added to the Jobs and their pods."
    )
    job_ttl: Duration | None = Field(
        default=None,
        alias="jobTTL",
        description="Time to live of a finished Job, from 30s to 168h. Defaults to 10m; 0s keeps "
        "the Job.",
    )
    log_retention: Duration | None = Field(
        default=None,
        description="Minimum time for which logs are kept after completion, by keeping the "
        "finished Job; at most 168h.",
    )
    backoff_limit: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None, description="Number of retries of a Job's pod. Defaults to 0."
    )
    extra_config: JSONObject | None = Field(
        default=None, description="Settings for other runtimes and tools, preserved unchanged."
    )


class Vcs(Model):
    """Source code that the run works on."""

    provider_ref: core.NameRef | None = Field(
        default=None, description="VersionControlProvider of the run. Defaults to the agent's."
    )
    mode: Literal["ReadWrite", "ReadOnly", "None"] | None = Field(
        default=None,
        description="Access of the run to the code. Defaults to ReadWrite if a provider is set.",
    )
    required: bool | None = Field(
        default=None,
        description="Whether the run fails if the code cannot be checked out. Defaults to false.",
    )


class Retention(
    Model,
    rules=[
        exactly_one_of("ttl", "keepForever"),
        Cel("!has(self.keepForever) || self.keepForever", "keepForever must be true or absent"),
        Cel(
            "!has(self.ttl) || self.ttl.matches('[1-9]')",
            "ttl must be longer than 0s; use keepForever to keep the run",
            field_path=".ttl",
        ),
    ],
):
    """Retention of a finished run. Defaults to the controller's setting, by default 30 days."""

    ttl: Duration | None = Field(default=None, description="Time to live after completion.")
    keep_forever: bool | None = Field(
        default=None,
        description="Whether the run is never deleted automatically. Must be true if set.",
    )


class AgentRunSpec(Spec):
    """Desired execution of an agent."""

    agent_ref: core.NameRef = Field(description="Agent to run.")
    implementation: Implementation | None = Field(
        default=None,
        description="Task of the run: a reference to an ImplementationSpec, or inline text.",
    )
    goal: Goal | None = Field(default=None, description="Objective and token budget of the run.")
    runtime: Runtime = Field(description="Runtime that executes the run.")
    workload: Workload | None = Field(default=None, description="Container of the agent.")
    parameters: Parameters | None = Field(
        default=None, description="Values for templates and prompts, at most 100."
    )
    secret_refs: Annotated[list[core.NameRef], ListMap("name"), Field(max_length=100)] | None = (
        Field(
            default=None,
            description="Secrets whose keys become environment variables; at most 100.",
        )
    )
    memory_ref: core.NameRef | None = Field(
        default=None,
        description="Memory of the run. Defaults to the agent's Memory, then to the default "
        "Memory.",
    )
    vcs: Vcs | None = Field(default=None, description="Source code that the run works on.")
    idempotency_key: Annotated[str, Field(max_length=253)] | None = Field(
        default=None,
        description="Key that identifies duplicate runs of one agent: a second run with the "
        "same key is refused.",
    )
    retention: Retention | None = Field(
        default=None,
        description="Retention of the finished run. Defaults to the controller's setting, "
        "which is 30 days by default.",
    )
    purpose: Literal["Run", "Template"] | None = Field(
        default=None,
        description="Whether the object is executed (Run) or only copied (Template). Defaults "
        "to Run.",
    )
    priority: Int32 | None = Field(
        default=None,
        description="Priority in the queue; pending runs with a higher value start first. "
        "Defaults to 0.",
    )
    suspend: bool | None = Field(
        default=None,
        description="Whether the run is held back until this is false. Has no effect once the "
        "run has been admitted. Defaults to false.",
    )
    cancel: bool | None = Field(
        default=None, description="Whether to cancel the run. Defaults to false."
    )


class RuntimeRef(Model):
    """Reference to the run in its runtime."""

    type: RuntimeType | None = Field(default=None, description="Type of the runtime.")
    name: core.ShortText | None = Field(
        default=None, description="Name of the object in the runtime."
    )
    namespace: core.ShortText | None = Field(
        default=None, description="Namespace of the object in the runtime."
    )
    uid: core.ShortText | None = Field(
        default=None, description="UID of the object in the runtime."
    )
    observed_time: Timestamp | None = Field(
        default=None, description="Time at which the controller first observed the object."
    )
    workflow_id: core.ShortText | None = Field(default=None, description="Temporal workflow ID.")
    run_id: core.ShortText | None = Field(default=None, description="Temporal run ID.")
    task_queue: core.ShortText | None = Field(default=None, description="Temporal task queue.")
    run_name: core.ShortText | None = Field(
        default=None, description="Name of the run in the runtime."
    )
    step_name: core.ShortText | None = Field(
        default=None, description="Name of the step that the object executes."
    )
    extra: Annotated[JSONObject, Field(min_length=1)] | None = Field(
        default=None,
        description="Additional runtime-specific data. Keys must not repeat sibling fields.",
    )


class Runner(Model):
    """Final report of the runner."""

    status: Literal["Succeeded", "Failed", "Cancelled"] | None = Field(
        default=None, description="Result reported by the runner."
    )
    exit_code: Int32 | None = Field(default=None, description="Exit code of the agent's process.")
    signal: core.ShortText | None = Field(
        default=None, description="Signal that terminated the process."
    )
    provider: core.ShortText | None = Field(
        default=None, description="AgentProvider that was used."
    )
    adapter: core.ShortText | None = Field(default=None, description="Adapter that was used.")
    start_time: Timestamp | None = Field(
        default=None, description="Time at which the runner started."
    )
    completion_time: Timestamp | None = Field(
        default=None, description="Time at which the runner finished."
    )
    error: Message | None = Field(default=None, description="Error reported by the runner.")
    extra: Annotated[JSONObject, Field(min_length=1)] | None = Field(
        default=None,
        description="Additional data reported by the runner. Keys must not repeat sibling fields.",
    )


class JobRef(Model):
    """Reference to a Job."""

    name: core.ShortText | None = Field(default=None, description="Name of the Job.")
    namespace: core.ShortText | None = Field(default=None, description="Namespace of the Job.")
    uid: core.ShortText | None = Field(default=None, description="UID of the Job.")


class LoopIteration(Model):
    """Status of one iteration of a loop."""

    index: Int32 | None = Field(default=None, description="Number of the iteration, starting at 1.")
    phase: core.ShortText | None = Field(
        default=None, description="Current phase of the iteration."
    )
    attempts: Int32 | None = Field(default=None, description="Number of attempts so far.")
    start_time: Timestamp | None = Field(
        default=None, description="Time at which the iteration started."
    )
    completion_time: Timestamp | None = Field(
        default=None, description="Time at which the iteration finished."
    )
    message: Message | None = Field(default=None, description="Human-readable details.")
    job_ref: JobRef | None = Field(default=None, description="Job of the iteration.")


class LoopStatus(Model):
    """Status of a loop."""

    current_iteration: Int32 | None = Field(
        default=None, description="Number of the current iteration."
    )
    completed_iterations: Int32 | None = Field(
        default=None, description="Number of completed iterations."
    )
    max_iterations: Int32 | None = Field(default=None, description="Maximum number of iterations.")
    stop_reason: core.ShortText | None = Field(
        default=None, description="Reason why the loop stopped."
    )
    retained_iterations: Int32 | None = Field(
        default=None, description="Number of iterations listed in iterations."
    )
    pruned_iterations: Int32 | None = Field(
        default=None, description="Number of older iterations no longer listed."
    )
    last_control: JSONObject | None = Field(
        default=None, description="Content of the control file after the last iteration."
    )
    iterations: Annotated[list[LoopIteration], Atomic()] | None = Field(
        default=None, description="Most recent iterations, in order."
    )


class StepStatus(Model):
    """Status of a step."""

    name: core.ShortText | None = Field(default=None, description="Name of the step.")
    phase: core.ShortText | None = Field(
        default=None,
        description="Current phase of the step: Pending, Running, Retrying, Succeeded, Failed "
        "or Cancelled.",
    )
    attempt: Int32 | None = Field(
        default=None, description="Number of the latest attempt, starting at 1."
    )
    start_time: Timestamp | None = Field(
        default=None, description="Time at which the step started."
    )
    completion_time: Timestamp | None = Field(
        default=None, description="Time at which the step finished."
    )
    job_observed_time: Timestamp | None = Field(
        default=None, description="Time at which the controller first observed the Job."
    )
    last_transition_time: Timestamp | None = Field(
        default=None, description="Time of the last phase change."
    )
    message: Message | None = Field(default=None, description="Human-readable details.")
    disruptions: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None,
        description="Number of disrupted attempts, for example by an eviction. They do not "
        "count as retries.",
    )
    next_retry_time: Timestamp | None = Field(default=None, description="Time of the next attempt.")
    job_ref: JobRef | None = Field(default=None, description="Job of the latest attempt.")
    loop: LoopStatus | None = Field(default=None, description="Status of the step's loop.")


class WorkflowStatus(Model):
    """Status of the workflow's steps."""

    phase: core.ShortText | None = Field(default=None, description="Current phase of the workflow.")
    last_transition_time: Timestamp | None = Field(
        default=None, description="Time of the last phase change."
    )
    steps: Annotated[list[StepStatus], Atomic()] | None = Field(
        default=None, description="Status of each step, in spec order."
    )


class AttemptStatus(Model):
    """A finished attempt."""

    number: Annotated[Int32, Field(ge=1)] = Field(
        description="Number of the attempt, starting at 1."
    )
    phase: core.ShortText | None = Field(
        default=None, description="Final phase of the attempt: Succeeded, Failed or Cancelled."
    )
    reason: core.ShortText | None = Field(
        default=None, description="Machine-readable reason for the phase."
    )
    message: Message | None = Field(default=None, description="Human-readable details.")
    exit_code: Int32 | None = Field(default=None, description="Exit code of the agent's process.")
    job_ref: JobRef | None = Field(
        default=None, description="Job of the attempt, or its reference in another runtime."
    )
    start_time: Timestamp | None = Field(
        default=None, description="Time at which the attempt started."
    )
    completion_time: Timestamp | None = Field(
        default=None, description="Time at which the attempt finished."
    )


class Artifact(Model):
    """An output file of the run."""

    name: core.ShortText = Field(description="Name of the artifact.")
    path: core.ShortText | None = Field(
        default=None, description="Path at which the run wrote the file."
    )
    key: core.ShortText | None = Field(
        default=None, description="Key of the file in the artifact store."
    )
    url: Annotated[str, Field(max_length=2048)] | None = Field(
        default=None, description="URL from which the file can be downloaded."
    )


class VcsStatus(Model):
    """Source code that the run worked on."""

    provider: core.ShortText | None = Field(
        default=None, description="VersionControlProvider that was used."
    )
    repository: core.ShortText | None = Field(
        default=None, description="Repository, as owner/name."
    )
    base_branch: core.ShortText | None = Field(
        default=None, description="Branch from which the run started."
    )
    head_branch: core.ShortText | None = Field(
        default=None, description="Branch to which the run pushed."
    )
    mode: Literal["ReadWrite", "ReadOnly", "None"] | None = Field(
        default=None, description="Access that the run had to the code."
    )


class ContractStatus(Model):
    """Whether the parameters required by the implementation are set."""

    required_parameters: Annotated[list[core.ShortText], Atomic()] | None = Field(
        default=None, description="Parameters required by the implementation."
    )
    missing_parameters: Annotated[list[core.ShortText], Atomic()] | None = Field(
        default=None, description="Required parameters that are not set."
    )


class Queue(Model):
    """Concurrency limit that keeps the run pending."""

    blocked_by: Literal["Namespace", "Agent", "Cluster"] | None = Field(
        default=None, description="Scope of the concurrency limit that has been reached."
    )
    since: Timestamp | None = Field(
        default=None, description="Time since which the run has been queued."
    )


class AgentRunStatus(
    Status,
    rules=[
        Cel(
            "!has(self.phaseDetail) || (has(self.phase) && self.phase == 'Unknown')",
            "phaseDetail requires phase Unknown",
            field_path=".phaseDetail",
        ),
        Cel(
            "!has(self.phaseDetail) || !(self.phaseDetail in ['Pending', 'Starting', 'Running', "
            "'Succeeded', 'Failed', 'Cancelled', 'Template', 'Unknown'])",
            "phaseDetail must not be a known phase; set phase instead",
            field_path=".phaseDetail",
        ),
    ],
):
    """Most recently observed status of the run."""

    conditions: Annotated[list[Condition], ListMap("type"), Field(max_length=32)] | None = Field(
        default=None,
        description="Conditions of the run: Accepted, InProgress, Succeeded, Failed and others.",
    )
    observed_generation: core.ObservedGeneration | None = None
    phase: (
        Literal[
            "Pending",
            "Starting",
            "Running",
            "Succeeded",
            "Failed",
            "Cancelled",
            "Template",
            "Unknown",
        ]
        | None
    ) = Field(default=None, description="Current phase of the run.")
    phase_detail: core.ShortText | None = Field(
        default=None,
        description="Phase written by a v1alpha1 controller that v1beta1 does not know. Only "
        "with phase Unknown.",
    )
    reason: core.ShortText | None = Field(
        default=None, description="Machine-readable reason for the phase."
    )
    message: Message | None = Field(
        default=None, description="Human-readable explanation of the phase."
    )
    runtime_ref: RuntimeRef | None = Field(
        default=None, description="Reference to the run in its runtime."
    )
    runner: Runner | None = Field(default=None, description="Final report of the runner.")
    workflow: WorkflowStatus | None = Field(
        default=None, description="Status of the workflow's steps."
    )
    queue: Queue | None = Field(
        default=None,
        description="Concurrency limit that keeps the run pending; absent when it is not queued.",
    )
    attempt: Annotated[Int32, Field(ge=1)] | None = Field(
        default=None, description="Number of the latest attempt, starting at 1."
    )
    disruptions: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None,
        description="Number of disrupted attempts, for example by an eviction. They do not "
        "count as retries.",
    )
    next_attempt_time: Timestamp | None = Field(
        default=None, description="Earliest time of the next attempt after a failed one."
    )
    attempts: Annotated[list[AttemptStatus], Atomic(), Field(max_length=20)] | None = Field(
        default=None, description="Finished attempts, in order; at most the latest 20."
    )
    start_time: Timestamp | None = Field(default=None, description="Time at which the run started.")
    completion_time: Timestamp | None = Field(
        default=None, description="Time at which the run finished."
    )
    last_update_time: core.LastUpdateTime | None = None
    artifacts: Annotated[list[Artifact], Atomic(), Field(max_length=50)] | None = Field(
        default=None, description="Output files of the run, at most 50."
    )
    artifacts_omitted: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None, description="Number of output files not listed in artifacts."
    )
    missing_artifacts: Annotated[list[core.ShortText], Atomic(), Field(max_length=50)] | None = (
        Field(
            default=None,
            description="Names of declared artifacts that the run did not produce, at most 50.",
        )
    )
    vcs: VcsStatus | None = Field(default=None, description="Source code that the run worked on.")
    system_prompt_hash: Hash | None = Field(
        default=None, description="SHA-256 hash of the system prompt, in hexadecimal."
    )
    spec_hash: Hash | None = Field(
        default=None, description="SHA-256 hash of the accepted inputs, in hexadecimal."
    )
    contract: ContractStatus | None = Field(
        default=None, description="Whether the parameters required by the implementation are set."
    )


class AgentRun(
    Resource,
    plural="agentruns",
    short_names=("arun",),
    categories=("agents",),
    columns=(
        Column("Phase", ".status.phase"),
        Column("Agent", ".spec.agentRef.name"),
        Column("Runtime", ".spec.runtime.type"),
        Column("Reason", ".status.reason", priority=1),
        Column("Started", ".status.startTime", type="date"),
        Column("Completed", ".status.completionTime", type="date"),
        core.AGE,
    ),
    selectable=(
        ".spec.agentRef.name",
        ".spec.runtime.type",
        ".status.phase",
    ),
):
    """One execution of an agent on a task, from submission to completion."""

    spec: AgentRunSpec = Field(
        description="Desired execution: the agent, the task and the runtime."
    )
    status: AgentRunStatus | None = Field(
        default=None, description="Most recently observed status of the run."
    )
