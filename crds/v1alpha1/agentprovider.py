"""AgentProvider v1alpha1, as the world has it."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1alpha1 import core
from schemagen import Model, Resource, Spec, Status
from schemagen.model.base import JSONObject
from schemagen.model.markers import Atomic
from schemagen.model.wire import Int64


class SecretEnv(Model):
    """An environment variable whose value is a key of a Secret."""

    name: str = Field(description="Name of the variable.")
    secret_name: str = Field(description="Secret that holds the value, in the same namespace.")
    key: str = Field(description="Key of the Secret whose value is taken.")
    optional: bool | None = Field(
        default=None, description="Whether the runner starts without the Secret or the key."
    )


class InputFile(Model):
    """A file that is there before the runner starts."""

    path: str = Field(description="Path of the file in the runner's container.")
    content: str = Field(description="Text of the file; templates in it are filled in.")


class Health(Model):
    """What failures mean for the provider."""

    capacity_failure_policy: Literal["degrade", "block"] | None = Field(
        default=None,
        description="What it means when the provider has no capacity left: degrade keeps it Ready, "
        "block does not.",
    )


class ServiceAccountToken(Model):
    """A short-lived token of the service account, as a file."""

    audience: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        description="Whom the token is meant for."
    )
    expiration_seconds: Annotated[Int64, Field(ge=600, le=3600)] = Field(
        description="Seconds that a token is valid, from 600 to 3600; it is renewed in time."
    )
    mount_path: Annotated[str, Field(min_length=2, max_length=1024, pattern="^/")] = Field(
        description="Directory in which the token is mounted; an absolute path."
    )


class Workload(Model):
    """What the runner's container is like, unless a run says otherwise."""

    image: str | None = Field(default=None, description="Image of the runner.")
    resources: core.Resources | None = Field(
        default=None, description="What the container needs and may use."
    )
    service_account_name: str | None = Field(
        default=None, description="Service account of the runner's pod."
    )
    service_account_token: ServiceAccountToken | None = Field(
        default=None, description="A token of that account that the runner finds as a file."
    )


class AgentProviderSpec(Spec):
    """How an agent is started."""

    binary: str = Field(description="Program that the runner's container starts.")
    args_template: Annotated[list[str], Atomic()] | None = Field(
        default=None, description="Arguments of the program; templates in them are filled in."
    )
    env_template: dict[str, str] | None = Field(
        default=None, description="Environment variables; templates in the values are filled in."
    )
    secret_env: Annotated[list[SecretEnv], Atomic()] | None = Field(
        default=None,
        description="Environment variables from Secrets; they go before those of envTemplate.",
    )
    input_files: Annotated[list[InputFile], Atomic()] | None = Field(
        default=None, description="Files that are there before the program starts."
    )
    output_artifacts: Annotated[list[core.Artifact], Atomic()] | None = Field(
        default=None, description="Files that a run leaves; templates in them are filled in."
    )
    health: Health | None = Field(
        default=None, description="What failures mean for the provider as a whole."
    )
    workload: Workload | None = Field(
        default=None, description="The container of runs that do not describe their own."
    )
    adapter: JSONObject | None = Field(
        default=None,
        description="How the agent-runner drives the agent: type is codex-app-server or exec, with "
        "settings under codex or exec. Without a type, a binary that ends in /agent-runner means "
        "codex-app-server and any other one exec.",
    )


class AgentProviderStatus(Status):
    """What the controller saw of the provider."""

    conditions: core.Conditions | None = Field(
        default=None, description="Ready, InvalidSpec, Unreachable and Degraded."
    )
    observed_generation: core.ObservedGeneration | None = None
    updated_at: core.UpdatedAt | None = None


class AgentProvider(Resource):
    """A way to start agents, which any number of agents may share."""

    spec: AgentProviderSpec = Field(description="How an agent is started.")
    status: AgentProviderStatus | None = Field(
        default=None, description="What the controller saw of the provider."
    )
