"""VersionControlProvider: nothing is lost between its versions, and nobody signs in otherwise."""

import json
from typing import Any

import pytest

import crds
from schemagen import canonical, judge
from tests.support import kinds, pruning

PROVIDER = kinds.Subject(
    "VersionControlProvider",
    {kinds.OLD: {"provider": "github"}, kinds.NEW: {"provider": "GitHub"}},
)
loaded = kinds.judged(PROVIDER)

TOKEN = {"secretRef": {"name": "token"}}
KEY = {"privateKeySecretRef": {"name": "key", "key": "id_ed25519"}}
APP = {"appId": "1", "installationId": "2", "privateKeySecretRef": {"name": "app"}}


@kinds.VERSIONS
@pytest.mark.parametrize("spec", [*kinds.NO_SPECS, {"auth": None, "capabilities": None}])
def test_partial_provider_gains_no_spec(version: str, spec: Any) -> None:
    kinds.assert_part_gains_nothing(PROVIDER, version, spec)


# --- what both versions can say ------------------------------------------------------------------

UNCHANGED: list[dict[str, Any]] = [
    {"capabilities": {}},
    {"capabilities": {"read": True, "write": False}},
    {"capabilities": {"read": False, "write": False, "pullRequests": False}},
    {"repositoryPolicy": {}},
    {"repositoryPolicy": {"allow": []}},
    {"repositoryPolicy": {"allow": ["b/*", "a/*", "b/*"], "deny": ["a/b"]}},
    {"defaults": {}},
    {"defaults": {"baseBranch": "main", "branchConflictSuffixTemplate": "-{{agentRun.name}}"}},
    {"defaults": {"pullRequest": {"enabled": False, "draft": True, "bodyTemplate": "b"}}},
]
SAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    *((spec, spec) for spec in UNCHANGED),
    *(
        ({"provider": old}, {"provider": new})
        for old, new in (
            ("github", "GitHub"),
            ("gitlab", "GitLab"),
            ("bitbucket", "Bitbucket"),
            ("gitea", "Gitea"),
            ("generic", "Generic"),
        )
    ),
    (
        {"apiBaseUrl": "https://a", "cloneBaseUrl": "ssh://c", "webBaseUrl": "https://w"},
        {"endpoints": {"api": "https://a", "clone": "ssh://c", "web": "https://w"}},
    ),
    (
        {"cloneProtocol": "ssh", "sshHost": "h", "sshUser": "git"},
        {"clone": {"protocol": "SSH", "ssh": {"host": "h", "user": "git"}}},
    ),
    ({"cloneProtocol": "https"}, {"clone": {"protocol": "HTTPS"}}),
    ({"auth": {"method": "none"}}, {"auth": {"type": "None"}}),
    (
        {"auth": {"method": "token", "username": "u", "token": TOKEN | {"type": "fine_grained"}}},
        {"auth": {"type": "Token", "username": "u", "token": TOKEN | {"type": "FineGrained"}}},
    ),
    (
        {"auth": {"method": "app", "app": APP | {"tokenTtlSeconds": 1800}}},
        {"auth": {"type": "App", "app": APP | {"tokenTTL": "30m"}}},
    ),
    (
        {"auth": {"method": "app", "app": APP | {"tokenTtlSeconds": 0}}},
        {"auth": {"type": "App", "app": APP | {"tokenTTL": "0s"}}},
    ),
    (
        {"auth": {"method": "ssh", "ssh": KEY | {"knownHostsConfigMapRef": {"name": "h"}}}},
        {"auth": {"type": "SSH", "ssh": KEY | {"knownHostsConfigMapRef": {"name": "h"}}}},
    ),
]


@pytest.mark.parametrize(("old", "new"), SAME)
def test_what_both_versions_say_needs_no_annotation(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    kinds.assert_both_say(PROVIDER.one("v1alpha1", **old), PROVIDER.one("v1beta1", **new))


# --- what only v1alpha1 can say ------------------------------------------------------------------

ONLY_OLD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ids as numbers": (
        {"method": "app", "app": APP | {"appId": 1, "installationId": 2}},
        {"type": "App", "app": APP},
    ),
    "an id that is no number": (
        {"method": "app", "app": APP | {"appId": -1}},
        {"type": "App", "app": APP | {"appId": "-1"}},
    ),
    "token is guessed before app and ssh": (
        {"ssh": KEY, "app": APP, "token": TOKEN},
        {"type": "Token", "token": TOKEN},
    ),
    "app is guessed before ssh": ({"ssh": KEY, "app": APP}, {"type": "App", "app": APP}),
    "ssh is guessed": ({"ssh": KEY}, {"type": "SSH", "ssh": KEY}),
    "token without a Secret is not guessed": (
        {"ssh": KEY, "token": {"type": "pat"}, "app": {"privateKeySecretRef": {"name": " "}}},
        {"type": "SSH", "ssh": KEY},
    ),
    "none is guessed": ({}, {"type": "None"}),
    "blocks that the method does not select": (
        {"method": "ssh", "ssh": KEY, "token": TOKEN, "app": APP},
        {"type": "SSH", "ssh": KEY},
    ),
    "none although there are Secrets": (
        {"method": "none", "token": TOKEN, "username": "u"},
        {"type": "None", "username": "u"},
    ),
    "method of nobody": ({"method": "oauth", "token": TOKEN}, {"type": "Token", "token": TOKEN}),
}


