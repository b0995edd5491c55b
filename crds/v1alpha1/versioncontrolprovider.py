"""VersionControlProvider v1alpha1, as the world has it: its way to sign in may be left to guess."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1alpha1 import core
from schemagen import Model, Resource, Spec, Status
from schemagen.model.markers import Atomic
from schemagen.model.wire import Int32, IntOrString, Timestamp, Uri

POLICY_ENTRIES = 200


class KeyRef(Model):
    """A key of a Secret or ConfigMap."""

    name: str = Field(description="Name of the Secret or ConfigMap, in the same namespace.")
    key: str | None = Field(
        default=None, description="Key whose value is meant; absent: the usual one."
    )


class TokenAuth(Model):
    """Signing in with a token."""

    secret_ref: KeyRef | None = Field(
        default=None, description="Secret that holds the token; its usual key is token."
    )
    type: Literal["pat", "fine_grained", "api_token", "access_token"] | None = Field(
        default=None, description="What the provider calls such a token."
    )


class AppAuth(Model):
    """Signing in as a GitHub App."""

    app_id: IntOrString | None = Field(default=None, description="Number of the app.")
    installation_id: IntOrString | None = Field(
        default=None, description="Number of its installation."
    )
    private_key_secret_ref: KeyRef | None = Field(
        default=None, description="Secret that holds the private key; its usual key is privateKey."
    )
    token_ttl_seconds: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None, description="Seconds that a token of the app is used; 0 or absent: 3600."
    )


class SshAuth(Model):
    """Signing in with an SSH key."""

    private_key_secret_ref: KeyRef | None = Field(
        default=None, description="Secret that holds the private key; its usual key is privateKey."
    )
    known_hosts_config_map_ref: KeyRef | None = Field(
        default=None,
        description="ConfigMap that holds the hosts' keys; its usual key is known_hosts.",
    )


class Auth(Model):
    """How runs sign in."""

    method: Literal["token", "app", "ssh", "none"] | None = Field(
        default=None,
        description="Which way; absent: the first of token, app and ssh with a Secret.",
    )
    username: str | None = Field(
        default=None, description="User name for HTTPS; absent: the provider's usual one."
    )
    token: TokenAuth | None = Field(default=None, description="Signing in with a token.")
    app: AppAuth | None = Field(default=None, description="Signing in as a GitHub App.")
    ssh: SshAuth | None = Field(default=None, description="Signing in with an SSH key.")


Patterns = Annotated[list[str], Atomic(), Field(max_length=POLICY_ENTRIES)]


class RepositoryPolicy(Model):
    """Which repositories runs may work on."""

    allow: Patterns | None = Field(
        default=None, description="Repositories, with * for any text; absent or empty: all."
    )
    deny: Patterns | None = Field(
        default=None, description="Repositories that are refused though they are allowed."
    )


class Capabilities(Model):
    """What runs may do; what is absent is allowed."""

    read: bool | None = Field(default=None, description="Whether runs may read code.")
    write: bool | None = Field(default=None, description="Whether runs may push code.")
    pull_requests: bool | None = Field(
        default=None, description="Whether runs may open pull requests."
    )


class PullRequestDefaults(Model):
    """How pull requests are opened."""

    enabled: bool | None = Field(default=None, description="Whether a run opens one.")
    draft: bool | None = Field(default=None, description="Whether it is a draft at first.")
    title_template: str | None = Field(default=None, description="Template of its title.")
    body_template: str | None = Field(default=None, description="Template of its text.")


class Defaults(Model):
    """What runs do that say nothing else."""

    base_branch: str | None = Field(default=None, description="Branch that runs start from.")
    branch_template: str | None = Field(
        default=None, description="Template of the branch that a run writes to."
    )
    branch_conflict_suffix_template: str | None = Field(
        default=None, description="Template of what follows the branch if another run uses it."
    )
    commit_author_name: str | None = Field(default=None, description="Name of commits' author.")
    commit_author_email: str | None = Field(
        default=None, description="Mail address of commits' author."
    )
    pull_request: PullRequestDefaults | None = Field(
        default=None, description="How pull requests are opened."
    )


class VersionControlProviderSpec(Spec):
    """Where code is, how to get there, and what runs may do."""

    provider: Literal["github", "gitlab", "bitbucket", "gitea", "generic"] = Field(
        description="What kind of server it is."
    )
    api_base_url: Uri | None = Field(default=None, description="Address of the server's API.")
    clone_base_url: Uri | None = Field(
        default=None, description="Address that repositories are cloned from."
    )
    web_base_url: Uri | None = Field(default=None, description="Address of its pages for people.")
    clone_protocol: Literal["https", "ssh"] | None = Field(
        default=None, description="How repositories are cloned."
    )
    ssh_host: str | None = Field(default=None, description="Host for cloning over SSH.")
    ssh_user: str | None = Field(default=None, description="User for cloning over SSH.")
    auth: Auth | None = Field(default=None, description="How runs sign in.")
    repository_policy: RepositoryPolicy | None = Field(
        default=None, description="Which repositories runs may work on."
    )
    capabilities: Capabilities | None = Field(default=None, description="What runs may do.")
    defaults: Defaults | None = Field(
        default=None, description="What runs do that say nothing else."
    )


class VersionControlProviderStatus(Status):
    """What the controller saw of the provider."""

    conditions: core.Conditions | None = Field(
        default=None, description="Ready, InvalidSpec, Unreachable and Warning."
    )
    last_validated_at: Timestamp | None = Field(
        default=None, description="When the provider was last checked."
    )
    observed_generation: core.ObservedGeneration | None = None
    updated_at: core.UpdatedAt | None = None


class VersionControlProvider(Resource):
    """A server that holds code: where it is, how runs sign in, and what they may do there."""

    spec: VersionControlProviderSpec = Field(
        description="Where code is, how to get there, and what runs may do."
    )
    status: VersionControlProviderStatus | None = Field(
        default=None, description="What the controller saw of the provider."
    )
