"""Agent v1beta1: a configured AgentProvider, with the policy and the defaults of its runs."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1beta1 import core
from schemagen import Cel, Column, ListMap, ListSet, Model, Resource, Spec, Status, exactly_one_of
from schemagen.model.base import JSONObject
from schemagen.model.wire import Duration, Int32, LongName

ObjectName = Annotated[LongName, Field(min_length=1, max_length=253)]
"""A valid name of a Secret or ServiceAccount, so it cannot be a wildcard or placeholder."""


class EnvVar(Model, rules=[core.VALUE_OR_SOURCE]):
    """A named value for templates."""

    name: core.EnvName = Field(description="Name of the variable, unique within the agent.")
    value: core.EnvValue | None = Field(
        default=None,
        description="Value of the variable. Defaults to empty if valueFrom is absent too.",
    )
    value_from: core.ValueSource | None = Field(
        default=None, description="Source of the value, instead of value."
    )


# AllowListed requires the list: a forgotten list, or an empty one that a client omitted, must not
# silently deny everything.
ALLOW_RULES = (
    core.only_with("mode", "AllowListed", "allowed"),
    Cel(
        "self.mode != 'AllowListed' || has(self.allowed)",
        "mode AllowListed requires allowed; an empty list allows nothing",
        reason="FieldValueRequired",
        field_path=".allowed",
    ),
)

Mode = Literal["AllowAll", "AllowListed"]
MODE = "AllowAll, or AllowListed to allow only the names in the list."


class AllowedNames(Model, rules=ALLOW_RULES):
    """Allow list of object names."""

    mode: Mode = Field(description=MODE)
    allowed: Annotated[list[ObjectName], ListSet(), Field(max_length=256)] | None = Field(
        default=None, description="Allowed names. An empty list allows none."
    )


class AllowedSourceProviders(Model, rules=ALLOW_RULES):
    """Allow list of source providers."""

    mode: Mode = Field(description=MODE)
    allowed: Annotated[list[core.SourceProvider], ListSet(), Field(max_length=4)] | None = Field(
        default=None, description="Allowed source providers. An empty list allows none."
    )


class Policy(Model):
    """Policy for runs of the agent; an absent field means no restriction."""

    secrets: AllowedNames | None = Field(
        default=None, description="Secrets that runs may use. Defaults to all."
    )
    service_accounts: AllowedNames | None = Field(
        default=None, description="ServiceAccounts that runs may use. Defaults to all."
    )
    source_providers: AllowedSourceProviders | None = Field(
        default=None, description="Systems from which tasks may originate. Defaults to all."
    )


class Backoff(
    Model,
    rules=[
        Cel(
            "duration(self.base) <= duration(self.max)",
            "max must not be shorter than base",
            field_path=".max",
        )
    ],
):
    """Exponential backoff between attempts."""

    base: Duration = Field(
        default="5s",
        description="Delay before the first retry; doubled for each further retry. Defaults to 5s.",
    )
    max: Duration = Field(default="5m", description="Maximum delay. Defaults to 5m.")
    jitter_percent: Annotated[Int32, Field(ge=0, le=100)] = Field(
        default=20,
        description="Random jitter of the delay, in percent. Defaults to 20.",
    )


class Retry(Model):
    """Retry policy of a run."""

    limit: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None,
        description="Maximum number of retries after the first attempt. Defaults to 0.",
    )
    backoff: Backoff | None = Field(default=None, description="Delays between attempts.")


class SystemPrompt(Model, rules=[exactly_one_of("inline", "secretKeyRef", "configMapKeyRef")]):
    """The system prompt: inline, or in a key of a Secret or ConfigMap."""

    inline: Annotated[str, Field(min_length=1, max_length=16384)] | None = Field(
        default=None, description="Inline prompt, at most 16384 characters."
    )
    secret_key_ref: core.KeyRef | None = Field(default=None, description="Key of a Secret.")
    config_map_key_ref: core.KeyRef | None = Field(default=None, description="Key of a ConfigMap.")


class RunDefaults(Model):
    """Defaults for runs of the agent."""

    timeout: Duration | None = Field(
        default=None,
        description="Maximum duration of an attempt of a run. Defaults to no limit, as does 0s.",
    )
    start_timeout: Duration | None = Field(
        default=None,
        description="Maximum time until the pod of a Job is running. 0s means no limit. "
        "Defaults to pods.startTimeout of the operator's settings, which is 1h.",
    )
    retry: Retry | None = Field(default=None, description="Retry policy of runs.")
    system_prompt: SystemPrompt | None = Field(default=None, description="System prompt.")


class AgentSpec(Spec):
    """Desired configuration of the agent."""

    provider_ref: core.NameRef = Field(description="AgentProvider that runs the agent.")
    config: JSONObject | None = Field(
        default=None,
        description="Free-form settings for templates, at most 65536 bytes of JSON.",
    )
    env: Annotated[list[EnvVar], ListMap("name"), Field(max_length=100)] | None = Field(
        default=None, description="Variables for templates, at most 100."
    )
    policy: Policy | None = Field(
        default=None, description="Policy for runs of the agent. Defaults to no restriction."
    )
    memory_ref: core.NameRef | None = Field(
        default=None,
        description="Memory of runs without their own memoryRef. Defaults to the default Memory.",
    )
    vcs_ref: core.NameRef | None = Field(
        default=None, description="VersionControlProvider of runs without their own."
    )
    run_defaults: RunDefaults | None = Field(
        default=None, description="Defaults for runs of the agent."
    )


class AgentStatus(Status):
    """Most recently observed status of the agent."""

    conditions: core.Conditions | None = Field(
        default=None,
        description="Conditions: Ready, and InvalidSpec when the object cannot be used.",
    )
    observed_generation: core.ObservedGeneration | None = None
    last_update_time: core.LastUpdateTime | None = None


class Agent(
    Resource,
    plural="agents",
    short_names=("agt",),
    categories=("agents",),
    columns=(
        core.READY,
        Column("Provider", ".spec.providerRef.name"),
        Column("Memory", ".spec.memoryRef.name", priority=1),
        core.AGE,
    ),
    selectable=(
        ".spec.providerRef.name",
        ".spec.memoryRef.name",
        ".spec.vcsRef.name",
    ),
):
    """An AI agent: an AgentProvider with settings, a policy and defaults for its runs."""

    spec: AgentSpec = Field(description="Desired configuration of the agent.")
    status: AgentStatus | None = Field(
        default=None, description="Most recently observed status of the agent."
    )
