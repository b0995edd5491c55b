"""AgentRun v1alpha1, compatible with the published API; only byte limits are added."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1alpha1 import core, implementationspec
from schemagen import Cel, Column, LocalRef, MaxBytes, MaxEntries, Model, Resource, Spec, Status
from schemagen.model.base import JSONObject
from schemagen.model.markers import Atomic
from schemagen.model.wire import Int32, Int64, Timestamp

PARAMETERS = 100
PARAMETER_BYTES = 2048

Parameters = Annotated[dict[str, Annotated[str, MaxBytes(PARAMETER_BYTES)]], MaxEntries(PARAMETERS)]

NO_PROMPT = Cel(
    "!has(self.parameters) || !('prompt' in self.parameters)",
    "parameters must not contain the key prompt, because the prompt comes from the implementation",
)


class Runtime(Model):
    """Runtime that executes a run."""

    type: Literal["workflow", "job", "temporal", "custom"] = Field(
        description="Type of the runtime."
    )
    config: JSONObject | None = Field(default=None, description="Settings of the runtime.")


class Implementation(Model):
    """Inline task of the run."""

    inline: implementationspec.ImplementationSpecSpec = Field(description="Inline task.")


class Goal(Model):
    """Objective and token budget."""

    objective: Annotated[str, Field(min_length=1, max_length=8192)] = Field(
        description="Objective of the agent, in plain text."
    )
    token_budget: Annotated[Int64, Field(ge=1)] | None = Field(
        default=None, description="Maximum number of tokens the run may use."
    )


class Volume(Model):
    """A volume mounted into the runner's container."""

    name: str = Field(description="Name of the volume.")
    type: Literal["emptyDir", "pvc", "secret"] = Field(description="Type of the volume.")
    mount_path: str = Field(description="Path in the container at which the volume is mounted.")
    read_only: bool | None = Field(
        default=None, description="Whether the volume is mounted read-only. Defaults to false."
    )
    claim_name: str | None = Field(
        default=None, description="Name of the PersistentVolumeClaim, for type pvc."
    )
    secret_name: str | None = Field(
        default=None, description="Name of the Secret, for type secret."
    )
    size_limit: str | None = Field(default=None, description="Maximum size, for type emptyDir.")
    medium: str | None = Field(default=None, description="Storage medium, for type emptyDir.")


class Workload(Model):
    """The container that runs the agent."""

    image: str | None = Field(default=None, description="Image of the runner.")
    resources: core.Resources | None = Field(
        default=None, description="Compute resources of the container."
    )
    volumes: Annotated[list[Volume], Atomic()] | None = Field(
        default=None, description="Volumes mounted into the container."
    )


class LoopSource(Model):
    """Source of the input of a loop's condition."""

    type: Literal["file"] | None = Field(
        default=None, description="Type of the source; always file."
    )
    path: str | None = Field(default=None, description="Path of the control file.")
    on_missing: Literal["stop", "fail"] | None = Field(
        default=None, description="Action when the file is missing."
    )
    on_invalid: Literal["stop", "fail"] | None = Field(
        default=None, description="Action when the file cannot be read."
    )


class LoopCondition(Model):
    """Condition for starting another iteration."""

    type: Literal["cel"] | None = Field(
        default=None, description="Type of the condition; always cel."
    )
    expression: str | None = Field(
        default=None, description="CEL expression over the content of the control file."
    )
    source: LoopSource | None = Field(default=None, description="Source of the expression's input.")


class LoopState(Model):
    """State passed from one iteration to the next."""

    required: bool | None = Field(
        default=None, description="Whether the volumes must be persistent."
    )
    volume_names: Annotated[list[str], Atomic(), Field(max_length=20)] | None = Field(
        default=None, description="Volumes that carry the state."
    )


class Loop(Model):
    """Loop that repeats a step."""

    max_iterations: Annotated[Int32, Field(ge=1)] = Field(
        description="Maximum number of iterations."
    )
    condition: LoopCondition | None = Field(
        default=None, description="Condition for starting another iteration."
    )
    state: LoopState | None = Field(
        default=None, description="State passed from one iteration to the next."
    )


class WorkflowStep(Model, rules=[NO_PROMPT]):
    """One step of a workflow; its settings take precedence over the run's."""

    name: str = Field(description="Name of the step.")
    implementation_spec_ref: LocalRef | None = Field(
        default=None, description="ImplementationSpec to execute. Defaults to the run's."
    )
    implementation: Implementation | None = Field(default=None, description="Inline task.")
    workload: Workload | None = Field(
        default=None, description="Container of the step. Defaults to the run's."
    )
    parameters: Parameters | None = Field(
        default=None,
        description="Parameters that override the run's, at most 100 of 2048 bytes each.",
    )
    retries: Int32 | None = Field(
        default=None,
        description="Maximum number of retries after the first attempt. Defaults to 0.",
    )
    retry_backoff_seconds: Int32 | None = Field(
        default=None, description="Delay between attempts, in seconds."
    )
    timeout_seconds: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None, description="Maximum duration of an attempt, in seconds."
    )
    loop: Loop | None = Field(default=None, description="Loop that repeats the step.")


