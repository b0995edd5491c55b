"""VersionControlProvider: nothing is lost between its versions, and nobody signs in otherwise."""

import copy
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import strategies as st

import crds
from crds import hub, platform
from crds.v1alpha1 import versioncontrolprovider as versioncontrolprovider_v1alpha1
from crds.v1alpha1 import versioncontrolprovider_conversion
from crds.v1beta1 import versioncontrolprovider
from schemagen import Api, Column, Kind, Version, canonical, crd, judge, structural
from schemagen.versions import graph
from tests.support import draws, objects, pruning

VERSION_CONTROL_PROVIDER = Kind(
    name="VersionControlProvider",
    plural="versioncontrolproviders",
    short_names=("vcs",),
    categories=("agents",),
    annotations=platform.SYNC_WAVE,
    versions=(
        Version(
            name="v1alpha1",
            model=versioncontrolprovider_v1alpha1.VersionControlProvider,
            conversion=versioncontrolprovider_conversion.CONVERSION,
            columns=(
                Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
                Column("Provider", ".spec.provider"),
            ),
        ),
        Version(
            name=hub.VERSION,
            model=versioncontrolprovider.VersionControlProvider,
            storage=True,
            columns=(
                Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
                Column("Provider", ".spec.provider"),
                Column("Auth", ".spec.auth.type"),
                Column("Web", ".spec.endpoints.web", priority=1),
                Column("Validated", ".status.lastValidationTime", type="date"),
                Column("Age", ".metadata.creationTimestamp", type="date"),
            ),
            selectable=(".spec.provider", ".spec.auth.type"),
        ),
    ),
)
API = Api(group=platform.GROUP, kinds=(VERSION_CONTROL_PROVIDER,))
DEFINITION = crd.crd(API, VERSION_CONTROL_PROVIDER, webhook={"url": "https://localhost/convert"})
SAMPLES = sorted(
    (pathlib.Path(crds.__file__).parent / "samples").glob("*/versioncontrolprovider.yaml")
)

OLD_RESIDUE = "conversion.agents.proompteng.ai/v1alpha1-residue"
NEW_RESIDUE = "conversion.agents.proompteng.ai/v1beta1-residue"
WAYS = [("v1alpha1", "v1beta1"), ("v1beta1", "v1alpha1")]

TOKEN = {"secretRef": {"name": "token"}}
KEY = {"privateKeySecretRef": {"name": "key", "key": "id_ed25519"}}
APP = {"appId": "1", "installationId": "2", "privateKeySecretRef": {"name": "app"}}


def provider(version: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"{platform.GROUP}/{version}",
        "kind": "VersionControlProvider",
        "metadata": {"name": "one"},
        "spec": {"provider": {"v1alpha1": "github", "v1beta1": "GitHub"}[version]} | spec,
    }


def convert(value: dict[str, Any], version: str, other: str) -> dict[str, Any]:
    return graph.convert(API, VERSION_CONTROL_PROVIDER, value, source=version, target=other).object


def up(value: dict[str, Any]) -> dict[str, Any]:
    return convert(value, "v1alpha1", "v1beta1")


def down(value: dict[str, Any]) -> dict[str, Any]:
    return convert(value, "v1beta1", "v1alpha1")


def drawn(version: str, *, is_mangled: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Providers of a version's schema, or such as break it in a few places."""
    found = VERSION_CONTROL_PROVIDER.version(version)
    assert found is not None
    properties = structural.schema_of(found.model, descriptions=False)["properties"]
    bodies = st.fixed_dictionaries(
        {"spec": objects.valid(properties["spec"])},
        optional={"status": objects.valid(properties["status"])},
    )
    return st.builds(
        lambda body: provider(version) | (body if isinstance(body, dict) else {}),
        objects.mangled(bodies) if is_mangled else bodies,
    )


def assert_comes_back(value: dict[str, Any], version: str, other: str) -> None:
    before = copy.deepcopy(value)

    forth = graph.convert(API, VERSION_CONTROL_PROVIDER, value, source=version, target=other)
    stored = pruning.pruned(API, forth.object)
    back = convert(stored, other, version)

    assert before == value, "the input was changed"
    assert 0 == forth.dropped_bytes
    assert canonical.dumps(value) == canonical.dumps(back)


@pytest.mark.parametrize(("version", "other"), WAYS)
def test_provider_of_the_schema_comes_back_as_it_was(version: str, other: str) -> None:
    for value in draws.drawn(drawn(version, is_mangled=False), 300):
        assert_comes_back(pruning.with_ruled_status(value), version, other)


@pytest.mark.parametrize(("version", "other"), WAYS)
def test_provider_that_breaks_the_schema_keeps_its_spec(version: str, other: str) -> None:
    for value in draws.drawn(drawn(version, is_mangled=True), 300):
        value.pop("status", None)

        assert_comes_back(value, version, other)


@pytest.mark.parametrize(("version", "other"), WAYS)
@pytest.mark.parametrize("spec", [None, {}, [], "x", {"auth": None, "capabilities": None}])
def test_partial_provider_gains_no_spec(version: str, other: str, spec: Any) -> None:
    value = provider(version) | {"spec": spec}
    absent = {name: item for name, item in value.items() if name != "spec"}

    assert_comes_back(value, version, other)
    assert absent | {"apiVersion": f"{platform.GROUP}/{other}"} == convert(absent, version, other)


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
    ({}, {}),
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
    older, newer = provider("v1alpha1", **old), provider("v1beta1", **new)

    assert newer == up(older)
    assert older == down(newer)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("github", "GitHub"),
        ("gitlab", "GitLab"),
        ("bitbucket", "Bitbucket"),
        ("gitea", "Gitea"),
        ("generic", "Generic"),
    ],
)
def test_server_keeps_its_name(old: str, new: str) -> None:
    assert provider("v1beta1", provider=new) == up(provider("v1alpha1", provider=old))


