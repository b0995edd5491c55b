"""ImplementationSource v1alpha1, as the world has it: one secret for its API and its webhooks."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1alpha1 import core
from schemagen import Model, Resource, Spec, Status
from schemagen.model.markers import Atomic
from schemagen.model.wire import Int32, Timestamp


class SecretRef(Model):
    """A key of a Secret."""

    name: str = Field(description="Name of the Secret, in the same namespace.")
    key: str | None = Field(
        default=None, description="Key whose value is meant; token if it is absent."
    )


class Auth(Model):
    """What the issue tracker is asked with, and what its webhooks are signed with."""

    secret_ref: SecretRef = Field(description="Secret that holds the token.")


class Webhook(Model):
    """How the issue tracker reports changes."""

    enabled: bool = Field(
        default=False, description="Whether webhooks are taken; false if it is absent."
    )


class Scope(Model):
    """Which issues are taken over."""

    organization: str | None = Field(default=None, description="Organization on GitHub.")
    repository: str | None = Field(default=None, description="Repository on GitHub, as owner/name.")
    project: str | None = Field(default=None, description="Name of a project in Linear.")
    team: str | None = Field(default=None, description="Key of a team in Linear.")
    labels: Annotated[list[str], Atomic()] | None = Field(
        default=None, description="Labels that an issue must all have."
    )
    query: str | None = Field(default=None, description="Not read by any controller.")


class ImplementationSourceSpec(Spec):
    """Which issues of which tracker are taken over."""

    provider: Literal["github", "linear"] = Field(description="The issue tracker.")
    auth: Auth = Field(description="What the tracker is asked with.")
    webhook: Webhook | None = Field(default=None, description="How the tracker reports changes.")
    scope: Scope | None = Field(default=None, description="Which issues are taken over.")
    mapping: dict[str, str] | None = Field(
        default=None, description="Fields of an ImplementationSpec by the issue's field they take."
    )


class WebhookSync(Model):
    """What became of a webhook."""

    idempotency_key: str | None = Field(
        default=None, description="Webhooks with the same key are one."
    )
    delivery_id: str | None = Field(
        default=None, description="What the tracker calls this delivery."
    )
    provider: str | None = Field(default=None, description="The issue tracker it came from.")
    external_id: str | None = Field(default=None, description="Identifier of the issue there.")
    source_version: str | None = Field(
        default=None, description="Version of the issue that it reported."
    )
    received_at: Timestamp | None = Field(default=None, description="When it came in.")
    processed_at: Timestamp | None = Field(default=None, description="When it was done with.")
    attempts: Int32 | None = Field(default=None, description="How often it was tried.")
    # The public schema has no enum here, so what others wrote stays readable.
    status: str | None = Field(
        default=None, description="How it stands: queued, synced, retrying or failed."
    )
    error: str | None = Field(default=None, description="Why the last attempt failed.")


class ImplementationSourceStatus(Status):
    """What the controller saw of the source."""

    conditions: core.Conditions | None = Field(
        default=None, description="Ready, InvalidSpec and Unreachable."
    )
    last_synced_at: Timestamp | None = Field(
        default=None, description="When an issue was last taken over."
    )
    observed_generation: core.ObservedGeneration | None = None
    updated_at: core.UpdatedAt | None = None
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
