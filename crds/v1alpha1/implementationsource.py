"""ImplementationSource v1alpha1, compatible with the published API: one Secret for both."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1alpha1 import core
from schemagen import Column, Model, Resource, Spec, Status
from schemagen.model.markers import Atomic
from schemagen.model.wire import Int32, Timestamp


class SecretRef(Model):
    """Key of a Secret."""

    name: str = Field(description="Name of the Secret, in the same namespace.")
    key: str | None = Field(default=None, description="Key of the Secret. Defaults to token.")


class Auth(Model):
    """Credentials for the issue tracker's API, and signing secret of its webhooks."""

    secret_ref: SecretRef = Field(description="Secret that holds the token.")


class Webhook(Model):
    """Webhooks of the issue tracker."""

    enabled: bool = Field(
        default=False, description="Whether webhooks are accepted. Defaults to false."
    )


class Scope(Model):
    """Scope of the issues to ingest."""

    organization: str | None = Field(default=None, description="GitHub organization.")
    repository: str | None = Field(default=None, description="GitHub repository, as owner/name.")
    project: str | None = Field(default=None, description="Name of a Linear project.")
    team: str | None = Field(default=None, description="Key of a Linear team.")
    labels: Annotated[list[str], Atomic()] | None = Field(
        default=None,
        description="Labels that an issue must have, all of them. Defaults to any issue.",
    )
    query: str | None = Field(default=None, description="Ignored; not read by any controller.")


class ImplementationSourceSpec(Spec):
    """Issue tracker, and the issues to ingest."""

    provider: Literal["github", "linear"] = Field(description="Issue tracker.")
    auth: Auth = Field(description="Credentials for the issue tracker's API.")
    webhook: Webhook | None = Field(default=None, description="Webhooks of the issue tracker.")
    scope: Scope | None = Field(default=None, description="Scope of the issues to ingest.")
    mapping: dict[str, str] | None = Field(
        default=None, description="Mapping of issue fields to ImplementationSpec fields."
    )


class WebhookSync(Model):
    """Processing status of a webhook."""

    idempotency_key: str | None = Field(
        default=None, description="Key that identifies duplicate deliveries of a webhook."
    )
    delivery_id: str | None = Field(default=None, description="The tracker's ID of the delivery.")
    provider: str | None = Field(default=None, description="Issue tracker that sent the webhook.")
    external_id: str | None = Field(
        default=None, description="Identifier of the issue in the tracker."
    )
    source_version: str | None = Field(
        default=None, description="Version of the issue in the webhook."
    )
    received_at: Timestamp | None = Field(
        default=None, description="Time at which the webhook was received."
    )
    processed_at: Timestamp | None = Field(
        default=None, description="Time at which processing finished."
    )
    attempts: Int32 | None = Field(default=None, description="Number of processing attempts.")
    # The published schema has no enum here, so values of other writers stay readable.
    status: str | None = Field(
        default=None, description="Processing state: queued, synced, retrying or failed."
    )
    error: str | None = Field(default=None, description="Error of the last failed attempt.")


class ImplementationSourceStatus(Status):
    """Most recently observed status of the source."""

    conditions: core.Conditions | None = Field(
        default=None, description="Conditions: Ready, InvalidSpec and Unreachable."
    )
    last_synced_at: Timestamp | None = Field(
        default=None, description="Time of the last successful sync."
    )
    observed_generation: core.ObservedGeneration | None = None
    updated_at: core.UpdatedAt | None = None
    last_webhook: WebhookSync | None = Field(
        default=None, description="Processing status of the latest webhook."
    )


class ImplementationSource(
    Resource,
    columns=(
        core.READY,
        Column("Provider", ".spec.provider"),
        Column("LastSync", ".status.lastSyncedAt", type="date"),
    ),
):
    """An issue tracker whose issues become ImplementationSpecs."""

    spec: ImplementationSourceSpec = Field(description="Issue tracker, and the issues to ingest.")
    status: ImplementationSourceStatus | None = Field(
        default=None, description="Most recently observed status of the source."
    )
