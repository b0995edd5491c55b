"""AgentRun v1alpha1, as the world has it; only the byte limits are ours."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1alpha1 import core, implementationspec
from schemagen import Cel, LocalRef, MaxBytes, MaxEntries, Model, Resource, Spec, Status
from schemagen.model.base import JSONObject
from schemagen.model.markers import Atomic
from schemagen.model.wire import Int32, Int64, Timestamp

PARAMETERS = 100
PARAMETER_BYTES = 2048

Parameters = Annotated[dict[str, Annotated[str, MaxBytes(PARAMETER_BYTES)]], MaxEntries(PARAMETERS)]

NO_PROMPT = Cel(
    "!has(self.parameters) || !('prompt' in self.parameters)",
    "parameters must not hold the key prompt; the prompt comes from the implementation",
)


class Runtime(Model):
    """What carries a run out."""

    type: Literal["workflow", "job", "temporal", "custom"] = Field(description="Which runtime.")
    config: JSONObject | None = Field(default=None, description="Its settings.")


class Implementation(Model):
    """The task, written out."""

    inline: implementationspec.ImplementationSpecSpec = Field(description="The task itself.")


class Goal(Model):
    """What the run is after, and what it may spend."""

    objective: Annotated[str, Field(min_length=1, max_length=8192)] = Field(
        description="What the agent is to reach, in words."
    )
    token_budget: Annotated[Int64, Field(ge=1)] | None = Field(
        default=None, description="Tokens that the run may use in all."
    )


class Volume(Model):
    """A directory that is mounted into the runner."""

    name: str = Field(description="Name of the volume.")
    type: Literal["emptyDir", "pvc", "secret"] = Field(description="What it is.")
    mount_path: str = Field(description="Where it is mounted.")
    read_only: bool | None = Field(default=None, description="Mounted without write access.")
    claim_name: str | None = Field(default=None, description="Claim of a pvc.")
    secret_name: str | None = Field(default=None, description="Secret of a secret volume.")
    size_limit: str | None = Field(default=None, description="How much an emptyDir may hold.")
    medium: str | None = Field(default=None, description="Medium of an emptyDir.")


class Workload(Model):
    """The container that runs the agent."""

    image: str | None = Field(default=None, description="Image of the runner.")
    resources: core.Resources | None = Field(default=None, description="What it needs and may use.")
    volumes: Annotated[list[Volume], Atomic()] | None = Field(
        default=None, description="Directories that are mounted."
    )


class LoopSource(Model):
    """Where a loop's condition finds its input."""

    type: Literal["file"] | None = Field(default=None, description="Always file.")
    path: str | None = Field(default=None, description="Path of the control file.")
    on_missing: Literal["stop", "fail"] | None = Field(
        default=None, description="What a missing file means."
    )
    on_invalid: Literal["stop", "fail"] | None = Field(
        default=None, description="What an unreadable file means."
    )


class LoopCondition(Model):
    """What must hold for another iteration."""

    type: Literal["cel"] | None = Field(default=None, description="Always cel.")
    expression: str | None = Field(default=None, description="CEL expression.")
    source: LoopSource | None = Field(default=None, description="Where its input comes from.")


class LoopState(Model):
    """What an iteration hands to the next."""

    required: bool | None = Field(
        default=None, description="Whether the volumes must be persistent."
    )
    volume_names: Annotated[list[str], Atomic(), Field(max_length=20)] | None = Field(
        default=None, description="Volumes that carry the state."
    )


class Loop(Model):
    """Repetition of a step."""

    max_iterations: Annotated[Int32, Field(ge=1)] = Field(description="Iterations at most.")
    condition: LoopCondition | None = Field(
        default=None, description="What must hold for another iteration."
    )
    state: LoopState | None = Field(
        default=None, description="What an iteration hands to the next."
    )


class WorkflowStep(Model, rules=[NO_PROMPT]):
    """One step of a workflow; its own settings go before the run's."""

    name: str = Field(description="Name of the step.")
    implementation_spec_ref: LocalRef | None = Field(
        default=None, description="ImplementationSpec to carry out; absent: the run's."
    )
    implementation: Implementation | None = Field(default=None, description="The task itself.")
    workload: Workload | None = Field(default=None, description="The container; absent: the run's.")
    parameters: Parameters | None = Field(
        default=None, description="Values that go before the run's; at most 100 of 2048 bytes."
    )
    retries: Int32 | None = Field(default=None, description="Retries after the first attempt.")
    retry_backoff_seconds: Int32 | None = Field(
        default=None, description="Seconds between the attempts."
    )
    timeout_seconds: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None, description="Seconds that an attempt may take."
    )
    loop: Loop | None = Field(default=None, description="Repetition of the step.")