# --- what only v1alpha1 can say ------------------------------------------------------------------

ONLY_OLD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ids as numbers": (
        {"method": "app", "app": APP | {"appId": 1, "installationId": 2}},
        {"type": "App", "app": APP},
    ),
    "ids that are no numbers": (
        {"method": "app", "app": APP | {"appId": -1, "installationId": True}},
        {"type": "App", "app": {"appId": "-1", "privateKeySecretRef": {"name": "app"}}},
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
    older = provider("v1alpha1", auth=old)

    newer = up(older)

    assert new == newer["spec"]["auth"]
    assert [OLD_RESIDUE] == list(newer["metadata"]["annotations"])
    assert older == down(newer)


def test_id_edited_in_v1beta1_is_a_string_afterwards() -> None:
    newer = up(provider("v1alpha1", auth={"method": "app", "app": {"appId": 1}}))
    newer["spec"]["auth"]["app"]["appId"] = "7"

    assert {"method": "app", "app": {"appId": "7"}} == down(newer)["spec"]["auth"]


def test_way_chosen_in_v1beta1_is_not_guessed_otherwise() -> None:
    newer = up(provider("v1alpha1", auth={"token": TOKEN, "ssh": KEY}))
    newer["spec"]["auth"] = {"type": "None"}

    older = down(newer)

    assert "none" == older["spec"]["auth"]["method"]
    assert {"type": "None"} == up(older)["spec"]["auth"]


@pytest.mark.parametrize("allow", ["a/b", [1], {}])
def test_allow_list_that_cannot_be_read_allows_nothing(allow: Any) -> None:
    older = provider("v1alpha1", repositoryPolicy={"allow": allow})

    newer = up(older)

    assert {"allow": ["!deny-all"]} == newer["spec"]["repositoryPolicy"]
    assert older == down(newer)


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
    newer = provider("v1beta1", **new)

    older = down(newer)

    assert provider("v1alpha1", **old)["spec"] == older["spec"]
    assert [NEW_RESIDUE] == list(older["metadata"]["annotations"])
    assert newer == up(older)


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
@pytest.mark.parametrize(("version", "other"), WAYS)
def test_tampered_residue_widens_nothing(version: str, other: str, entry: dict[str, Any]) -> None:
    auth = {"v1alpha1": {"method": "ssh", "ssh": KEY}, "v1beta1": {"type": "SSH", "ssh": KEY}}
    policy = {"allow": ["a/*"], "deny": ["a/b"]}
    more = {"repositoryPolicy": policy, "capabilities": {"write": False}}
    value = provider(version, auth=auth[version], **more)
    tampered = copy.deepcopy(value)
    annotation = {"v1alpha1": NEW_RESIDUE, "v1beta1": OLD_RESIDUE}[version]
    tampered["metadata"]["annotations"] = {annotation: json.dumps([entry])}

    # A field that only the other version has is pruned by the API server.
    stored = pruning.pruned(API, convert(tampered, version, other))

    assert convert(value, version, other) == stored


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
    older = provider("v1alpha1")
    older["status"] = both | {"lastValidatedAt": validated, "updatedAt": updated}
    newer = provider("v1beta1")
    newer["status"] = both | {"lastValidationTime": validated, "lastUpdateTime": updated}

    assert newer == up(older)
    assert older == down(newer)


# --- the API server ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def asked() -> Iterator[judge.Judge]:
    with judge.Judge(deadline_seconds=60) as found:
        yield found


@pytest.fixture(scope="module")
def loaded(asked: judge.Judge) -> Iterator[judge.Loaded]:
    with asked.load(DEFINITION) as found:
        yield found


def test_crd_is_accepted_within_its_costs(asked: judge.Judge) -> None:
    verdict = asked.check(DEFINITION, costs=True)

    assert (True, "", ()) == (verdict.allowed, verdict.message, verdict.warnings)
    assert [] == [cost for cost in verdict.costs if cost.cost * 6 > cost.limit]


def samples() -> list[dict[str, Any]]:
    return [value for path in SAMPLES for value in yaml.safe_load_all(path.read_text())]


@pytest.mark.parametrize("value", samples(), ids=lambda value: value["metadata"]["name"])
def test_samples_are_taken_in_both_versions(loaded: judge.Loaded, value: dict[str, Any]) -> None:
    version = value["apiVersion"].partition("/")[2]
    other = dict(WAYS)[version]

    assert () == loaded.create(value).causes
    assert () == loaded.create(convert(value, version, other)).causes
    assert_comes_back(value, version, other)


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "app of a server that knows none": (
        {"provider": "GitLab", "auth": {"type": "App", "app": APP}},
        "spec.auth.type",
        "type App needs provider GitHub",
    ),
    "token that the server does not know": (
        {"auth": {"type": "Token", "token": TOKEN | {"type": "APIToken"}}},
        "spec.auth.token.type",
        "GitHub takes tokens of type PAT or FineGrained or AccessToken",
    ),
    "token that the only type is not": (
        {"provider": "Bitbucket", "auth": {"type": "Token", "token": TOKEN | {"type": "PAT"}}},
        "spec.auth.token.type",
        "Bitbucket takes tokens of type AccessToken",
    ),
    "type without its block": (
        {"auth": {"type": "SSH"}},
        "spec.auth.ssh",
        "type SSH needs ssh",
    ),
    "block without its type": (
        {"auth": {"type": "None", "token": TOKEN}},
        "spec.auth.token",
        "token needs type Token",
    ),
    "id that is no number": (
        {"auth": {"type": "App", "app": APP | {"appId": "x"}}},
        "spec.auth.app.appId",
        "should match '^[0-9]+$'",
    ),
    "ssh beside https": (
        {"clone": {"protocol": "HTTPS", "ssh": {"host": "h"}}},
        "spec.clone.ssh",
        "ssh needs protocol SSH",
    ),
    "empty pattern": (
        {"repositoryPolicy": {"allow": [""]}},
        "spec.repositoryPolicy.allow[0]",
        "should be at least 1 chars long",
    ),
}


