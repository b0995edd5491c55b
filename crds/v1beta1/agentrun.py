"""AgentRun v1beta1: one run of an agent on an implementation."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1beta1 import core, implementationspec
from schemagen import (
    Cel,
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
"""What the value of a label can be, as the Jobs of a step have its name in one."""
VolumeName = Annotated[
    str, Field(min_length=1, max_length=63, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
"""What the volume of a pod can be called (RFC 1123 label)."""
Hash = Annotated[str, Field(max_length=128)]
Message = Annotated[str, Field(max_length=32768)]
AnnotationValue = Annotated[str, Field(max_length=4096)]


class Implementation(Model, rules=[exactly_one_of("specRef", "inline")]):
    """What is to be built: by reference or written out."""

    spec_ref: core.NameRef | None = Field(
        default=None, description="ImplementationSpec to carry out."
    )
    inline: implementationspec.ImplementationSpecSpec | None = Field(
        default=None, description="The task itself."
    )


class Goal(Model):
    """What the run is after, and what it may spend."""

    objective: Annotated[str, Field(min_length=1, max_length=8192)] = Field(
        description="What the agent is to reach, in words."
    )
    token_budget: Annotated[Int64, Field(ge=1)] | None = Field(
        default=None, description="Tokens that the run may use in all."
    )


class Parameter(
    Model,
    rules=[
        Cel(
            "self.name.lowerAscii() != 'prompt'",
            "the prompt comes from the implementation; choose another name",
            field_path=".name",
        ),
        core.ONE_VALUE,
    ],
):
    """A named value for templates and prompts."""

    name: ParameterName = Field(description="Name of the parameter.")
    value: Annotated[str, MaxBytes(PARAMETER_BYTES)] | None = Field(
        default=None, description="The value; at most 2048 bytes of UTF-8."
    )
    value_from: core.ValueSource | None = Field(
        default=None, description="Where the value comes from instead."
    )


Parameters = Annotated[list[Parameter], ListMap("name"), MaxEntries(PARAMETERS)]


class EmptyDirVolume(Model):
    """A directory that lives as long as the pod."""

    size_limit: Quantity | None = Field(default=None, description="How much it may hold.")
    medium: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="Memory, or empty for the node's disk."
    )


class ClaimVolume(Model):
    """A PersistentVolumeClaim."""

    claim_name: core.Name = Field(description="Name of the claim, in the same namespace.")


class SecretVolume(Model):
    """A Secret as files."""

    secret_name: core.Name = Field(description="Name of the Secret, in the same namespace.")


class Volume(Model, rules=[exactly_one_of("emptyDir", "persistentVolumeClaim", "secret")]):
    """A directory that is mounted into the runner."""

    name: VolumeName = Field(description="Name of the volume, distinct within the workload.")
    mount_path: core.Path = Field(description="Where it is mounted.")
    read_only: bool | None = Field(default=None, description="Mounted without write access.")
    empty_dir: EmptyDirVolume | None = Field(default=None, description="A fresh directory.")
    persistent_volume_claim: ClaimVolume | None = Field(default=None, description="A claim.")
    secret: SecretVolume | None = Field(default=None, description="A Secret as files.")


class Workload(Model):
    """The container that runs the agent."""

    image: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None, description="Image of the runner; absent: the provider's or the controller's."
    )
    resources: core.ResourceRequirements | None = Field(
        default=None, description="What the container needs and may use."
    )
    volumes: Annotated[list[Volume], ListMap("name"), Field(max_length=20)] | None = Field(
        default=None, description="Directories that are mounted."
    )


class Backoff(Model):
    """How long to wait before the next attempt."""

    base: Duration | None = Field(default=None, description="Wait before the first retry.")


class Retry(Model):
    """How often a step is tried again, and when."""

    limit: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None, description="Retries after the first attempt."
    )
    backoff: Backoff | None = Field(default=None, description="Waits between the attempts.")


class LoopControl(
    Model,
    rules=[
        Cel(
            "!has(self.path) || ((!self.path.startsWith('/') || "
            "self.path.startsWith('/workspace/')) && !('/' + self.path + '/').contains('/../'))",
            "expected a path in /workspace",
            field_path=".path",
        ),
        Cel(
            "!has(self.path) || !(self.path in ['run.json', 'agent-runner.json', "
            "'/workspace/run.json', '/workspace/agent-runner.json']) && "
            "!self.path.startsWith('.agent/') && !self.path.startsWith('/workspace/.agent/')",
            "the runner's own files are there; choose another path",
            reason="FieldValueForbidden",
            field_path=".path",
        ),
    ],
):
    """The file in which a step says whether its loop goes on."""

    path: core.Path | None = Field(
        default=None,
        description="Path of the file, in /workspace; absent: "
        "/workspace/.agentrun/loop-control.json.",
    )
    on_missing: Literal["Stop", "Fail"] | None = Field(
        default=None, description="What a missing file means; Stop if absent."
    )
    on_invalid: Literal["Stop", "Fail"] | None = Field(
        default=None,
        description="What a file means that is no JSON object, or is too large; Stop if absent.",
    )


class LoopWhile(
    Model,
    rules=[Cel("has(self.cel)", "while needs cel", reason="FieldValueRequired")],
):
    """What must hold for another iteration."""

    cel: Annotated[str, Field(min_length=1, max_length=4096)] | None = Field(
        default=None,
        description="CEL expression over control, the control file's content, and iteration, the "
        "number of iterations that succeeded.",
    )
    control: LoopControl | None = Field(default=None, description="The control file.")


class LoopState(Model):
    """What an iteration hands to the next."""

    persistent: bool | None = Field(
        default=None,
        description="Whether all volumes must outlive an iteration: each is a claim then.",
    )
    volumes: Annotated[list[VolumeName], Atomic(), Field(max_length=20)] | None = Field(
        default=None,
        description="Volumes of the workload that carry the state; an iteration finds their names "
        "and paths at loop.state of its run.json.",
    )


class Loop(Model):
    """Repetition of a step."""

    max_iterations: Annotated[Int32, Field(ge=1)] = Field(description="Iterations at most.")
    while_: LoopWhile | None = Field(
        default=None, alias="while", description="What must hold for another iteration."
    )
    state: LoopState | None = Field(
        default=None, description="What an iteration hands to the next."
    )


class WorkflowStep(Model):
    """One step of a workflow; its own settings go before the run's."""

    name: StepName = Field(description="Name of the step, distinct within the run.")
    implementation: Implementation | None = Field(
        default=None, description="What is to be built; absent: the run's."
    )
    workload: Workload | None = Field(default=None, description="The container; absent: the run's.")
    parameters: Parameters | None = Field(
        default=None, description="Values that go before the run's; at most 100."
    )
    retry: Retry | None = Field(default=None, description="How often the step is tried again.")
    timeout: Duration | None = Field(default=None, description="How long an attempt may take.")
    loop: Loop | None = Field(default=None, description="Repetition of the step.")


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
    """A folder that steps share."""

    persistent_volume_claim: ClaimVolume = Field(
        description="Claim that holds it; steps that run at the same time must be able to mount "
        "it together."
    )
    sub_path: core.Path | None = Field(
        default=None,
        description="Folder of the claim; absent: one of the run's own, named by its uid and "
        "attempt. It stays when the run is gone.",
    )