class Workflow(Model):
    """Steps, each in its own Job."""

    steps: Annotated[list[WorkflowStep], Atomic()] = Field(
        description="Steps, in the order in which they start."
    )


class VcsPolicy(Model):
    """Access of the run to the code."""

    required: bool | None = Field(
        default=None,
        description="Whether the run fails if the code cannot be checked out. Defaults to false.",
    )
    mode: Literal["read-write", "read-only", "none"] | None = Field(
        default=None,
        description="Access of the run to the code. Defaults to read-write if vcsRef is set.",
    )


class AgentRunSpec(
    Spec,
    rules=[
        Cel(
            "has(self.implementationSpecRef) || has(self.implementation)",
            "one of implementationSpecRef and implementation must be set",
        ),
        Cel(
            "!(has(self.systemPrompt) && has(self.systemPromptRef))",
            "systemPrompt and systemPromptRef are mutually exclusive",
        ),
        Cel(
            "!has(self.systemPrompt) && !has(self.systemPromptRef)",
            "a run cannot set a system prompt; set it in spec.defaults of the Agent",
        ),
        NO_PROMPT,
    ],
):
    """Desired execution of an agent."""

    agent_ref: LocalRef = Field(description="Agent to run.")
    runtime: Runtime = Field(description="Runtime that executes the run.")
    implementation_spec_ref: LocalRef | None = Field(
        default=None, description="ImplementationSpec to execute."
    )
    implementation: Implementation | None = Field(default=None, description="Inline task.")
    goal: Goal | None = Field(default=None, description="Objective and token budget of the run.")
    workflow: Workflow | None = Field(default=None, description="Steps of the workflow runtime.")
    workload: Workload | None = Field(default=None, description="Container of the agent.")
    parameters: Parameters | None = Field(
        default=None,
        description="Values for templates and prompts, at most 100 of 2048 bytes each.",
    )
    secrets: Annotated[list[str], Atomic()] | None = Field(
        default=None,
        description="Secrets whose keys become environment variables of the runner, at most 100.",
    )
    system_prompt: Annotated[str, Field(max_length=16384)] | None = Field(
        default=None, description="Not allowed; set it in spec.defaults of the Agent."
    )
    system_prompt_ref: core.SystemPromptRef | None = Field(
        default=None, description="Not allowed; set it in spec.defaults of the Agent."
    )
    memory_ref: LocalRef | None = Field(
        default=None,
        description="Memory of the run. Defaults to the agent's Memory, then to the default "
        "Memory.",
    )
    vcs_ref: LocalRef | None = Field(
        default=None, description="VersionControlProvider of the run. Defaults to the agent's."
    )
    vcs_policy: VcsPolicy | None = Field(default=None, description="Access of the run to the code.")
    idempotency_key: str | None = Field(
        default=None,
        description="Key that identifies duplicate runs of one agent: a second run with the "
        "same key is refused.",
    )
    ttl_seconds_after_finished: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None,
        description="Time to live of the finished run, in seconds. 0 keeps it forever.",
    )


class JobRef(Model):
    """Reference to a Job."""

    name: str | None = Field(default=None, description="Name of the Job.")
    namespace: str | None = Field(default=None, description="Namespace of the Job.")
    uid: str | None = Field(default=None, description="UID of the Job.")


class LoopIteration(Model):
    """Status of one iteration of a loop."""

    index: Int32 | None = Field(default=None, description="Number of the iteration, starting at 1.")
    phase: str | None = Field(default=None, description="Current phase of the iteration.")
    attempts: Int32 | None = Field(default=None, description="Number of attempts so far.")
    started_at: Timestamp | None = Field(
        default=None, description="Time at which the iteration started."
    )
    finished_at: Timestamp | None = Field(
        default=None, description="Time at which the iteration finished."
    )
    message: str | None = Field(default=None, description="Human-readable details.")
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
    stop_reason: str | None = Field(default=None, description="Reason why the loop stopped.")
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

    name: str | None = Field(default=None, description="Name of the step.")
    phase: str | None = Field(default=None, description="Current phase of the step.")
    attempt: Int32 | None = Field(
        default=None, description="Number of the latest attempt, starting at 1."
    )
    started_at: Timestamp | None = Field(
        default=None, description="Time at which the step started."
    )
    finished_at: Timestamp | None = Field(
        default=None, description="Time at which the step finished."
    )
    job_observed_at: Timestamp | None = Field(
        default=None, description="Time at which the controller first observed the Job."
    )
    last_transition_time: Timestamp | None = Field(
        default=None, description="Time of the last phase change."
    )
    message: str | None = Field(default=None, description="Human-readable details.")
    disruptions: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None,
        description="Number of disrupted attempts, for example by an eviction. They do not "
        "count as retries.",
    )
    next_retry_at: Timestamp | None = Field(default=None, description="Time of the next attempt.")
    job_ref: JobRef | None = Field(default=None, description="Job of the latest attempt.")
    loop: LoopStatus | None = Field(default=None, description="Status of the step's loop.")


