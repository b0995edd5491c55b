"""VersionControlProvider v1alpha1, compatible with the published API: auth.method is optional."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1alpha1 import core
from schemagen import Column, Model, Resource, Spec, Status
from schemagen.model.markers import Atomic
from schemagen.model.wire import Int32, IntOrString, Timestamp, Uri

POLICY_ENTRIES = 200


class KeyRef(Model):
    """Reference to a key of a Secret or ConfigMap."""

    name: str = Field(description="Name of the Secret or ConfigMap, in the same namespace.")
    key: str | None = Field(
        default=None,
        description="Key of the Secret or ConfigMap. Defaults to the usual key of the field.",
    )


class TokenAuth(Model):
    """Authentication with a token."""

    secret_ref: KeyRef | None = Field(
        default=None, description="Secret that holds the token. The key defaults to token."
    )
    type: Literal["pat", "fine_grained", "api_token", "access_token"] | None = Field(
        default=None, description="Provider's type of the token."
    )


class AppAuth(Model):
    """Authentication as a GitHub App."""

    app_id: IntOrString | None = Field(default=None, description="App ID.")
    installation_id: IntOrString | None = Field(default=None, description="Installation ID.")
    private_key_secret_ref: KeyRef | None = Field(
        default=None,
        description="Secret that holds the private key. The key defaults to privateKey.",
    )
    token_ttl_seconds: Annotated[Int32, Field(ge=0)] | None = Field(
        default=None,
        description="Lifetime of the app's tokens, in seconds. Defaults to 3600, as does 0.",
    )


class SshAuth(Model):
    """Authentication with an SSH key."""

    private_key_secret_ref: KeyRef | None = Field(
        default=None,
        description="Secret that holds the private key. The key defaults to privateKey.",
    )
    known_hosts_config_map_ref: KeyRef | None = Field(
        default=None,
        description="ConfigMap that holds the known host keys. The key defaults to known_hosts.",
    )


class Auth(Model):
    """Authentication of runs."""

    method: Literal["token", "app", "ssh", "none"] | None = Field(
        default=None,
        description="Authentication method. Defaults to the first of token, app and ssh that "
        "references a Secret.",
    )
    username: str | None = Field(
        default=None, description="User name for HTTPS. Defaults to the provider's usual one."
    )
    token: TokenAuth | None = Field(default=None, description="Authentication with a token.")
    app: AppAuth | None = Field(default=None, description="Authentication as a GitHub App.")
    ssh: SshAuth | None = Field(default=None, description="Authentication with an SSH key.")


Patterns = Annotated[list[str], Atomic(), Field(max_length=POLICY_ENTRIES)]


class RepositoryPolicy(Model):
    """Repositories that runs may use."""

    allow: Patterns | None = Field(
        default=None,
        description="Allowed repositories, with * as a wildcard. An absent or empty list "
        "allows all.",
    )
    deny: Patterns | None = Field(
        default=None, description="Denied repositories; takes precedence over allow."
    )


class Capabilities(Model):
    """Operations that runs may perform; an absent field means allowed."""

    read: bool | None = Field(
        default=None, description="Whether runs may read code. Defaults to true."
    )
    write: bool | None = Field(
        default=None, description="Whether runs may push code. Defaults to true."
    )
    pull_requests: bool | None = Field(
        default=None, description="Whether runs may open pull requests. Defaults to true."
    )


class PullRequestDefaults(Model):
    """Settings for pull requests."""

    enabled: bool | None = Field(default=None, description="Whether a run opens a pull request.")
    draft: bool | None = Field(
        default=None, description="Whether the pull request is opened as a draft."
    )
    title_template: str | None = Field(
        default=None, description="Template for the title of the pull request."
    )
    body_template: str | None = Field(
        default=None, description="Template for the body of the pull request."
    )


class Defaults(Model):
    """Defaults for runs."""

    base_branch: str | None = Field(default=None, description="Branch from which runs start.")
    branch_template: str | None = Field(
        default=None, description="Template for the name of the branch to which a run pushes."
    )
    branch_conflict_suffix_template: str | None = Field(
        default=None,
        description="Template for the suffix of the branch name if the branch is already in use.",
    )
    commit_author_name: str | None = Field(default=None, description="Author name of commits.")
    commit_author_email: str | None = Field(
        default=None, description="Author email address of commits."
    )
    pull_request: PullRequestDefaults | None = Field(
        default=None, description="Settings for pull requests."
    )


class VersionControlProviderSpec(Spec):
    """Server, authentication and permitted operations."""

    provider: Literal["github", "gitlab", "bitbucket", "gitea", "generic"] = Field(
        description="Type of the server."
    )
    api_base_url: Uri | None = Field(default=None, description="Base URL of the server's API.")
    clone_base_url: Uri | None = Field(
        default=None, description="Base URL for cloning repositories."
    )
    web_base_url: Uri | None = Field(default=None, description="Base URL of the web interface.")
    clone_protocol: Literal["https", "ssh"] | None = Field(
        default=None, description="Settings for cloning repositories."
    )
    ssh_host: str | None = Field(default=None, description="SSH host for cloning.")
    ssh_user: str | None = Field(default=None, description="SSH user for cloning.")
    auth: Auth | None = Field(default=None, description="Authentication of runs.")
    repository_policy: RepositoryPolicy | None = Field(
        default=None, description="Repositories that runs may use."
    )
    capabilities: Capabilities | None = Field(
        default=None, description="Operations that runs may perform. Defaults to all."
    )
    defaults: Defaults | None = Field(default=None, description="Defaults for runs.")


class VersionControlProviderStatus(Status):
    """Most recently observed status of the provider."""

    conditions: core.Conditions | None = Field(
        default=None, description="Conditions: Ready, InvalidSpec, Unreachable and Warning."
    )
    last_validated_at: Timestamp | None = Field(
        default=None, description="Time of the last validation."
    )
    observed_generation: core.ObservedGeneration | None = None
    updated_at: core.UpdatedAt | None = None


class VersionControlProvider(
    Resource,
    columns=(
        core.READY,
        Column("Provider", ".spec.provider"),
    ),
):
    """A Git server: its URLs, authentication and permitted operations."""

    spec: VersionControlProviderSpec = Field(
        description="Server, authentication and permitted operations."
    )
    status: VersionControlProviderStatus | None = Field(
        default=None, description="Most recently observed status of the provider."
    )