class WorkflowRuntime(Model):
    """Steps, each an own Job."""

    steps: Annotated[list[WorkflowStep], ListMap("name"), Field(max_length=100)] | None = Field(
        default=None, description="Steps in the order in which they start."
    )
    parallelism: Annotated[Int32, Field(ge=1, le=100)] = Field(
        default=1, description="Steps that may run at the same time."
    )
    workspace: Workspace | None = Field(
        default=None,
        description="What all steps have as /workspace; absent: each has an empty folder of its "
        "own, so that none sees what another left.",
    )


class JobRuntime(Model):
    """One Job; what it can be told stands beside it."""


class TemporalTimeouts(Model):
    """How long a Temporal workflow may take."""

    execution: Duration | None = Field(default=None, description="All runs together.")
    run: Duration | None = Field(default=None, description="One run.")
    task: Duration | None = Field(default=None, description="One workflow task.")


class TemporalRuntime(Model):
    """A Temporal workflow."""

    workflow_type: Annotated[str, Field(min_length=1, max_length=1000)] = Field(
        description="Type of the workflow."
    )
    task_queue: Annotated[str, Field(min_length=1, max_length=1000)] = Field(
        description="Task queue of its workers."
    )
    namespace: Annotated[str, Field(max_length=1000)] | None = Field(
        default=None, description="Temporal namespace."
    )
    workflow_id: Annotated[str, Field(max_length=1000)] | None = Field(
        default=None, description="Workflow id; absent: the idempotency key, or RUN-temporal."
    )
    timeouts: TemporalTimeouts | None = Field(default=None, description="Limits of its duration.")


