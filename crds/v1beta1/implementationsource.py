"""ImplementationSource v1beta1: an issue tracker and how its issues are ingested."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1beta1 import core
from schemagen import (
    Cel,
    Column,
    ListMap,
    Model,
    Resource,
    Spec,
    Status,
    at_least_one_of,
    exactly_one_of,
)
from schemagen.model.markers import Atomic
from schemagen.model.wire import Duration, Int32, Timestamp

Labels = Annotated[list[core.Word], Atomic(), Field(max_length=100)]

# Compared with the full repository name, so a name without its owner would never match.
REPOSITORY = r"^[^/\s]+/[^/\s]+$"


class GitHub(
    Model,
    rules=[
        at_least_one_of("repository", "organization"),
        Cel(
            "!has(self.repository) || !has(self.organization) || "
            "self.repository.lowerAscii().startsWith(self.organization.lowerAscii() + '/')",
            "repository must belong to organization",
            field_path=".repository",
        ),
    ],
):
    """Issues on GitHub."""

    repository: Annotated[str, Field(min_length=3, max_length=256, pattern=REPOSITORY)] | None = (
        Field(default=None, description="Repository, as owner/name, case-insensitive.")
    )
    organization: core.Word | None = Field(
        default=None,
        description="Owner of the repository. Without a repository, all repositories of the owner.",
    )
    labels: Labels | None = Field(
        default=None,
        description="Labels that an issue must have, all of them. Defaults to any issue.",
    )


class Linear(Model):
    """Issues in Linear."""

    team: core.Word | None = Field(
        default=None, description="Key of the team. Defaults to any team."
    )
    project: core.Word | None = Field(
        default=None,
        description="Name of the project. Defaults to issues of any project or without one.",
    )
    labels: Labels | None = Field(
        default=None,
        description="Labels that an issue must have, all of them. Defaults to any issue.",
    )


class Credentials(Model):
    """Credentials for the issue tracker's API."""

    secret_key_ref: core.KeyRef = Field(description="Secret key that holds the API token.")


class Webhook(Model):
    """Verification of the issue tracker's webhooks."""

    signing_secret_refs: Annotated[
        list[core.KeyRef], ListMap("name", "key"), Field(min_length=1, max_length=2)
    ] = Field(
        description="Signing secrets; a webhook must be signed with one of them. A second "
        "secret allows rotation."
    )


# The published API had the same minimum while it supported polling.
_MIN_INTERVAL = Cel(
    "duration(self.interval) >= duration('30s')",
    "interval must be at least 30s",
    field_path=".interval",
)


class Poll(Model, rules=[_MIN_INTERVAL]):
    """Polling of the issue tracker."""

    interval: Duration = Field(description="Polling interval, at least 30s.")


class Repair(Model, rules=[_MIN_INTERVAL]):
    """Reads of what webhooks did not deliver."""

    interval: Duration = Field(description="Interval of these reads, at least 30s.")


class Ingestion(
    Model,
    rules=[
        *core.union_by("mode", webhook="Webhook", poll="Poll"),
        core.only_with("mode", "Webhook", "repair"),
    ],
):
    """How issues are ingested."""

    mode: Literal["Webhook", "Poll", "Disabled"] = Field(
        description="Whether the tracker pushes webhooks, is polled, or is disabled."
    )
    webhook: Webhook | None = Field(
        default=None, description="Verification of webhooks. For mode Webhook only."
    )
    poll: Poll | None = Field(default=None, description="Polling settings. For mode Poll only.")
    repair: Repair | None = Field(
        default=None,
        description="Reads of what webhooks did not deliver. For mode Webhook only. Defaults to "
        "every 15 minutes.",
    )


class Mapping(Model):
    """Mapping of one field of an issue."""

    from_: core.Word = Field(alias="from", description="Field of the issue, such as title.")
    to: core.Word = Field(description="Field of the ImplementationSpec to set, such as summary.")


class ImplementationSourceSpec(Spec, rules=[exactly_one_of("github", "linear")]):
    """Issue tracker, and the issues to ingest."""

    github: GitHub | None = Field(default=None, description="Issues on GitHub.")
    linear: Linear | None = Field(default=None, description="Issues in Linear.")
    credentials: Credentials = Field(description="Credentials for the issue tracker's API.")
    ingestion: Ingestion | None = Field(
        default=None, description="How issues are ingested. Defaults to mode Disabled."
    )
    mapping: Annotated[list[Mapping], ListMap("from"), Field(max_length=100)] | None = Field(
        default=None, description="Mapping of issue fields to ImplementationSpec fields."
    )


class WebhookSync(Model):
    """Processing status of a webhook."""

    idempotency_key: core.ShortText | None = Field(
        default=None, description="Key that identifies duplicate deliveries of a webhook."
    )
    delivery_id: core.ShortText | None = Field(
        default=None, description="The tracker's ID of the delivery."
    )
    provider: Literal["GitHub", "Linear"] | None = Field(
        default=None, description="Issue tracker that sent the webhook."
    )
    external_id: core.ShortText | None = Field(
        default=None,
        description="Identifier of the issue in the tracker, such as owner/name#12 or ENG-1.",
    )
    source_version: core.ShortText | None = Field(
        default=None, description="Version of the issue in the webhook."
    )
    received_time: Timestamp | None = Field(
        default=None, description="Time at which the webhook was received."
    )
    processed_time: Timestamp | None = Field(
        default=None, description="Time at which processing finished."
    )
    attempts: Int32 | None = Field(default=None, description="Number of processing attempts.")
    status: Literal["Queued", "Synced", "Retrying", "Failed"] | None = Field(
        default=None, description="Processing state of the webhook."
    )
    error: Annotated[str, Field(max_length=32768)] | None = Field(
        default=None, description="Error of the last failed attempt."
    )


class ImplementationSourceStatus(Status):
    """Most recently observed status of the source."""

    conditions: core.Conditions | None = Field(
        default=None,
        description="Conditions: Ready, InvalidSpec, Unreachable, Degraded and Synced.",
    )
    last_sync_time: Timestamp | None = Field(
        default=None, description="Time of the last successful sync."
    )
    last_requested_sync: core.ShortText | None = Field(
        default=None,
        description="Value of the annotation agents.proompteng.ai/sync-requested for which the "
        "tracker was last read.",
    )
    observed_generation: core.ObservedGeneration | None = None
    last_update_time: core.LastUpdateTime | None = None
    last_webhook: WebhookSync | None = Field(
        default=None, description="Processing status of the latest webhook."
    )


class ImplementationSource(
    Resource,
    plural="implementationsources",
    short_names=("implsrc",),
    categories=("agents",),
    columns=(
        core.READY,
        Column("GitHub", ".spec.github.repository"),
        Column("Linear", ".spec.linear.team"),
        Column("Mode", ".spec.ingestion.mode"),
        Column("LastSync", ".status.lastSyncTime", type="date"),
        core.AGE,
    ),
    selectable=(
        ".spec.github.repository",
        ".spec.github.organization",
        ".spec.linear.team",
        ".spec.ingestion.mode",
    ),
):
    """An issue tracker whose issues become ImplementationSpecs."""

    spec: ImplementationSourceSpec = Field(description="Issue tracker, and the issues to ingest.")
    status: ImplementationSourceStatus | None = Field(
        default=None, description="Most recently observed status of the source."
    )