@pytest.mark.parametrize(("old", "new"), ONLY_OLD.values(), ids=ONLY_OLD)
def test_what_v1beta1_cannot_say_comes_back(old: dict[str, Any], new: dict[str, Any]) -> None:
    kinds.assert_stands_aside(PROVIDER.one("v1alpha1", auth=old), PROVIDER.one("v1beta1", auth=new))


def test_id_edited_in_v1beta1_is_a_string_afterwards() -> None:
    newer = PROVIDER.up(auth={"method": "app", "app": {"appId": 1}})
    newer["spec"]["auth"]["app"]["appId"] = "7"

    assert {"method": "app", "app": {"appId": "7"}} == kinds.convert(newer)["spec"]["auth"]


def test_way_chosen_in_v1beta1_is_not_guessed_otherwise() -> None:
    newer = PROVIDER.up(auth={"token": TOKEN, "ssh": KEY})
    newer["spec"]["auth"] = {"type": "None"}

    older = kinds.convert(newer)

    assert "none" == older["spec"]["auth"]["method"]
    assert {"type": "None"} == kinds.convert(older)["spec"]["auth"]


@pytest.mark.parametrize("allow", ["a/b", [1], {}])
def test_allow_list_that_cannot_be_read_allows_nothing(allow: Any) -> None:
    value = PROVIDER.one("v1alpha1", repositoryPolicy={"allow": allow})
    plain = PROVIDER.one("v1beta1", repositoryPolicy={"allow": ["!deny-all"]})

    there = kinds.convert(value)

    assert plain["spec"] == there["spec"]
    assert {"allow": ["!deny-all"]} == kinds.convert(there)["spec"]["repositoryPolicy"]


# --- what only v1beta1 can say -------------------------------------------------------------------

ONLY_NEW: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "another spelling of a duration": (
        {"auth": {"type": "App", "app": APP | {"tokenTTL": "60m"}}},
        {"auth": {"method": "app", "app": APP | {"tokenTtlSeconds": 3600}}},
    ),
    "block of another type": (
        {"auth": {"type": "None", "token": TOKEN}},
        {"auth": {"method": "none"}},
    ),
    "no type": ({"auth": {"token": TOKEN}}, {"auth": {"method": "none"}}),
    "no endpoint": ({"endpoints": {}}, {}),
    "no way to clone": ({"clone": {"ssh": {}}}, {}),
}


@pytest.mark.parametrize(("new", "old"), ONLY_NEW.values(), ids=ONLY_NEW)
def test_what_v1alpha1_cannot_say_comes_back(new: dict[str, Any], old: dict[str, Any]) -> None:
    kinds.assert_stands_aside(PROVIDER.one("v1beta1", **new), PROVIDER.one("v1alpha1", **old))


# --- tampered residue ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry",
    [
        {
            "at": ["spec", "auth"],
            "was": {"method": canonical.digest("ssh")},
            "is": {"token": TOKEN},
        },
        {
            "at": ["spec", "auth"],
            "was": {"method": canonical.digest("ssh")},
            "is": {"method": "token", "token": TOKEN},
        },
        {
            "at": ["spec", "auth", "ssh", "privateKeySecretRef"],
            "was": {"name": canonical.digest("key")},
            "is": {"name": "admin"},
        },
        {
            "at": ["spec", "repositoryPolicy"],
            "was": {"allow": canonical.digest(["a/*"])},
            "is": {"allow": []},
        },
        {
            "at": ["spec", "repositoryPolicy"],
            "was": {"deny": canonical.digest(["a/b"])},
            "is": {},
        },
        {"at": ["spec"], "was": {}, "is": {"apiBaseUrl": "https://elsewhere.example.com"}},
        {
            "at": ["spec", "capabilities"],
            "was": {"write": canonical.digest(value=False)},
            "is": {"write": True},
        },
    ],
    ids=json.dumps,
)
@kinds.VERSIONS
def test_tampered_residue_widens_nothing(version: str, entry: dict[str, Any]) -> None:
    auth = {"v1alpha1": {"method": "ssh", "ssh": KEY}, "v1beta1": {"type": "SSH", "ssh": KEY}}
    policy = {"allow": ["a/*"], "deny": ["a/b"]}
    spec: dict[str, Any] = {
        "auth": auth[version],
        "repositoryPolicy": policy,
        "capabilities": {"write": False},
    }

    # A field that only the other version has is pruned by the API server.
    tampered = kinds.convert(PROVIDER.tampered(version, [entry], **spec))
    stored = pruning.pruned(crds.api, tampered)

    assert kinds.convert(PROVIDER.one(version, **spec)) == stored


