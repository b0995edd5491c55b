"""Agent v1alpha1, as the world has it: unbounded, with empty allow lists that allow everything."""

from typing import Annotated

from pydantic import Field

from crds.v1alpha1 import core
from schemagen import Cel, LocalRef, Model, Resource, Spec, Status
from schemagen.model.base import JSONObject
from schemagen.model.markers import Atomic
from schemagen.model.wire import Int32


class EnvVar(Model):
    """A named value for templates."""

    name: str = Field(description="Name of the variable.")
    value: str | None = Field(default=None, description="Its value; empty if absent.")


class Security(Model):
    """What runs of the agent may use; an absent or empty list allows everything."""

    allowed_secrets: Annotated[list[str], Atomic()] | None = Field(
        default=None, description="Names of the Secrets that runs may use."
    )
    allowed_service_accounts: Annotated[list[str], Atomic()] | None = Field(
        default=None, description="Names of the service accounts that runs may have."
    )
    allowed_implementation_source_providers: Annotated[list[str], Atomic()] | None = Field(
        default=None,
        description="Providers that an implementation may come from: github, linear, manual or "
        "custom.",
    )


class Defaults(
    Model,
    rules=[
        Cel(
            "!(has(self.systemPrompt) && has(self.systemPromptRef))",
            "systemPrompt and systemPromptRef exclude each other",
        )
    ],
):
    """What runs of the agent have unless they say otherwise."""

    timeout_seconds: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None, description="Seconds that a run may take."
    )
    retry_limit: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None, description="Retries after the first attempt."
    )
    system_prompt: Annotated[str, Field(max_length=16384)] | None = Field(
        default=None, description="System prompt, written out; at most 16384 characters."
    )
    system_prompt_ref: core.SystemPromptRef | None = Field(
        default=None, description="Key that holds the system prompt instead."
    )


class AgentSpec(Spec):
    """What the agent is."""

    provider_ref: LocalRef = Field(description="AgentProvider that runs the agent.")
    config: JSONObject | None = Field(
        default=None,
        description="Settings for templates, kept as they are; at most 65536 bytes of JSON.",
    )
    env: Annotated[list[EnvVar], Atomic()] | None = Field(
        default=None, description="Variables for templates; of two with one name the later counts."
    )
    security: Security | None = Field(
        default=None, description="What runs of the agent may use; everything if absent."
    )
    memory_ref: LocalRef | None = Field(
        default=None, description="Memory of runs that name none; absent: the default one."
    )
    vcs_ref: LocalRef | None = Field(
        default=None, description="VersionControlProvider of runs that name none."
    )
    defaults: Defaults | None = Field(
        default=None, description="What runs of the agent have unless they say otherwise."
    )


class AgentStatus(Status):
    """What the controller saw of the agent."""

    conditions: core.Conditions | None = Field(
        default=None, description="Ready, and InvalidSpec when it cannot be used."
    )
    observed_generation: core.ObservedGeneration | None = None
    updated_at: core.UpdatedAt | None = None


class Agent(Resource):
    """Who carries out runs: a provider with its settings, its limits and its defaults."""

    spec: AgentSpec = Field(description="What the agent is.")
    status: AgentStatus | None = Field(
        default=None, description="What the controller saw of the agent."
    )
