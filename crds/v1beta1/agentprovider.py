"""AgentProvider v1beta1: how an agent's process is started and driven."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1beta1 import core
from schemagen import Cel, Column, ListMap, MaxBytes, Model, Resource, Spec, Status, exactly_one_of
from schemagen.model.base import JSONObject
from schemagen.model.markers import Atomic
from schemagen.model.wire import Duration, Int64

# All files of a provider share one ConfigMap of at most 1 MiB (core/v1 MaxSecretSize): a quarter of
# that for a single file leaves room for the others.
FILE_BYTES = 256 * 1024
# Same limit as the system prompt of an Agent, which baseInstructions replaces.
INSTRUCTIONS = 16384

Argument = Annotated[str, Field(max_length=32768)]
Arguments = Annotated[list[Argument], Atomic(), Field(max_length=100)]
AbsolutePath = Annotated[str, Field(min_length=2, max_length=1024, pattern="^/")]
Instructions = Annotated[str, Field(max_length=INSTRUCTIONS)]


class Runner(Model):
    """Program started in the runner's container."""

    command: core.Path = Field(
        description="Path of the program, such as /usr/local/bin/agent-runner."
    )
    args: Arguments | None = Field(
        default=None, description="Arguments of the program. Templates are expanded."
    )


class SecretKeyRef(core.KeyRef):
    """Reference to a key of a Secret in the same namespace, which may be optional."""

    optional: bool | None = Field(
        default=None,
        description="Whether the Secret and the key may be missing. Defaults to false.",
    )


class EnvSource(Model):
    """Source of an environment variable's value."""

    secret_key_ref: SecretKeyRef = Field(description="Key of a Secret.")


class EnvVar(Model, rules=[core.VALUE_OR_SOURCE]):
    """An environment variable of the runner."""

    name: core.EnvName = Field(description="Name of the variable.")
    value: core.EnvValue | None = Field(
        default=None,
        description="Value of the variable. Templates are expanded. Defaults to empty if "
        "valueFrom is absent too.",
    )
    value_from: EnvSource | None = Field(
        default=None, description="Source of the value, instead of value."
    )


class File(
    Model,
    rules=[
        exactly_one_of("content", "configMapKeyRef", "secretKeyRef"),
        Cel(
            "!(self.path in ['/workspace/run.json', '/workspace/agent-runner.json'])",
            "the path is reserved for a file written by the controller; choose another path",
            reason="FieldValueForbidden",
            field_path=".path",
        ),
    ],
):
    """A file created before the runner starts."""

    path: AbsolutePath = Field(description="Absolute path of the file in the runner's container.")
    content: Annotated[str, MaxBytes(FILE_BYTES)] | None = Field(
        default=None,
        description="Content of the file, at most 262144 bytes of UTF-8. Templates are expanded.",
    )
    config_map_key_ref: core.KeyRef | None = Field(
        default=None, description="Key of a ConfigMap that holds the content."
    )
    secret_key_ref: core.KeyRef | None = Field(
        default=None, description="Key of a Secret that holds the content."
    )


class Artifact(Model):
    """An output file of a run. Templates in its fields are expanded."""

    name: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        description="Name of the artifact, unique within the provider."
    )
    path: core.ShortText | None = Field(
        default=None, description="Path at which the run writes the file."
    )
    key: core.ShortText | None = Field(
        default=None, description="Key of the file in the artifact store."
    )
    url: Annotated[str, Field(max_length=2048)] | None = Field(
        default=None, description="URL from which the file can be downloaded."
    )


Artifacts = Annotated[list[Artifact], ListMap("name"), Field(max_length=50)]


class Goal(Model):
    """Goal that overrides the run's goal."""

    objective: Annotated[str, Field(min_length=1, max_length=8192)] | None = Field(
        default=None, description="Objective of the agent, in plain text."
    )
    token_budget: Annotated[Int64, Field(ge=1)] | None = Field(
        default=None, description="Maximum number of tokens a run may use."
    )