# --- status --------------------------------------------------------------------------------------


def test_status_converts_without_annotations() -> None:
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "AuthReady",
        "message": "",
        "lastTransitionTime": "2026-01-19T00:00:00Z",
    }
    both = {"conditions": [condition], "observedGeneration": 3}
    validated, updated = "2026-01-19T00:00:00Z", "2026-01-19T00:00:01Z"
    older = PROVIDER.one("v1alpha1")
    older["status"] = both | {"lastValidatedAt": validated, "updatedAt": updated}
    newer = PROVIDER.one("v1beta1")
    newer["status"] = both | {"lastValidationTime": validated, "lastUpdateTime": updated}

    kinds.assert_both_say(older, newer)


# --- the API server ------------------------------------------------------------------------------


def test_definition_is_accepted_without_a_warning() -> None:
    kinds.assert_definition_is_accepted(PROVIDER)


@kinds.VERSIONS
def test_samples_are_taken_in_both_versions_and_come_back(
    loaded: judge.Loaded, version: str
) -> None:
    kinds.assert_samples_are_taken(PROVIDER, loaded, version)


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "app of a server that knows none": (
        {"provider": "GitLab", "auth": {"type": "App", "app": APP}},
        "spec.auth.type",
        "Invalid value: auth.type App requires provider GitHub",
    ),
    "token that the server does not know": (
        {"auth": {"type": "Token", "token": TOKEN | {"type": "APIToken"}}},
        "spec.auth.token.type",
        "Invalid value: provider GitHub requires token type PAT or FineGrained or AccessToken",
    ),
    "token that the only type is not": (
        {"provider": "Bitbucket", "auth": {"type": "Token", "token": TOKEN | {"type": "PAT"}}},
        "spec.auth.token.type",
        "Invalid value: provider Bitbucket requires token type AccessToken",
    ),
    "type without its block": (
        {"auth": {"type": "SSH"}},
        "spec.auth.ssh",
        "Required value: type SSH requires ssh",
    ),
    "block without its type": (
        {"auth": {"type": "None", "token": TOKEN}},
        "spec.auth.token",
        "Forbidden: token requires type Token",
    ),
    "id that is no number": (
        {"auth": {"type": "App", "app": APP | {"appId": "x"}}},
        "spec.auth.app.appId",
        "Invalid value: \"x\": spec.auth.app.appId in body should match '^[0-9]+$'",
    ),
    "ssh beside https": (
        {"clone": {"protocol": "HTTPS", "ssh": {"host": "h"}}},
        "spec.clone.ssh",
        "Forbidden: ssh requires protocol SSH",
    ),
    "empty pattern": (
        {"repositoryPolicy": {"allow": [""]}},
        "spec.repositoryPolicy.allow[0]",
        'Invalid value: "": spec.repositoryPolicy.allow[0] in body should be at least 1 chars long',
    ),
}


@pytest.mark.parametrize(("spec", "field", "message"), REFUSED.values(), ids=REFUSED)
def test_v1beta1_refuses_what_would_fail_later(
    loaded: judge.Loaded, spec: dict[str, Any], field: str, message: str
) -> None:
    verdict = loaded.create(PROVIDER.one("v1beta1", **spec))

    assert [(field, message)] == kinds.refusals(verdict)


@pytest.mark.parametrize("kind", ["PAT", "FineGrained", "APIToken", "AccessToken"])
def test_generic_server_takes_every_token(loaded: judge.Loaded, kind: str) -> None:
    auth = {"type": "Token", "token": TOKEN | {"type": kind}}

    assert () == loaded.create(PROVIDER.one("v1beta1", provider="Generic", auth=auth)).causes


def test_unchanged_fault_of_an_old_object_may_stay(loaded: judge.Loaded) -> None:
    old = PROVIDER.up(auth={"method": "app"})
    kept = kinds.edited(old, capabilities={"write": False})

    assert not loaded.create(old).allowed
    assert loaded.update(kept, old).allowed


def test_v1alpha1_is_as_open_as_the_public_one(loaded: judge.Loaded) -> None:
    app = {"appId": 1, "installationId": "x", "privateKeySecretRef": {"name": ""}}
    value = PROVIDER.one(
        "v1alpha1",
        sshHost="x" * 5000,
        auth={"method": "none", "token": {}, "app": app, "ssh": {}, "username": ""},
        repositoryPolicy={"allow": ["", "x" * 5000], "deny": [""] * 200},
        defaults={"commitAuthorEmail": "nobody", "pullRequest": {"titleTemplate": ""}},
    )

    assert () == loaded.create(value).causes