@pytest.mark.parametrize(("spec", "field", "message"), REFUSED.values(), ids=REFUSED)
def test_v1beta1_refuses_what_would_fail_later(
    loaded: judge.Loaded, spec: dict[str, Any], field: str, message: str
) -> None:
    causes = loaded.create(provider("v1beta1", **spec)).causes

    assert [field] == [cause.field for cause in causes]
    assert message in causes[0].message


@pytest.mark.parametrize("kind", ["PAT", "FineGrained", "APIToken", "AccessToken"])
def test_generic_server_takes_every_token(loaded: judge.Loaded, kind: str) -> None:
    auth = {"type": "Token", "token": TOKEN | {"type": kind}}

    assert () == loaded.create(provider("v1beta1", provider="Generic", auth=auth)).causes


def test_unchanged_fault_of_an_old_object_may_stay(loaded: judge.Loaded) -> None:
    old = up(provider("v1alpha1", auth={"method": "app"}))
    kept = copy.deepcopy(old)
    kept["spec"]["capabilities"] = {"write": False}

    assert not loaded.create(old).allowed
    assert loaded.update(kept, old).allowed


def test_v1alpha1_is_as_open_as_the_public_one(loaded: judge.Loaded) -> None:
    app = {"appId": 1, "installationId": "x", "privateKeySecretRef": {"name": ""}}
    value = provider(
        "v1alpha1",
        sshHost="x" * 5000,
        auth={"method": "none", "token": {}, "app": app, "ssh": {}, "username": ""},
        repositoryPolicy={"allow": ["", "x" * 5000], "deny": [""] * 200},
        defaults={"commitAuthorEmail": "nobody", "pullRequest": {"titleTemplate": ""}},
    )

    assert () == loaded.create(value).causes