class WorkflowStatus(Model):
    """Status of the workflow's steps."""

    phase: str | None = Field(default=None, description="Current phase of the workflow.")
    last_transition_time: Timestamp | None = Field(
        default=None, description="Time of the last phase change."
    )
    steps: Annotated[list[StepStatus], Atomic()] | None = Field(
        default=None, description="Status of each step, in spec order."
    )


class VcsStatus(Model):
    """Source code that the run worked on."""

    provider: str | None = Field(default=None, description="VersionControlProvider that was used.")
    repository: str | None = Field(default=None, description="Repository, as owner/name.")
    base_branch: str | None = Field(default=None, description="Branch from which the run started.")
    head_branch: str | None = Field(default=None, description="Branch to which the run pushed.")
    mode: Literal["read-write", "read-only", "none"] | None = Field(
        default=None, description="Access that the run had to the code."
    )


class ContractStatus(Model):
    """Whether the parameters required by the implementation are set."""

    required_keys: Annotated[list[str], Atomic()] | None = Field(
        default=None, description="Parameters required by the implementation."
    )
    missing_keys: Annotated[list[str], Atomic()] | None = Field(
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


class AttemptStatus(Model):
    """A finished attempt."""

    number: Annotated[Int32, Field(ge=1)] = Field(
        description="Number of the attempt, starting at 1."
    )
    phase: str | None = Field(
        default=None, description="Final phase of the attempt: Succeeded, Failed or Cancelled."
    )
    reason: str | None = Field(default=None, description="Machine-readable reason for the phase.")
    message: str | None = Field(default=None, description="Human-readable details.")
    exit_code: Int32 | None = Field(default=None, description="Exit code of the agent's process.")
    job_ref: JobRef | None = Field(
        default=None, description="Job of the attempt, or its reference in another runtime."
    )
    started_at: Timestamp | None = Field(
        default=None, description="Time at which the attempt started."
    )
    finished_at: Timestamp | None = Field(
        default=None, description="Time at which the attempt finished."
    )


class AgentRunStatus(Status):
    """Most recently observed status of the run."""

    conditions: core.Conditions | None = Field(
        default=None,
        description="Conditions of the run: Accepted, InProgress, Succeeded, Failed and others.",
    )
    observed_generation: core.ObservedGeneration | None = None
    phase: str | None = Field(default=None, description="Current phase of the run.")
    reason: str | None = Field(default=None, description="Machine-readable reason for the phase.")
    message: str | None = Field(
        default=None, description="Human-readable explanation of the phase."
    )
    runtime_ref: JSONObject | None = Field(
        default=None, description="Reference to the run in its runtime."
    )
    runner: JSONObject | None = Field(default=None, description="Final report of the runner.")
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
    next_attempt_at: Timestamp | None = Field(
        default=None, description="Earliest time of the next attempt after a failed one."
    )
    attempts: Annotated[list[AttemptStatus], Atomic(), Field(max_length=20)] | None = Field(
        default=None, description="Finished attempts, in order; at most the latest 20."
    )
    started_at: Timestamp | None = Field(default=None, description="Time at which the run started.")
    finished_at: Timestamp | None = Field(
        default=None, description="Time at which the run finished."
    )
    updated_at: core.UpdatedAt | None = None
    artifacts: Annotated[list[core.Artifact], Atomic(), Field(max_length=50)] | None = Field(
        default=None, description="Output files of the run, at most 50."
    )
    artifacts_omitted: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None, description="Number of output files not listed in artifacts."
    )
    missing_artifacts: Annotated[list[str], Atomic(), Field(max_length=50)] | None = Field(
        default=None,
        description="Names of declared artifacts that the run did not produce, at most 50.",
    )
    vcs: VcsStatus | None = Field(default=None, description="Source code that the run worked on.")
    system_prompt_hash: str | None = Field(
        default=None, description="SHA-256 hash of the system prompt, in hexadecimal."
    )
    spec_hash: str | None = Field(
        default=None, description="SHA-256 hash of the accepted inputs, in hexadecimal."
    )
    contract: ContractStatus | None = Field(
        default=None, description="Whether the parameters required by the implementation are set."
    )


class AgentRun(
    Resource,
    columns=(
        Column("Phase", ".status.phase"),
        Column("Agent", ".spec.agentRef.name"),
        Column("Succeeded", '.status.conditions[?(@.type=="Succeeded")].status'),
        Column("Reason", '.status.conditions[?(@.type=="Succeeded")].reason'),
        Column("StartTime", ".status.startedAt", type="date"),
        Column("CompletionTime", ".status.finishedAt", type="date"),
        Column("Runtime", ".spec.runtime.type"),
    ),
):
    """One execution of an agent on a task, from submission to completion."""

    spec: AgentRunSpec = Field(
        description="Desired execution: the agent, the task and the runtime."
    )
    status: AgentRunStatus | None = Field(
        default=None, description="Most recently observed status of the run."
    )
