"""VersionControlProvider v1beta1: one way to sign in, by its type, and bounded text."""

from typing import Annotated, Literal

from pydantic import Field

from crds.v1beta1 import core
from schemagen import Cel, Model, Resource, Spec, Status
from schemagen.model.markers import Atomic
from schemagen.model.wire import Duration, Timestamp, Uri

POLICY_ENTRIES = 200

Url = Annotated[Uri, Field(max_length=2048)]
# Numbers of GitHub fit 64 bits; as strings they survive every YAML and JavaScript reader.
Number = Annotated[str, Field(min_length=1, max_length=20, pattern=r"^[0-9]+$")]
Template = Annotated[str, Field(min_length=1, max_length=1024)]


class KeyRef(Model):
    """A key of a Secret or ConfigMap in the same namespace."""

    name: core.Name = Field(description="Name of the Secret or ConfigMap, in the same namespace.")
    key: core.Key | None = Field(
        default=None, description="Key whose value is meant; absent: the usual one."
    )


class TokenAuth(Model):
    """Signing in with a token."""

    secret_ref: KeyRef = Field(description="Secret that holds the token; its usual key is token.")
    type: Literal["PAT", "FineGrained", "APIToken", "AccessToken"] | None = Field(
        default=None, description="What the provider calls such a token."
    )


class AppAuth(Model):
    """Signing in as a GitHub App."""

    app_id: Number = Field(description="Number of the app, as a string.")
    installation_id: Number = Field(description="Number of its installation, as a string.")
    private_key_secret_ref: KeyRef = Field(
        description="Secret that holds the private key; its usual key is privateKey."
    )
    token_ttl: Duration | None = Field(
        default=None,
        alias="tokenTTL",
        description="How long a token of the app is used; 0s or absent: 1h.",
    )


class SshAuth(Model):
    """Signing in with an SSH key."""

    private_key_secret_ref: KeyRef = Field(
        description="Secret that holds the private key; its usual key is privateKey."
    )
    known_hosts_config_map_ref: KeyRef | None = Field(
        default=None,
        description="ConfigMap that holds the hosts' keys; its usual key is known_hosts.",
    )


class Auth(Model, rules=core.union_by("type", token="Token", app="App", ssh="SSH")):  # noqa: S106 - a word
    """How runs sign in."""

    type: Literal["Token", "App", "SSH", "None"] = Field(
        description="Which way; its settings stand in the field of the same name."
    )
    username: core.Word | None = Field(
        default=None, description="User name for HTTPS; absent: the provider's usual one."
    )
    token: TokenAuth | None = Field(default=None, description="Signing in with a token.")
    app: AppAuth | None = Field(default=None, description="Signing in as a GitHub App.")
    ssh: SshAuth | None = Field(default=None, description="Signing in with an SSH key.")


class Endpoints(Model):
    """Where the server is; absent: where the provider's public one is."""

    api: Url | None = Field(default=None, description="Address of the server's API.")
    clone: Url | None = Field(
        default=None, description="Address that repositories are cloned from."
    )
    web: Url | None = Field(default=None, description="Address of its pages for people.")


class SshClone(Model):
    """Cloning over SSH."""

    host: Annotated[str, Field(min_length=1, max_length=253)] | None = Field(
        default=None, description="Host; absent: that of the clone address."
    )
    user: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        default=None, description="User on that host; git if it is absent."
    )


class Clone(
    Model,
    rules=[
        Cel(
            "!has(self.ssh) || !has(self.protocol) || self.protocol == 'SSH'",
            "ssh needs protocol SSH",
            reason="FieldValueForbidden",
            field_path=".ssh",
        )
    ],
):
    """How repositories are cloned."""

    protocol: Literal["HTTPS", "SSH"] | None = Field(
        default=None, description="Which way; absent: SSH if runs sign in with it, else HTTPS."
    )
    ssh: SshClone | None = Field(default=None, description="Cloning over SSH.")


Patterns = Annotated[list[core.Word], Atomic(), Field(max_length=POLICY_ENTRIES)]


class RepositoryPolicy(Model):
    """Which repositories runs may work on."""

    allow: Patterns | None = Field(
        default=None,
        description="Repositories, as owner/name with * for any text; absent or empty: all.",
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
    title_template: Template | None = Field(default=None, description="Template of its title.")
    body_template: Annotated[str, Field(max_length=65536)] | None = Field(
        default=None, description="Template of its text."
    )


class Defaults(Model):
    """What runs do that say nothing else."""

    base_branch: core.Word | None = Field(default=None, description="Branch that runs start from.")
    branch_template: Template | None = Field(
        default=None, description="Template of the branch that a run writes to."
    )
    branch_conflict_suffix_template: Template | None = Field(
        default=None, description="Template of what follows the branch if another run uses it."
    )
    commit_author_name: core.Word | None = Field(
        default=None, description="Name of commits' author."
    )
    commit_author_email: Annotated[str, Field(min_length=1, max_length=320)] | None = Field(
        default=None, description="Mail address of commits' author."
    )
    pull_request: PullRequestDefaults | None = Field(
        default=None, description="How pull requests are opened."
    )


def _tokens_of(provider: str, *types: str) -> Cel:
    return Cel(
        f"self.provider != '{provider}' || !has(self.auth) || !has(self.auth.token) || "
        f"!has(self.auth.token.type) || self.auth.token.type in {list(types)}",
        f"{provider} takes tokens of type {' or '.join(types)}",
        field_path=".auth.token.type",
    )


class VersionControlProviderSpec(
    Spec,
    rules=[
        Cel(
            "!has(self.auth) || self.auth.type != 'App' || self.provider == 'GitHub'",
            "type App needs provider GitHub",
            field_path=".auth.type",
        ),
        # Generic takes them all.
        _tokens_of("GitHub", "PAT", "FineGrained", "AccessToken"),
        _tokens_of("GitLab", "PAT", "AccessToken"),
        _tokens_of("Bitbucket", "AccessToken"),
        _tokens_of("Gitea", "APIToken", "AccessToken"),
    ],
):
    """Where code is, how to get there, and what runs may do."""

    provider: Literal["GitHub", "GitLab", "Bitbucket", "Gitea", "Generic"] = Field(
        description="What kind of server it is."
    )
    endpoints: Endpoints | None = Field(default=None, description="Where the server is.")
    clone: Clone | None = Field(default=None, description="How repositories are cloned.")
    auth: Auth | None = Field(
        default=None, description="How runs sign in; as with type None if it is absent."
    )
    repository_policy: RepositoryPolicy | None = Field(
        default=None, description="Which repositories runs may work on; absent: all."
    )
    capabilities: Capabilities | None = Field(
        default=None, description="What runs may do; absent: everything."
    )
    defaults: Defaults | None = Field(
        default=None, description="What runs do that say nothing else."
    )


class VersionControlProviderStatus(Status):
    """What the controller saw of the provider."""

    conditions: core.Conditions | None = Field(
        default=None, description="Ready, InvalidSpec, Unreachable and Warning."
    )
    last_validation_time: Timestamp | None = Field(
        default=None, description="When the provider was last checked."
    )
    observed_generation: core.ObservedGeneration | None = None
    last_update_time: core.LastUpdateTime | None = None


class VersionControlProvider(Resource):
    """A server that holds code: where it is, how runs sign in, and what they may do there."""

    spec: VersionControlProviderSpec = Field(
        description="Where code is, how to get there, and what runs may do."
    )
    status: VersionControlProviderStatus | None = Field(
        default=None, description="What the controller saw of the provider."
    )