class Workflow(Model):
    """Steps, each an own Job."""

    steps: Annotated[list[WorkflowStep], Atomic()] = Field(
        description="Steps in the order in which they start."
    )


class VcsPolicy(Model):
    """What the run may do with the code."""

    required: bool | None = Field(
        default=None, description="Whether the run fails when the code cannot be reached."
    )
    mode: Literal["read-write", "read-only", "none"] | None = Field(
        default=None, description="What it may do; read-write if vcsRef is set."
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
            "systemPrompt and systemPromptRef exclude each other",
        ),
        Cel(
            "!has(self.systemPrompt) && !has(self.systemPromptRef)",
            "a run has no system prompt of its own; set it in spec.defaults of the Agent",
        ),
        NO_PROMPT,
    ],
):
    """One run of an agent."""

    agent_ref: LocalRef = Field(description="Agent that runs.")
    runtime: Runtime = Field(description="What carries the run out.")
    implementation_spec_ref: LocalRef | None = Field(
        default=None, description="ImplementationSpec to carry out."
    )
    implementation: Implementation | None = Field(default=None, description="The task itself.")
    goal: Goal | None = Field(default=None, description="What the run is after.")
    workflow: Workflow | None = Field(default=None, description="Steps of the workflow runtime.")
    workload: Workload | None = Field(default=None, description="The container of the agent.")
    parameters: Parameters | None = Field(
        default=None, description="Values for templates and prompts; at most 100 of 2048 bytes."
    )
    secrets: Annotated[list[str], Atomic()] | None = Field(
        default=None, description="Secrets whose keys become environment variables."
    )
    system_prompt: Annotated[str, Field(max_length=16384)] | None = Field(
        default=None, description="Not usable; see spec.defaults of the Agent."
    )
    system_prompt_ref: core.SystemPromptRef | None = Field(
        default=None, description="Not usable; see spec.defaults of the Agent."
    )
    memory_ref: LocalRef | None = Field(
        default=None, description="Memory of the run; absent: the agent's or the default one."
    )
    vcs_ref: LocalRef | None = Field(
        default=None, description="VersionControlProvider; absent: the agent's."
    )
    vcs_policy: VcsPolicy | None = Field(
        default=None, description="What the run may do with the code."
    )
    idempotency_key: str | None = Field(
        default=None, description="Runs of one agent with the same key are one run."
    )
    ttl_seconds_after_finished: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None, description="Seconds that the finished run is kept; 0 keeps it for ever."
    )


class JobRef(Model):
    """A Job."""

    name: str | None = Field(default=None, description="Its name.")
    namespace: str | None = Field(default=None, description="Its namespace.")
    uid: str | None = Field(default=None, description="Its uid.")


class LoopIteration(Model):
    """One iteration of a loop."""

    index: Int32 | None = Field(default=None, description="Its number.")
    phase: str | None = Field(default=None, description="How it stands.")
    attempts: Int32 | None = Field(default=None, description="Attempts so far.")
    started_at: Timestamp | None = Field(default=None, description="When it started.")
    finished_at: Timestamp | None = Field(default=None, description="When it ended.")
    message: str | None = Field(default=None, description="What happened.")
    job_ref: JobRef | None = Field(default=None, description="Its Job.")


class LoopStatus(Model):
    """How a loop stands."""

    current_iteration: Int32 | None = Field(default=None, description="The one under way.")
    completed_iterations: Int32 | None = Field(default=None, description="Those that ended.")
    max_iterations: Int32 | None = Field(default=None, description="Iterations at most.")
    stop_reason: str | None = Field(default=None, description="Why it ended.")
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

    name: str | None = Field(default=None, description="Name of the step.")
    phase: str | None = Field(default=None, description="How it stands.")
    attempt: Int32 | None = Field(default=None, description="Number of the latest attempt.")
    started_at: Timestamp | None = Field(default=None, description="When it started.")
    finished_at: Timestamp | None = Field(default=None, description="When it ended.")
    job_observed_at: Timestamp | None = Field(
        default=None, description="When the controller first saw its Job."
    )
    last_transition_time: Timestamp | None = Field(
        default=None, description="When the phase last changed."
    )
    message: str | None = Field(default=None, description="What happened.")
    disruptions: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None, description="Attempts that were taken away; they use up no retry."
    )
    next_retry_at: Timestamp | None = Field(
        default=None, description="When the next attempt starts."
    )
    job_ref: JobRef | None = Field(default=None, description="Its latest Job.")
    loop: LoopStatus | None = Field(default=None, description="How its loop stands.")


