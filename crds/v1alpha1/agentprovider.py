"""AgentProvider v1alpha1, compatible with the published API."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1alpha1 import core
from schemagen import Model, Resource, Spec, Status
from schemagen.model.base import JSONObject
from schemagen.model.markers import Atomic
from schemagen.model.wire import Int64


class SecretEnv(Model):
    """An environment variable whose value comes from a Secret."""

    name: str = Field(description="Name of the variable.")
    secret_name: str = Field(
        description="Name of the Secret that holds the value, in the same namespace."
    )
    key: str = Field(description="Key of the Secret.")
    optional: bool | None = Field(
        default=None,
        description="Whether the Secret and the key may be missing. Defaults to false.",
    )


class InputFile(Model):
    """A file created before the runner starts."""

    path: str = Field(description="Path of the file in the runner's container.")
    content: str = Field(description="Content of the file. Templates are expanded.")


class Health(Model):
    """Effect of failures on the provider's health."""

    capacity_failure_policy: Literal["degrade", "block"] | None = Field(
        default=None,
        description="Effect of exhausted capacity: degrade keeps the provider Ready, block "
        "does not.",
    )


class ServiceAccountToken(Model):
    """A projected service account token."""

    audience: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        description="Intended audience of the token."
    )
    expiration_seconds: Annotated[Int64, Field(ge=600, le=3600)] = Field(
        description="Lifetime of the token in seconds, from 600 to 3600. It is rotated before "
        "it expires."
    )
    mount_path: Annotated[str, Field(min_length=2, max_length=1024, pattern="^/")] = Field(
        description="Absolute path of the directory in which the token is mounted."
    )


class Workload(Model):
    """Defaults for the runner's container, which a run may override."""

    image: str | None = Field(default=None, description="Image of the runner.")
    resources: core.Resources | None = Field(
        default=None, description="Compute resources of the container."
    )
    service_account_name: str | None = Field(
        default=None, description="ServiceAccount of the runner's pod."
    )
    service_account_token: ServiceAccountToken | None = Field(
        default=None, description="Token of the service account, mounted as a file."
    )


class AgentProviderSpec(Spec):
    """Program and container that run an agent."""

    binary: str = Field(description="Program started in the runner's container.")
    args_template: Annotated[list[str], Atomic()] | None = Field(
        default=None, description="Arguments of the program. Templates are expanded."
    )
    env_template: dict[str, str] | None = Field(
        default=None, description="Environment variables. Templates in the values are expanded."
    )
    secret_env: Annotated[list[SecretEnv], Atomic()] | None = Field(
        default=None,
        description="Environment variables from Secrets; they take precedence over envTemplate.",
    )
    input_files: Annotated[list[InputFile], Atomic()] | None = Field(
        default=None, description="Files created before the program starts."
    )
    output_artifacts: Annotated[list[core.Artifact], Atomic()] | None = Field(
        default=None, description="Output files of a run. Templates are expanded."
    )
    health: Health | None = Field(
        default=None, description="Effect of failures on the provider's health."
    )
    workload: Workload | None = Field(
        default=None, description="Container of runs that do not set their own workload."
    )
    adapter: JSONObject | None = Field(
        default=None,
        description="Adapter with which the agent-runner drives the agent: type is "
        "codex-app-server or exec, with settings under codex or exec. Without a "
        "type, a binary that ends in /agent-runner defaults to codex-app-server "
        "and any other to exec.",
    )


class AgentProviderStatus(Status):
    """Most recently observed status of the provider."""

    conditions: core.Conditions | None = Field(
        default=None, description="Conditions: Ready, InvalidSpec, Unreachable and Degraded."
    )
    observed_generation: core.ObservedGeneration | None = None
    updated_at: core.UpdatedAt | None = None


class AgentProvider(
    Resource,
    columns=(core.READY,),
):
    """Program and adapter that run agents; any number of agents may share it."""

    spec: AgentProviderSpec = Field(description="Program and container that run an agent.")
    status: AgentProviderStatus | None = Field(
        default=None, description="Most recently observed status of the provider."
    )