class CustomRuntime(Model):
    """An HTTP endpoint that carries runs out."""

    endpoint: Annotated[str, Field(min_length=1, max_length=2048)] = Field(
        description="Address that the run is sent to."
    )
    payload: JSONObject | None = Field(
        default=None, description="Body of the request; absent: run, implementation and memory."
    )


def _qualified(field: str) -> Cel:
    """The keys of a field are such as the API server takes for labels and annotations."""
    return Cel(
        f"!has(self.{field}) || self.{field}.all(key, "
        "!format.qualifiedName().validate(key).hasValue())",
        f"a key of {field} is NAME or DOMAIN/NAME, NAME of at most 63 letters, digits, -, _ and .",
        field_path=f".{field}",
    )


def _only_for(runtime: str, arm: str) -> Cel:
    return Cel(f"self.type == '{runtime}' || !has(self.{arm})", f"{arm} needs type {runtime}")


def _needed_for(runtime: str, arm: str) -> Cel:
    return Cel(
        f"self.type != '{runtime}' || has(self.{arm})",
        f"type {runtime} needs {arm}",
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
    """What carries a run out."""

    type: Literal["Job", "Workflow", "Temporal", "Custom"] = Field(
        description="Which runtime; its settings stand in the field of the same name."
    )
    job: JobRuntime | None = Field(default=None, description="One Job.")
    workflow: WorkflowRuntime | None = Field(default=None, description="Steps, each an own Job.")
    temporal: TemporalRuntime | None = Field(default=None, description="A Temporal workflow.")
    custom: CustomRuntime | None = Field(default=None, description="An HTTP endpoint.")
    pod_template: core.PodTemplate | None = Field(
        default=None, description="What the run chooses about its pods."
    )
    labels: Annotated[dict[str, core.LabelValue], Field(max_length=32)] | None = Field(
        default=None,
        description="Labels of the Jobs and their pods, such as a queue's name or a cost centre.",
    )
    annotations: Annotated[dict[str, AnnotationValue], Field(max_length=32)] | None = Field(
        default=None, description="Annotations of the Jobs and their pods."
    )
    job_ttl: Duration | None = Field(
        default=None,
        alias="jobTTL",
        description="How long a finished Job is kept; 0s means it is not deleted by Kubernetes.",
    )
    log_retention: Duration | None = Field(
        default=None,
        description="How long logs are kept after the end: the finished Job stays at least so "
        "long, up to 168h.",
    )
    backoff_limit: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None, description="Retries of a Job's pod; 0 if absent."
    )
    extra_config: JSONObject | None = Field(
        default=None, description="Settings of other runtimes and tools, kept as they are."
    )


class Vcs(Model):
    """The code that the run works on."""

    provider_ref: core.NameRef | None = Field(
        default=None, description="VersionControlProvider; absent: the agent's."
    )
    mode: Literal["ReadWrite", "ReadOnly", "None"] | None = Field(
        default=None, description="What the run may do; ReadWrite if a provider is named."
    )
    required: bool | None = Field(
        default=None, description="Whether the run fails when the code cannot be reached."
    )


class Retention(
    Model,
    rules=[
        exactly_one_of("ttl", "keepForever"),
        Cel("!has(self.keepForever) || self.keepForever", "keepForever is true or absent"),
        Cel(
            "!has(self.ttl) || self.ttl.matches('[1-9]')",
            "ttl must be longer than 0s; use keepForever to keep the run",
            field_path=".ttl",
        ),
    ],
):
    """How long a finished run is kept; absent: as the controller is set, 30 days by default."""

    ttl: Duration | None = Field(default=None, description="How long after its end.")
    keep_forever: bool | None = Field(default=None, description="The run is never deleted.")