class WorkflowStatus(Model):
    """How the steps stand."""

    phase: str | None = Field(default=None, description="How the workflow stands.")
    last_transition_time: Timestamp | None = Field(
        default=None, description="When the phase last changed."
    )
    steps: Annotated[list[StepStatus], Atomic()] | None = Field(
        default=None, description="The steps, in order."
    )


class VcsStatus(Model):
    """The code that the run worked on."""

    provider: str | None = Field(default=None, description="VersionControlProvider.")
    repository: str | None = Field(default=None, description="Repository.")
    base_branch: str | None = Field(default=None, description="Branch it started from.")
    head_branch: str | None = Field(default=None, description="Branch it wrote to.")
    mode: Literal["read-write", "read-only", "none"] | None = Field(
        default=None, description="What it was allowed to do."
    )


class ContractStatus(Model):
    """Whether the implementation got what it needs."""

    required_keys: Annotated[list[str], Atomic()] | None = Field(
        default=None, description="Parameters that it needs."
    )
    missing_keys: Annotated[list[str], Atomic()] | None = Field(
        default=None, description="Those of them that are not set."
    )


class Queue(Model):
    """Why the run waits for its turn."""

    blocked_by: Literal["Namespace", "Agent", "Cluster"] | None = Field(
        default=None, description="Whose limit of runs in flight keeps it waiting."
    )
    since: Timestamp | None = Field(default=None, description="Since when.")


class AttemptStatus(Model):
    """An attempt that has ended."""

    number: Annotated[Int32, Field(ge=1)] = Field(description="Its number, from 1.")
    phase: str | None = Field(default=None, description="Succeeded, Failed or Cancelled.")
    reason: str | None = Field(default=None, description="Machine-readable reason of its end.")
    message: str | None = Field(default=None, description="What happened.")
    exit_code: Int32 | None = Field(default=None, description="Exit code of the agent.")
    job_ref: JobRef | None = Field(
        default=None, description="Its Job, or what the runtime calls it."
    )
    started_at: Timestamp | None = Field(default=None, description="When it started.")
    finished_at: Timestamp | None = Field(default=None, description="When it ended.")


class AgentRunStatus(Status):
    """What the controller saw of the run."""

    conditions: core.Conditions | None = Field(
        default=None, description="Accepted, InProgress, Succeeded, Failed and others."
    )
    observed_generation: core.ObservedGeneration | None = None
    phase: str | None = Field(default=None, description="How the run stands, in one word.")
    reason: str | None = Field(default=None, description="Why it stands so, as a word.")
    message: str | None = Field(default=None, description="Why it stands so, for people.")
    runtime_ref: JSONObject | None = Field(
        default=None, description="What the runtime calls the run."
    )
    runner: JSONObject | None = Field(default=None, description="What the runner reported.")
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
    next_attempt_at: Timestamp | None = Field(
        default=None, description="When the next attempt may start, after one that failed."
    )
    attempts: Annotated[list[AttemptStatus], Atomic(), Field(max_length=20)] | None = Field(
        default=None, description="The attempts that have ended, in order; the latest 20."
    )
    started_at: Timestamp | None = Field(default=None, description="When the run started.")
    finished_at: Timestamp | None = Field(default=None, description="When the run ended.")
    updated_at: core.UpdatedAt | None = None
    artifacts: Annotated[list[core.Artifact], Atomic(), Field(max_length=50)] | None = Field(
        default=None, description="Files that the run left; at most 50."
    )
    artifacts_omitted: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None, description="Number of files that the run left and that are not listed."
    )
    missing_artifacts: Annotated[list[str], Atomic(), Field(max_length=50)] | None = Field(
        default=None,
        description="Names of declared artifacts that the run did not leave; at most 50.",
    )
    vcs: VcsStatus | None = Field(default=None, description="The code that the run worked on.")
    system_prompt_hash: str | None = Field(
        default=None, description="SHA-256 of the system prompt, in hex."
    )
    spec_hash: str | None = Field(
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
