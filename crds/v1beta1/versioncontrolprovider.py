"""VersionControlProvider v1beta1: a Git server, with authentication as a tagged union."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1beta1 import core
from schemagen import Cel, Column, Model, Resource, Spec, Status
from schemagen.model.markers import Atomic
from schemagen.model.wire import Duration, Timestamp, Uri

POLICY_ENTRIES = 200

Url = Annotated[Uri, Field(max_length=2048)]
# GitHub IDs are 64-bit; as strings they survive every YAML and JavaScript reader.
Number = Annotated[str, Field(min_length=1, max_length=20, pattern=r"^[0-9]+$")]
Template = Annotated[str, Field(min_length=1, max_length=1024)]


class KeyRef(Model):
    """Reference to a key of a Secret or ConfigMap in the same namespace."""

    name: core.Name = Field(description="Name of the Secret or ConfigMap, in the same namespace.")
    key: core.Key | None = Field(
        default=None,
        description="Key of the Secret or ConfigMap. Defaults to the usual key of the field.",
    )


class TokenAuth(Model):
    """Authentication with a token."""

    secret_ref: KeyRef = Field(
        description="Secret that holds the token. The key defaults to token."
    )
    type: Literal["PAT", "FineGrained", "APIToken", "AccessToken"] | None = Field(
        default=None, description="Provider's type of the token."
    )


class AppAuth(Model):
    """Authentication as a GitHub App."""

    app_id: Number = Field(description="App ID, as a string.")
    installation_id: Number = Field(description="Installation ID, as a string.")
    private_key_secret_ref: KeyRef = Field(
        description="Secret that holds the private key. The key defaults to privateKey."
    )
    token_ttl: Duration | None = Field(
        default=None,
        alias="tokenTTL",
        description="Lifetime of the app's tokens. Defaults to 1h, as does 0s.",
    )


class SshAuth(Model):
    """Authentication with an SSH key."""

    private_key_secret_ref: KeyRef = Field(
        description="Secret that holds the private key. The key defaults to privateKey."
    )
    known_hosts_config_map_ref: KeyRef | None = Field(
        default=None,
        description="ConfigMap that holds the known host keys. The key defaults to known_hosts.",
    )


class Auth(Model, rules=core.union_by("type", token="Token", app="App", ssh="SSH")):  # noqa: S106 - a word
    """Authentication of runs."""

    type: Literal["Token", "App", "SSH", "None"] = Field(
        description="Authentication type. Its settings are in the field of the same name."
    )
    username: core.Word | None = Field(
        default=None, description="User name for HTTPS. Defaults to the provider's usual one."
    )
    token: TokenAuth | None = Field(default=None, description="Authentication with a token.")
    app: AppAuth | None = Field(default=None, description="Authentication as a GitHub App.")
    ssh: SshAuth | None = Field(default=None, description="Authentication with an SSH key.")


class Endpoints(Model):
    """URLs of the server. Default to those of the provider's public service."""

    api: Url | None = Field(default=None, description="Base URL of the server's API.")
    clone: Url | None = Field(default=None, description="Base URL for cloning repositories.")
    web: Url | None = Field(default=None, description="Base URL of the web interface.")


class SshClone(Model):
    """Settings for cloning over SSH."""

    host: Annotated[str, Field(min_length=1, max_length=253)] | None = Field(
        default=None, description="SSH host. Defaults to the host of the clone URL."
    )
    user: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        default=None, description="SSH user. Defaults to git."
    )


class Clone(
    Model,
    rules=[
        Cel(
            "!has(self.ssh) || !has(self.protocol) || self.protocol == 'SSH'",
            "ssh requires protocol SSH",
            reason="FieldValueForbidden",
            field_path=".ssh",
        )
    ],
):
    """Settings for cloning repositories."""

    protocol: Literal["HTTPS", "SSH"] | None = Field(
        default=None,
        description="Clone protocol. Defaults to SSH if auth.type is SSH, otherwise to HTTPS.",
    )
    ssh: SshClone | None = Field(default=None, description="Settings for cloning over SSH.")


