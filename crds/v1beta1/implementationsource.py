"""ImplementationSource v1beta1: an issue tracker, how it is asked, and how it reports."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1beta1 import core
from schemagen import (
    Cel,
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

# The full name is compared with this, so a repository without its owner would match none.
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
        Field(default=None, description="Repository, as owner/name, in any case.")
    )
    organization: core.Word | None = Field(
        default=None,
        description="Owner of the repository; without a repository, all of its repositories.",
    )
    labels: Labels | None = Field(
        default=None, description="Labels that an issue must all have; absent: any issue."
    )


class Linear(Model):
    """Issues in Linear."""

    team: core.Word | None = Field(default=None, description="Key of the team; absent: any team.")
    project: core.Word | None = Field(
        default=None, description="Name of the project; absent: any project, and none."
    )
    labels: Labels | None = Field(
        default=None, description="Labels that an issue must all have; absent: any issue."
    )


class Credentials(Model):
    """What the issue tracker is asked with."""

    secret_key_ref: core.KeyRef = Field(description="Secret that holds the token, and its key.")


class Webhook(Model):
    """How webhooks of the issue tracker are told from others."""

    signing_secret_refs: Annotated[
        list[core.KeyRef], ListMap("name", "key"), Field(min_length=1, max_length=2)
    ] = Field(
        description="Secrets of which one must have signed a webhook; the second is for rotation."
    )


class Poll(
    Model,
    rules=[
        # What the public API asked for while it could poll.
        Cel(
            "duration(self.interval) >= duration('30s')",
            "interval must be at least 30s",
            field_path=".interval",
        )
    ],
):
    """How often the issue tracker is asked."""

    interval: Duration = Field(description="Time from one question to the next; at least 30s.")


class Ingestion(Model, rules=core.union_by("mode", webhook="Webhook", poll="Poll")):
    """How issues come in."""

    mode: Literal["Webhook", "Poll", "Disabled"] = Field(
        description="Whether the tracker reports changes, is asked for them, or is left alone."
    )
    webhook: Webhook | None = Field(
        default=None, description="How webhooks are told from others; for mode Webhook."
    )
    poll: Poll | None = Field(
        default=None, description="How often the tracker is asked; for mode Poll."
    )


class Mapping(Model):
    """One field of an issue and what it becomes."""

    from_: core.Word = Field(alias="from", description="Field of the issue, such as title.")
    to: core.Word = Field(
        description="Field of the ImplementationSpec that takes it, such as summary."
    )


class ImplementationSourceSpec(Spec, rules=[exactly_one_of("github", "linear")]):
    """Which issues of which tracker are taken over."""

    github: GitHub | None = Field(default=None, description="Issues on GitHub.")
    linear: Linear | None = Field(default=None, description="Issues in Linear.")
    credentials: Credentials = Field(description="What the issue tracker is asked with.")
    ingestion: Ingestion | None = Field(
        default=None, description="How issues come in; as with mode Disabled if it is absent."
    )
    mapping: Annotated[list[Mapping], ListMap("from"), Field(max_length=100)] | None = Field(
        default=None, description="What the fields of an issue become."
    )


class WebhookSync(Model):
    """What became of a webhook."""

    idempotency_key: core.ShortText | None = Field(
        default=None, description="Webhooks with the same key are one."
    )
    delivery_id: core.ShortText | None = Field(
        default=None, description="What the tracker calls this delivery."
    )
    provider: Literal["GitHub", "Linear"] | None = Field(
        default=None, description="The issue tracker it came from."
    )
    external_id: core.ShortText | None = Field(
        default=None, description="Identifier of the issue there, such as owner/name#12 or ENG-1."
    )
    source_version: core.ShortText | None = Field(
        default=None, description="Version of the issue that it reported."
    )
    received_time: Timestamp | None = Field(default=None, description="When it came in.")
    processed_time: Timestamp | None = Field(default=None, description="When it was done with.")
    attempts: Int32 | None = Field(default=None, description="How often it was tried.")
    status: Literal["Queued", "Synced", "Retrying", "Failed"] | None = Field(
        default=None, description="How it stands."
    )
    error: Annotated[str, Field(max_length=32768)] | None = Field(
        default=None, description="Why the last attempt failed."
    )


class ImplementationSourceStatus(Status):
    """What the controller saw of the source."""

    conditions: core.Conditions | None = Field(
        default=None, description="Ready, InvalidSpec and Unreachable."
    )
    last_sync_time: Timestamp | None = Field(
        default=None, description="When an issue was last taken over."
    )
    observed_generation: core.ObservedGeneration | None = None
    last_update_time: core.LastUpdateTime | None = None
    last_webhook: WebhookSync | None = Field(
        default=None, description="What became of the latest webhook."
    )


class ImplementationSource(Resource):
    """An issue tracker whose issues become ImplementationSpecs."""

    spec: ImplementationSourceSpec = Field(
        description="Which issues of which tracker are taken over."
    )
    status: ImplementationSourceStatus | None = Field(
        default=None, description="What the controller saw of the source."
    )
