"""Agent v1alpha1, compatible with the published API: unbounded, and empty allow lists allow all."""

from typing import Annotated

from pydantic import Field

from crds.v1alpha1 import core
from schemagen import Cel, Column, LocalRef, Model, Resource, Spec, Status
from schemagen.model.base import JSONObject
from schemagen.model.markers import Atomic
from schemagen.model.wire import Int32


class EnvVar(Model):
    """A named value for templates."""

    name: str = Field(description="Name of the variable.")
    value: str | None = Field(default=None, description="Value of the variable. Defaults to empty.")


class Security(Model):
    """Policy for runs of the agent; an absent or empty list allows everything."""

    allowed_secrets: Annotated[list[str], Atomic()] | None = Field(
        default=None, description="Names of the Secrets that runs may use."
    )
    allowed_service_accounts: Annotated[list[str], Atomic()] | None = Field(
        default=None, description="Names of the ServiceAccounts that runs may use."
    )
    allowed_implementation_source_providers: Annotated[list[str], Atomic()] | None = Field(
        default=None,
        description="Systems from which tasks may originate: github, linear, manual or custom.",
    )


class Defaults(
    Model,
    rules=[
        Cel(
            "!(has(self.systemPrompt) && has(self.systemPromptRef))",
            "systemPrompt and systemPromptRef are mutually exclusive",
        )
    ],
):
    """Defaults for runs of the agent."""

    timeout_seconds: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None,
        description="Maximum duration of an attempt of a run, in seconds. Defaults to no limit, as "
        "does 0.",
    )
    retry_limit: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None,
        description="Maximum number of retries after the first attempt. Defaults to 0.",
    )
    system_prompt: Annotated[str, Field(max_length=16384)] | None = Field(
        default=None, description="Inline system prompt, at most 16384 characters."
    )
    system_prompt_ref: core.SystemPromptRef | None = Field(
        default=None, description="Key that holds the system prompt, instead of systemPrompt."
    )


class AgentSpec(Spec):
    """Desired configuration of the agent."""

    provider_ref: LocalRef = Field(description="AgentProvider that runs the agent.")
    config: JSONObject | None = Field(
        default=None,
        description="Free-form settings for templates, at most 65536 bytes of JSON.",
    )
    env: Annotated[list[EnvVar], Atomic()] | None = Field(
        default=None,
        description="Variables for templates. If a name is repeated, the last one wins.",
    )
    security: Security | None = Field(
        default=None, description="Policy for runs of the agent. Defaults to no restriction."
    )
    memory_ref: LocalRef | None = Field(
        default=None,
        description="Memory of runs without their own memoryRef. Defaults to the default Memory.",
    )
    vcs_ref: LocalRef | None = Field(
        default=None, description="VersionControlProvider of runs without their own."
    )
    defaults: Defaults | None = Field(default=None, description="Defaults for runs of the agent.")


class AgentStatus(Status):
    """Most recently observed status of the agent."""

    conditions: core.Conditions | None = Field(
        default=None,
        description="Conditions: Ready, and InvalidSpec when the object cannot be used.",
    )
    observed_generation: core.ObservedGeneration | None = None
    updated_at: core.UpdatedAt | None = None


class Agent(
    Resource,
    columns=(
        core.READY,
        Column("Provider", ".spec.providerRef.name"),
    ),
):
    """An AI agent: an AgentProvider with settings, a policy and defaults for its runs."""

    spec: AgentSpec = Field(description="Desired configuration of the agent.")
    status: AgentStatus | None = Field(
        default=None, description="Most recently observed status of the agent."
    )