class AgentRunSpec(Spec):
    """One run of an agent."""

    agent_ref: core.NameRef = Field(description="Agent that runs.")
    implementation: Implementation | None = Field(default=None, description="What is to be built.")
    goal: Goal | None = Field(default=None, description="What the run is after.")
    runtime: Runtime = Field(description="What carries the run out.")
    workload: Workload | None = Field(default=None, description="The container of the agent.")
    parameters: Parameters | None = Field(
        default=None, description="Values for templates and prompts; at most 100."
    )
    secret_refs: Annotated[list[core.NameRef], ListMap("name"), Field(max_length=100)] | None = (
        Field(default=None, description="Secrets whose keys become environment variables.")
    )
    memory_ref: core.NameRef | None = Field(
        default=None, description="Memory of the run; absent: the agent's or the default one."
    )
    vcs: Vcs | None = Field(default=None, description="The code that the run works on.")
    idempotency_key: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="Runs of one agent with the same key are one run."
    )
    retention: Retention | None = Field(
        default=None, description="How long the finished run is kept."
    )
    purpose: Literal["Run", "Template"] | None = Field(
        default=None, description="A Template is never carried out, only copied; Run if absent."
    )
    priority: Int32 | None = Field(
        default=None, description="Waiting runs with a higher priority start first; 0 if absent."
    )
    suspend: bool | None = Field(
        default=None, description="Whether the run waits until this is false."
    )
    cancel: bool | None = Field(default=None, description="Whether the run is to end now.")


class RuntimeRef(Model):
    """What the runtime calls the run."""

    type: Literal["Job", "Workflow", "Temporal", "Custom"] | None = Field(
        default=None, description="Which runtime."
    )
    name: core.ShortText | None = Field(default=None, description="Name of the object there.")
    namespace: core.ShortText | None = Field(default=None, description="Its namespace.")
    uid: core.ShortText | None = Field(default=None, description="Its uid.")
    observed_time: Timestamp | None = Field(
        default=None, description="When the controller first saw it."
    )
    workflow_id: core.ShortText | None = Field(default=None, description="Temporal workflow id.")
    run_id: core.ShortText | None = Field(default=None, description="Temporal run id.")
    task_queue: core.ShortText | None = Field(default=None, description="Temporal task queue.")
    run_name: core.ShortText | None = Field(default=None, description="Name of the run there.")
    step_name: core.ShortText | None = Field(default=None, description="Step that it carries out.")
    extra: Annotated[JSONObject, Field(min_length=1)] | None = Field(
        default=None, description="What else the runtime said; no key of the fields beside it."
    )


class Runner(Model):
    """What the runner reported at its end."""

    status: Literal["Succeeded", "Failed", "Cancelled"] | None = Field(
        default=None, description="How it ended."
    )
    exit_code: Int32 | None = Field(default=None, description="Exit code of the agent.")
    signal: core.ShortText | None = Field(default=None, description="Signal that ended it.")
    provider: core.ShortText | None = Field(default=None, description="AgentProvider that ran.")
    adapter: core.ShortText | None = Field(default=None, description="Adapter that ran it.")
    start_time: Timestamp | None = Field(default=None, description="When it started.")
    completion_time: Timestamp | None = Field(default=None, description="When it ended.")
    error: Message | None = Field(default=None, description="What went wrong.")
    extra: Annotated[JSONObject, Field(min_length=1)] | None = Field(
        default=None, description="What else the runner said; no key of the fields beside it."
    )


class JobRef(Model):
    """A Job."""

    name: core.ShortText | None = Field(default=None, description="Its name.")
    namespace: core.ShortText | None = Field(default=None, description="Its namespace.")
    uid: core.ShortText | None = Field(default=None, description="Its uid.")