class CodexAppServer(Model):
    """Settings of the adapter for `codex app-server`; absent settings default to Codex's own."""

    binary_path: core.Path | None = Field(
        default=None, description="Path of the codex binary. Defaults to /usr/local/bin/codex."
    )
    cli_config_overrides: (
        Annotated[list[Annotated[str, Field(max_length=4096)]], Atomic(), Field(max_length=64)]
        | None
    ) = Field(default=None, description="Command-line configuration overrides, as key=value.")
    cwd: core.Path | None = Field(
        default=None, description="Working directory, into which the code is checked out."
    )
    model: core.ShortText | None = Field(default=None, description="Name of the model.")
    # No enum: each model defines its own values.
    effort: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="Reasoning effort of the model, such as high."
    )
    sandbox: Literal["ReadOnly", "WorkspaceWrite", "DangerFullAccess"] | None = Field(
        default=None, description="Sandbox policy for commands of the agent."
    )
    approval: Literal["Untrusted", "OnFailure", "OnRequest", "Never"] | None = Field(
        default=None, description="Approval policy for commands of the agent."
    )
    prompt: Instructions | None = Field(
        default=None,
        description="Template for the prompt. Defaults to the text of the implementation.",
    )
    base_instructions: Instructions | None = Field(
        default=None,
        description="Template for the base instructions, which replace the agent's system prompt.",
    )
    developer_instructions: Instructions | None = Field(
        default=None, description="Template for the developer instructions."
    )
    thread_id: core.ShortText | None = Field(
        default=None, description="ID of the thread to resume."
    )
    thread_config: JSONObject | None = Field(
        default=None, description="Codex configuration of the thread, passed through unchanged."
    )
    goal: Goal | None = Field(default=None, description="Goal that overrides the run's goal.")
    bootstrap_timeout: Duration | None = Field(
        default=None, description="Startup timeout of the app server."
    )
    experimental_raw_events: bool | None = Field(
        default=None, description="Whether the server forwards raw events of the model."
    )
    persist_extended_history: bool | None = Field(
        default=None, description="Whether the full history of the thread is stored."
    )
    extra: JSONObject | None = Field(
        default=None,
        description="Additional settings, preserved unchanged. Keys must not repeat sibling "
        "fields.",
    )


class TemplateVar(Model):
    """An environment variable whose value is a template."""

    name: core.EnvName = Field(description="Name of the variable.")
    value: core.EnvValue = Field(description="Value of the variable. Templates are expanded.")


class TemplateFile(Model):
    """A file written by the agent-runner."""

    path: core.Path = Field(description="Path of the file. Templates are expanded.")
    content: Annotated[str, MaxBytes(FILE_BYTES)] = Field(
        description="Content of the file, at most 262144 bytes of UTF-8. Templates are expanded."
    )


class Exec(Model):
    """Settings of the adapter that starts a program; absent settings default to the provider's."""

    binary: core.Path | None = Field(default=None, description="Path of the program.")
    args: Arguments | None = Field(
        default=None, description="Arguments of the program. Templates are expanded."
    )
    env: Annotated[list[TemplateVar], ListMap("name"), Field(max_length=100)] | None = Field(
        default=None,
        description="Environment variables of the program, in addition to the runner's.",
    )
    files: Annotated[list[TemplateFile], ListMap("path"), Field(max_length=64)] | None = Field(
        default=None, description="Files written before the program starts."
    )
    output_artifacts: Artifacts | None = Field(
        default=None, description="Output files of the program."
    )
    extra: JSONObject | None = Field(
        default=None,
        description="Additional settings, preserved unchanged. Keys must not repeat sibling "
        "fields.",
    )


