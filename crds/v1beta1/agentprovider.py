"""AgentProvider v1beta1: how an agent is started, and what drives it."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1beta1 import core
from schemagen import (
    Cel,
    ListMap,
    MaxBytes,
    Model,
    Resource,
    Spec,
    Status,
    exactly_one_of,
)
from schemagen.model.base import JSONObject
from schemagen.model.markers import Atomic
from schemagen.model.wire import Duration, Int64

# All files of a provider go into one ConfigMap, which holds 1 MiB (core/v1 MaxSecretSize): a
# quarter of it for one leaves room for the others.
FILE_BYTES = 256 * 1024
# As for the system prompt of an Agent, whose place baseInstructions takes.
INSTRUCTIONS = 16384

Argument = Annotated[str, Field(max_length=32768)]
Arguments = Annotated[list[Argument], Atomic(), Field(max_length=100)]
AbsolutePath = Annotated[str, Field(min_length=2, max_length=1024, pattern="^/")]
Instructions = Annotated[str, Field(max_length=INSTRUCTIONS)]


class Runner(Model):
    """The program that the runner's container starts."""

    command: core.Path = Field(description="The program, such as /usr/local/bin/agent-runner.")
    args: Arguments | None = Field(
        default=None, description="Arguments of the program; templates in them are filled in."
    )


class SecretKeyRef(core.KeyRef):
    """A key of a Secret in the same namespace, which may be missing."""

    optional: bool | None = Field(
        default=None,
        description="Whether the runner starts without the Secret or the key; false if absent.",
    )


class EnvSource(Model):
    """Where the value of a variable comes from when it is not written out."""

    secret_key_ref: SecretKeyRef = Field(description="A key of a Secret.")


class EnvVar(Model, rules=[core.ONE_VALUE]):
    """An environment variable of the runner."""

    name: core.EnvName = Field(description="Name of the variable.")
    value: core.EnvValue | None = Field(
        default=None,
        description="The value, in which templates are filled in; empty if it is absent and "
        "valueFrom is too.",
    )
    value_from: EnvSource | None = Field(
        default=None, description="Where the value comes from instead."
    )


class File(
    Model,
    rules=[
        exactly_one_of("content", "configMapKeyRef", "secretKeyRef"),
        Cel(
            "!(self.path in ['/workspace/run.json', '/workspace/agent-runner.json'])",
            "the controller writes this file itself; choose another path",
            reason="FieldValueForbidden",
            field_path=".path",
        ),
    ],
):
    """A file that is there before the runner starts."""

    path: AbsolutePath = Field(description="Absolute path of the file in the runner's container.")
    content: Annotated[str, MaxBytes(FILE_BYTES)] | None = Field(
        default=None,
        description="Text of the file, at most 262144 bytes of UTF-8; templates are filled in.",
    )
    config_map_key_ref: core.KeyRef | None = Field(
        default=None, description="A key of a ConfigMap that holds the text."
    )
    secret_key_ref: core.KeyRef | None = Field(
        default=None, description="A key of a Secret that holds the text."
    )


class Artifact(Model):
    """A file that a run leaves; templates in its fields are filled in."""

    name: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        description="Name of the artifact, distinct within the provider."
    )
    path: core.ShortText | None = Field(default=None, description="Where the run writes it.")
    key: core.ShortText | None = Field(default=None, description="Its key in the artifact store.")
    url: Annotated[str, Field(max_length=2048)] | None = Field(
        default=None, description="Where it can be fetched."
    )


Artifacts = Annotated[list[Artifact], ListMap("name"), Field(max_length=50)]


class Goal(Model):
    """What goes before the goal of a run."""

    objective: Annotated[str, Field(min_length=1, max_length=8192)] | None = Field(
        default=None, description="What the agent is to reach, in words."
    )
    token_budget: Annotated[Int64, Field(ge=1)] | None = Field(
        default=None, description="Tokens that a run may use in all."
    )


class CodexAppServer(Model):
    """The agent-runner talks to `codex app-server`; every setting is Codex's own if absent."""

    binary_path: core.Path | None = Field(
        default=None, description="Path of the codex program; absent: /usr/local/bin/codex."
    )
    cli_config_overrides: (
        Annotated[list[Annotated[str, Field(max_length=4096)]], Atomic(), Field(max_length=64)]
        | None
    ) = Field(default=None, description="Settings for its command line, as key=value.")
    cwd: core.Path | None = Field(
        default=None, description="Directory to work in; the code is checked out there."
    )
    model: core.ShortText | None = Field(default=None, description="Model that is asked.")
    # A word of the model's, and every new model may bring one along: no enum.
    effort: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="How hard the model thinks, such as high."
    )
    sandbox: Literal["ReadOnly", "WorkspaceWrite", "DangerFullAccess"] | None = Field(
        default=None, description="What the agent's commands may do to the container."
    )
    approval: Literal["Untrusted", "OnFailure", "OnRequest", "Never"] | None = Field(
        default=None, description="When the agent asks before it runs a command."
    )
    prompt: Instructions | None = Field(
        default=None,
        description="Template of the prompt; absent: the text of the implementation.",
    )
    base_instructions: Instructions | None = Field(
        default=None, description="Template that takes the place of the agent's system prompt."
    )
    developer_instructions: Instructions | None = Field(
        default=None, description="Template of what the developer tells the model beside it."
    )
    thread_id: core.ShortText | None = Field(default=None, description="Thread that is resumed.")
    thread_config: JSONObject | None = Field(
        default=None, description="Codex's own configuration for the thread, kept as it is."
    )
    goal: Goal | None = Field(default=None, description="What goes before the goal of a run.")
    bootstrap_timeout: Duration | None = Field(
        default=None, description="How long the app server may take to start."
    )
    experimental_raw_events: bool | None = Field(
        default=None, description="Whether the server sends the model's events as they are."
    )
    persist_extended_history: bool | None = Field(
        default=None, description="Whether the whole history of the thread is stored."
    )
    extra: JSONObject | None = Field(
        default=None,
        description="Other settings, kept as they are; none that a field beside it is for.",
    )