class LoopIteration(Model):
    """One iteration of a loop."""

    index: Int32 | None = Field(default=None, description="Its number, from 1.")
    phase: core.ShortText | None = Field(default=None, description="How it stands.")
    attempts: Int32 | None = Field(default=None, description="Attempts so far.")
    start_time: Timestamp | None = Field(default=None, description="When it started.")
    completion_time: Timestamp | None = Field(default=None, description="When it ended.")
    message: Message | None = Field(default=None, description="What happened.")
    job_ref: JobRef | None = Field(default=None, description="Its Job.")


class LoopStatus(Model):
    """How a loop stands."""

    current_iteration: Int32 | None = Field(default=None, description="The one under way.")
    completed_iterations: Int32 | None = Field(default=None, description="Those that ended.")
    max_iterations: Int32 | None = Field(default=None, description="Iterations at most.")
    stop_reason: core.ShortText | None = Field(default=None, description="Why it ended.")
    retained_iterations: Int32 | None = Field(default=None, description="Those listed here.")
    pruned_iterations: Int32 | None = Field(default=None, description="Those no longer listed.")
    last_control: JSONObject | None = Field(
        default=None, description="Content of the control file after the last iteration."
    )
    iterations: Annotated[list[LoopIteration], Atomic()] | None = Field(
        default=None, description="The latest iterations."
    )


class StepStatus(Model):
    """How a step stands."""

    name: core.ShortText | None = Field(default=None, description="Name of the step.")
    phase: core.ShortText | None = Field(
        default=None, description="Pending, Running, Retrying, Succeeded, Failed or Cancelled."
    )
    attempt: Int32 | None = Field(default=None, description="Number of the latest attempt.")
    start_time: Timestamp | None = Field(default=None, description="When it started.")
    completion_time: Timestamp | None = Field(default=None, description="When it ended.")
    job_observed_time: Timestamp | None = Field(
        default=None, description="When the controller first saw its Job."
    )
    last_transition_time: Timestamp | None = Field(
        default=None, description="When the phase last changed."
    )
    message: Message | None = Field(default=None, description="What happened.")
    disruptions: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None, description="Attempts that were taken away; they use up no retry."
    )
    next_retry_time: Timestamp | None = Field(
        default=None, description="When the next attempt starts."
    )
    job_ref: JobRef | None = Field(default=None, description="Its latest Job.")
    loop: LoopStatus | None = Field(default=None, description="How its loop stands.")


class WorkflowStatus(Model):
    """How the steps stand."""

    phase: core.ShortText | None = Field(default=None, description="How the workflow stands.")
    last_transition_time: Timestamp | None = Field(
        default=None, description="When the phase last changed."
    )
    steps: Annotated[list[StepStatus], Atomic()] | None = Field(
        default=None, description="The steps, in order."
    )


class AttemptStatus(Model):
    """An attempt that has ended."""

    number: Annotated[Int32, Field(ge=1)] = Field(description="Its number, from 1.")
    phase: core.ShortText | None = Field(
        default=None, description="Succeeded, Failed or Cancelled."
    )
    reason: core.ShortText | None = Field(
        default=None, description="Machine-readable reason of its end."
    )
    message: Message | None = Field(default=None, description="What happened.")
    exit_code: Int32 | None = Field(default=None, description="Exit code of the agent.")
    job_ref: JobRef | None = Field(
        default=None, description="Its Job, or what the runtime calls it."
    )
    start_time: Timestamp | None = Field(default=None, description="When it started.")
    completion_time: Timestamp | None = Field(default=None, description="When it ended.")


class Artifact(Model):
    """A file that the run left."""

    name: core.ShortText = Field(description="Its name.")
    path: core.ShortText | None = Field(default=None, description="Where the run wrote it.")
    key: core.ShortText | None = Field(default=None, description="Its key in the artifact store.")
    url: Annotated[str, Field(max_length=2048)] | None = Field(
        default=None, description="Where it can be fetched."
    )


class VcsStatus(Model):
    """The code that the run worked on."""

    provider: core.ShortText | None = Field(default=None, description="VersionControlProvider.")
    repository: core.ShortText | None = Field(default=None, description="Repository.")
    base_branch: core.ShortText | None = Field(default=None, description="Branch it started from.")
    head_branch: core.ShortText | None = Field(default=None, description="Branch it wrote to.")
    mode: Literal["ReadWrite", "ReadOnly", "None"] | None = Field(
        default=None, description="What it was allowed to do."
    )