class Adapter(
    Model,
    rules=[
        core.only_with("type", "CodexAppServer", "codexAppServer"),
        core.only_with("type", "Exec", "exec"),
    ],
):
    """Adapter with which the agent-runner drives the agent."""

    type: Literal["CodexAppServer", "Exec"] = Field(
        description="Type of the adapter. Its settings are in the field of the same name."
    )
    codex_app_server: CodexAppServer | None = Field(
        default=None, description="Settings of the adapter for `codex app-server`."
    )
    exec: Exec | None = Field(
        default=None, description="Settings of the adapter that starts a program."
    )
    extra: JSONObject | None = Field(
        default=None,
        description="Settings for other adapters and tools, preserved unchanged.",
    )


class Health(
    Model,
    rules=[
        Cel(
            "!has(self.onCapacityExhausted) || self.onCapacityExhausted != 'Block'",
            "expected Degrade, got Block; provider capacity is not monitored yet, "
            "so Block would have no effect",
            reason="FieldValueForbidden",
            field_path=".onCapacityExhausted",
        )
    ],
):
    """Effect of failures on the provider's health."""

    on_capacity_exhausted: Literal["Degrade", "Block"] | None = Field(
        default=None,
        description="Effect of exhausted capacity: Degrade keeps the provider Ready, Block "
        "does not.",
    )


class ServiceAccountToken(Model):
    """A projected service account token (fields as in core/v1 ServiceAccountTokenProjection)."""

    audience: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        description="Intended audience of the token."
    )
    expiration_seconds: Annotated[Int64, Field(ge=600, le=3600)] = Field(
        description="Lifetime of the token in seconds, from 600 to 3600. It is rotated before "
        "it expires."
    )
    mount_path: AbsolutePath = Field(
        description="Absolute path of the directory in which the token is mounted."
    )


class Workload(Model):
    """Defaults for the runner's container, which a run may override."""

    image: core.ShortText | None = Field(
        default=None, description="Image of the runner. Defaults to the controller's."
    )
    resources: core.ResourceRequirements | None = Field(
        default=None, description="Compute resources of the container."
    )
    service_account_name: core.Name | None = Field(
        default=None, description="ServiceAccount of the runner's pod."
    )
    service_account_token: ServiceAccountToken | None = Field(
        default=None, description="Token of the service account, mounted as a file."
    )


class AgentProviderSpec(Spec):
    """Program, adapter and container that run an agent."""

    runner: Runner = Field(description="Program started in the runner's container.")
    adapter: Adapter = Field(description="Adapter with which the agent-runner drives the agent.")
    env: Annotated[list[EnvVar], ListMap("name"), Field(max_length=100)] | None = Field(
        default=None, description="Environment variables of the runner, in order."
    )
    files: Annotated[list[File], ListMap("path"), Field(max_length=64)] | None = Field(
        default=None, description="Files created before the runner starts."
    )
    output_artifacts: Artifacts | None = Field(default=None, description="Output files of a run.")
    health: Health | None = Field(
        default=None, description="Effect of failures on the provider's health."
    )
    workload: Workload | None = Field(
        default=None, description="Container of runs that do not set their own workload."
    )


class AgentProviderStatus(Status):
    """Most recently observed status of the provider."""

    conditions: core.Conditions | None = Field(
        default=None, description="Conditions: Ready, InvalidSpec, Unreachable and Degraded."
    )
    observed_generation: core.ObservedGeneration | None = None
    last_update_time: core.LastUpdateTime | None = None


class AgentProvider(
    Resource,
    plural="agentproviders",
    short_names=("aprov",),
    categories=("agents",),
    columns=(
        core.READY,
        Column("Adapter", ".spec.adapter.type"),
        Column("Model", ".spec.adapter.codexAppServer.model", priority=1),
        Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', priority=1),
        core.AGE,
    ),
    selectable=(".spec.adapter.type",),
):
    """Program and adapter that run agents; any number of agents may share it."""

    spec: AgentProviderSpec = Field(description="Program, adapter and container that run an agent.")
    status: AgentProviderStatus | None = Field(
        default=None, description="Most recently observed status of the provider."
    )