Patterns = Annotated[list[core.Word], Atomic(), Field(max_length=POLICY_ENTRIES)]


class RepositoryPolicy(Model):
    """Repositories that runs may use."""

    allow: Patterns | None = Field(
        default=None,
        description="Allowed repositories, as owner/name with * as a wildcard. An absent or "
        "empty list allows all.",
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
    title_template: Template | None = Field(
        default=None, description="Template for the title of the pull request."
    )
    body_template: Annotated[str, Field(max_length=65536)] | None = Field(
        default=None, description="Template for the body of the pull request."
    )


class Defaults(Model):
    """Defaults for runs."""

    base_branch: core.Word | None = Field(default=None, description="Branch from which runs start.")
    branch_template: Template | None = Field(
        default=None, description="Template for the name of the branch to which a run pushes."
    )
    branch_conflict_suffix_template: Template | None = Field(
        default=None,
        description="Template for the suffix of the branch name if the branch is already in use.",
    )
    commit_author_name: core.Word | None = Field(
        default=None, description="Author name of commits."
    )
    commit_author_email: Annotated[str, Field(min_length=1, max_length=320)] | None = Field(
        default=None, description="Author email address of commits."
    )
    pull_request: PullRequestDefaults | None = Field(
        default=None, description="Settings for pull requests."
    )


def _tokens_of(provider: str, *types: str) -> Cel:
    return Cel(
        f"self.provider != '{provider}' || !has(self.auth) || !has(self.auth.token) || "
        f"!has(self.auth.token.type) || self.auth.token.type in {list(types)}",
        f"provider {provider} requires token type {' or '.join(types)}",
        field_path=".auth.token.type",
    )


class VersionControlProviderSpec(
    Spec,
    rules=[
        Cel(
            "!has(self.auth) || self.auth.type != 'App' || self.provider == 'GitHub'",
            "auth.type App requires provider GitHub",
            field_path=".auth.type",
        ),
        # Generic accepts every type.
        _tokens_of("GitHub", "PAT", "FineGrained", "AccessToken"),
        _tokens_of("GitLab", "PAT", "AccessToken"),
        _tokens_of("Bitbucket", "AccessToken"),
        _tokens_of("Gitea", "APIToken", "AccessToken"),
    ],
):
    """Server, authentication and permitted operations."""

    provider: Literal["GitHub", "GitLab", "Bitbucket", "Gitea", "Generic"] = Field(
        description="Type of the server."
    )
    endpoints: Endpoints | None = Field(
        default=None,
        description="URLs of the server. Default to those of the provider's public service.",
    )
    clone: Clone | None = Field(default=None, description="Settings for cloning repositories.")
    auth: Auth | None = Field(
        default=None, description="Authentication of runs. Defaults to type None."
    )
    repository_policy: RepositoryPolicy | None = Field(
        default=None, description="Repositories that runs may use. Defaults to all."
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
    last_validation_time: Timestamp | None = Field(
        default=None, description="Time of the last validation."
    )
    observed_generation: core.ObservedGeneration | None = None
    last_update_time: core.LastUpdateTime | None = None


class VersionControlProvider(
    Resource,
    plural="versioncontrolproviders",
    short_names=("vcs",),
    categories=("agents",),
    columns=(
        core.READY,
        Column("Provider", ".spec.provider"),
        Column("Auth", ".spec.auth.type"),
        Column("Web", ".spec.endpoints.web", priority=1),
        Column("Validated", ".status.lastValidationTime", type="date"),
        core.AGE,
    ),
    selectable=(
        ".spec.provider",
        ".spec.auth.type",
    ),
):
    """A Git server: its URLs, authentication and permitted operations."""

    spec: VersionControlProviderSpec = Field(
        description="Server, authentication and permitted operations."
    )
    status: VersionControlProviderStatus | None = Field(
        default=None, description="Most recently observed status of the provider."
    )