class ContractStatus(Model):
    """Whether the implementation got what it needs."""

    required_parameters: Annotated[list[core.ShortText], Atomic()] | None = Field(
        default=None, description="Parameters that it needs."
    )
    missing_parameters: Annotated[list[core.ShortText], Atomic()] | None = Field(
        default=None, description="Those of them that are not set."
    )


class Queue(Model):
    """Why the run waits for its turn."""

    blocked_by: Literal["Namespace", "Agent", "Cluster"] | None = Field(
        default=None, description="Whose limit of runs in flight keeps it waiting."
    )
    since: Timestamp | None = Field(default=None, description="Since when.")


class AgentRunStatus(
    Status,
    rules=[
        Cel(
            "!has(self.phaseDetail) || (has(self.phase) && self.phase == 'Unknown')",
            "phaseDetail needs phase Unknown",
            field_path=".phaseDetail",
        ),
        Cel(
            "!has(self.phaseDetail) || !(self.phaseDetail in ['Pending', 'Starting', 'Running', "
            "'Succeeded', 'Failed', 'Cancelled', 'Template', 'Unknown'])",
            "a phase that has a word of its own belongs into phase",
            field_path=".phaseDetail",
        ),
    ],
):
    """What the controller saw of the run."""

    conditions: Annotated[list[Condition], ListMap("type"), Field(max_length=32)] | None = Field(
        default=None, description="Accepted, InProgress, Succeeded, Failed and others."
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
    ) = Field(default=None, description="How the run stands, in one word.")
    phase_detail: core.ShortText | None = Field(
        default=None, description="The word that a v1alpha1 controller used, for phase Unknown."
    )
    reason: core.ShortText | None = Field(default=None, description="Why it stands so, as a word.")
    message: Message | None = Field(default=None, description="Why it stands so, for people.")
    runtime_ref: RuntimeRef | None = Field(
        default=None, description="What the runtime calls the run."
    )
    runner: Runner | None = Field(default=None, description="What the runner reported.")
    workflow: WorkflowStatus | None = Field(default=None, description="How the steps stand.")
    queue: Queue | None = Field(
        default=None, description="Why the run waits for its turn, while it does."
    )
    attempt: Annotated[Int32, Field(ge=1)] | None = Field(
        default=None, description="Number of the latest attempt, from 1."
    )
    disruptions: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None,
        description="Attempts that were taken away, as by an eviction; they use up no retry.",
    )
    next_attempt_time: Timestamp | None = Field(
        default=None, description="When the next attempt may start, after one that failed."
    )
    attempts: Annotated[list[AttemptStatus], Atomic(), Field(max_length=20)] | None = Field(
        default=None, description="The attempts that have ended, in order; the latest 20."
    )
    start_time: Timestamp | None = Field(default=None, description="When the run started.")
    completion_time: Timestamp | None = Field(default=None, description="When the run ended.")
    last_update_time: core.LastUpdateTime | None = None
    artifacts: Annotated[list[Artifact], Atomic(), Field(max_length=50)] | None = Field(
        default=None, description="Files that the run left; at most 50."
    )
    artifacts_omitted: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None, description="Number of files that the run left and that are not listed."
    )
    missing_artifacts: Annotated[list[core.ShortText], Atomic(), Field(max_length=50)] | None = (
        Field(
            default=None,
            description="Names of declared artifacts that the run did not leave; at most 50.",
        )
    )
    vcs: VcsStatus | None = Field(default=None, description="The code that the run worked on.")
    system_prompt_hash: Hash | None = Field(
        default=None, description="SHA-256 of the system prompt, in hex."
    )
    spec_hash: Hash | None = Field(
        default=None, description="SHA-256 of the accepted inputs, in hex."
    )
    contract: ContractStatus | None = Field(
        default=None, description="Whether the implementation got what it needs."
    )


class AgentRun(Resource):
    """One run of an agent on an implementation, from its submission to its end."""

    spec: AgentRunSpec = Field(description="What is to be run, and how.")
    status: AgentRunStatus | None = Field(
        default=None, description="What the controller saw of the run."
    )