class TemplateVar(Model):
    """An environment variable whose value is a template."""

    name: core.EnvName = Field(description="Name of the variable.")
    value: core.EnvValue = Field(description="The value; templates in it are filled in.")


class TemplateFile(Model):
    """A file that the agent-runner writes."""

    path: core.Path = Field(description="Path of the file; templates in it are filled in.")
    content: Annotated[str, MaxBytes(FILE_BYTES)] = Field(
        description="Text of the file, at most 262144 bytes of UTF-8; templates are filled in."
    )


class Exec(Model):
    """The agent-runner starts a program; what is absent here is taken from the provider."""

    binary: core.Path | None = Field(default=None, description="The program.")
    args: Arguments | None = Field(
        default=None, description="Its arguments; templates in them are filled in."
    )
    env: Annotated[list[TemplateVar], ListMap("name"), Field(max_length=100)] | None = Field(
        default=None, description="Its environment variables beside those of the runner."
    )
    files: Annotated[list[TemplateFile], ListMap("path"), Field(max_length=64)] | None = Field(
        default=None, description="Files that are written before it starts."
    )
    output_artifacts: Artifacts | None = Field(default=None, description="Files that it leaves.")
    extra: JSONObject | None = Field(
        default=None,
        description="Other settings, kept as they are; none that a field beside it is for.",
    )


class Adapter(
    Model,
    rules=[
        core.only_with("type", "CodexAppServer", "codexAppServer"),
        core.only_with("type", "Exec", "exec"),
    ],
):
    """How the agent-runner drives the agent."""

    type: Literal["CodexAppServer", "Exec"] = Field(
        description="Which adapter; its settings stand in the field of the same name."
    )
    codex_app_server: CodexAppServer | None = Field(
        default=None, description="Settings of the adapter that talks to `codex app-server`."
    )
    exec: Exec | None = Field(
        default=None, description="Settings of the adapter that starts a program."
    )
    extra: JSONObject | None = Field(
        default=None,
        description="Settings of other adapters and tools, kept as they are.",
    )


class Health(
    Model,
    rules=[
        Cel(
            "!has(self.onCapacityExhausted) || self.onCapacityExhausted != 'Block'",
            "nobody looks at a provider's capacity yet, so that nothing is blocked; expected "
            "Degrade",
            reason="FieldValueForbidden",
            field_path=".onCapacityExhausted",
        )
    ],
):
    """What failures mean for the provider."""

    on_capacity_exhausted: Literal["Degrade", "Block"] | None = Field(
        default=None,
        description="What it means when the provider has no capacity left: Degrade keeps it Ready, "
        "Block does not.",
    )


class ServiceAccountToken(Model):
    """A short-lived token of the service account, as a file (core/v1 names its fields)."""

    audience: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        description="Whom the token is meant for."
    )
    expiration_seconds: Annotated[Int64, Field(ge=600, le=3600)] = Field(
        description="Seconds that a token is valid, from 600 to 3600; it is renewed in time."
    )
    mount_path: AbsolutePath = Field(
        description="Directory in which the token is mounted; an absolute path."
    )


class Workload(Model):
    """What the runner's container is like, unless a run says otherwise."""

    image: core.ShortText | None = Field(
        default=None, description="Image of the runner; absent: the controller's."
    )
    resources: core.ResourceRequirements | None = Field(
        default=None, description="What the container needs and may use."
    )
    service_account_name: core.Name | None = Field(
        default=None, description="Service account of the runner's pod."
    )
    service_account_token: ServiceAccountToken | None = Field(
        default=None, description="A token of that account that the runner finds as a file."
    )


class AgentProviderSpec(Spec):
    """How an agent is started, and what drives it."""

    runner: Runner = Field(description="The program that the runner's container starts.")
    adapter: Adapter = Field(description="How the agent-runner drives the agent.")
    env: Annotated[list[EnvVar], ListMap("name"), Field(max_length=100)] | None = Field(
        default=None, description="Environment variables of the runner, in this order."
    )
    files: Annotated[list[File], ListMap("path"), Field(max_length=64)] | None = Field(
        default=None, description="Files that are there before the runner starts."
    )
    output_artifacts: Artifacts | None = Field(default=None, description="Files that a run leaves.")
    health: Health | None = Field(
        default=None, description="What failures mean for the provider as a whole."
    )
    workload: Workload | None = Field(
        default=None, description="The container of runs that do not describe their own."
    )


class AgentProviderStatus(Status):
    """What the controller saw of the provider."""

    conditions: core.Conditions | None = Field(
        default=None, description="Ready, InvalidSpec, Unreachable and Degraded."
    )
    observed_generation: core.ObservedGeneration | None = None
    last_update_time: core.LastUpdateTime | None = None


class AgentProvider(Resource):
    """A way to start agents, which any number of agents may share."""

    spec: AgentProviderSpec = Field(description="How an agent is started, and what drives it.")
    status: AgentProviderStatus | None = Field(
        default=None, description="What the controller saw of the provider."
    )
