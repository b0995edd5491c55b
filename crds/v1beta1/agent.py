"""Agent v1beta1: who carries out runs, what runs may use, and what they have by default."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1beta1 import core
from schemagen import (
    Cel,
    ListMap,
    ListSet,
    Model,
    Resource,
    Spec,
    Status,
    exactly_one_of,
)
from schemagen.model.base import JSONObject
from schemagen.model.wire import Duration, Int32, LongName

ObjectName = Annotated[LongName, Field(min_length=1, max_length=253)]
"""A name that a Secret or service account can have, so never a word for something else."""


class EnvVar(Model, rules=[core.ONE_VALUE]):
    """A named value for templates."""

    name: core.EnvName = Field(description="Name of the variable, distinct within the agent.")
    value: core.EnvValue | None = Field(
        default=None, description="The value; empty if it is absent and valueFrom is too."
    )
    value_from: core.ValueSource | None = Field(
        default=None, description="Where the value comes from instead."
    )


# With AllowListed the list must be there: one that was forgotten, or that a client left out for
# being empty, is no way to shut everybody out.
ALLOW_RULES = (
    core.only_with("mode", "AllowListed", "allowed"),
    Cel(
        "self.mode != 'AllowListed' || has(self.allowed)",
        "mode AllowListed needs allowed; an empty list allows nothing",
        reason="FieldValueRequired",
        field_path=".allowed",
    ),
)

Mode = Literal["AllowAll", "AllowListed"]
MODE = "AllowAll, or AllowListed for what is in the list and nothing else."


class AllowedNames(Model, rules=ALLOW_RULES):
    """Objects that runs may use."""

    mode: Mode = Field(description=MODE)
    allowed: Annotated[list[ObjectName], ListSet(), Field(max_length=256)] | None = Field(
        default=None, description="Names that are allowed; an empty list allows none."
    )


class AllowedSourceProviders(Model, rules=ALLOW_RULES):
    """Providers that an implementation may come from."""

    mode: Mode = Field(description=MODE)
    allowed: Annotated[list[core.SourceProvider], ListSet(), Field(max_length=4)] | None = Field(
        default=None, description="Providers that are allowed; an empty list allows none."
    )


class Policy(Model):
    """What runs of the agent may use; what is not mentioned is not limited."""

    secrets: AllowedNames | None = Field(
        default=None, description="Secrets that runs may use; all if absent."
    )
    service_accounts: AllowedNames | None = Field(
        default=None, description="Service accounts that runs may have; all if absent."
    )
    source_providers: AllowedSourceProviders | None = Field(
        default=None, description="Providers that implementations may come from; all if absent."
    )


class Backoff(
    Model,
    rules=[
        Cel(
            "duration(self.base) <= duration(self.max)",
            "max must be at least as long as base",
            field_path=".max",
        )
    ],
):
    """How long to wait before the next attempt; the wait doubles each time."""

    base: Duration = Field(default="5s", description="Wait before the first retry; 5s if absent.")
    max: Duration = Field(default="5m", description="Longest wait; 5m if absent.")
    jitter_percent: Annotated[Int32, Field(ge=0, le=100)] = Field(
        default=20,
        description="How much a wait varies by chance, in percent of it; 20 if absent.",
    )


class Retry(Model):
    """How often a run is tried again, and when."""

    limit: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None, description="Retries after the first attempt."
    )
    backoff: Backoff | None = Field(default=None, description="Waits between the attempts.")


class SystemPrompt(Model, rules=[exactly_one_of("inline", "secretKeyRef", "configMapKeyRef")]):
    """The system prompt: written out, or in a key of a Secret or ConfigMap."""

    inline: Annotated[str, Field(min_length=1, max_length=16384)] | None = Field(
        default=None, description="The prompt itself; at most 16384 characters."
    )
    secret_key_ref: core.KeyRef | None = Field(default=None, description="A key of a Secret.")
    config_map_key_ref: core.KeyRef | None = Field(
        default=None, description="A key of a ConfigMap."
    )


class RunDefaults(Model):
    """What runs of the agent have unless they say otherwise."""

    timeout: Duration | None = Field(
        default=None, description="How long a run may take; 0s means without limit."
    )
    start_timeout: Duration | None = Field(
        default=None,
        description="How long a Job may take until its pod runs; 0s means without limit. Absent: "
        "pods.startTimeout of the operator's settings, which is 1h.",
    )
    retry: Retry | None = Field(default=None, description="How often a run is tried again.")
    system_prompt: SystemPrompt | None = Field(
        default=None, description="What the agent is told before its task."
    )


class AgentSpec(Spec):
    """What the agent is."""

    provider_ref: core.NameRef = Field(description="AgentProvider that runs the agent.")
    config: JSONObject | None = Field(
        default=None,
        description="Settings for templates, kept as they are; at most 65536 bytes of JSON.",
    )
    env: Annotated[list[EnvVar], ListMap("name"), Field(max_length=100)] | None = Field(
        default=None, description="Variables for templates; at most 100."
    )
    policy: Policy | None = Field(
        default=None, description="What runs of the agent may use; everything if absent."
    )
    memory_ref: core.NameRef | None = Field(
        default=None, description="Memory of runs that name none; absent: the default one."
    )
    vcs_ref: core.NameRef | None = Field(
        default=None, description="VersionControlProvider of runs that name none."
    )
    run_defaults: RunDefaults | None = Field(
        default=None, description="What runs of the agent have unless they say otherwise."
    )


class AgentStatus(Status):
    """What the controller saw of the agent."""

    conditions: core.Conditions | None = Field(
        default=None, description="Ready, and InvalidSpec when it cannot be used."
    )
    observed_generation: core.ObservedGeneration | None = None
    last_update_time: core.LastUpdateTime | None = None


class Agent(Resource):
    """Who carries out runs: a provider with its settings, its limits and its defaults."""

    spec: AgentSpec = Field(description="What the agent is.")
    status: AgentStatus | None = Field(
        default=None, description="What the controller saw of the agent."
    )
