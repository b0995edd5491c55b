"""ImplementationSource: nothing is lost between its versions, and no edit switches a tracker on."""

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
from crds.v1alpha1 import implementationsource as implementationsource_v1alpha1
from crds.v1alpha1 import implementationsource_conversion
from crds.v1beta1 import implementationsource
from schemagen import Api, Column, Kind, Version, canonical, crd, judge, structural
from schemagen.versions import graph
from tests.support import draws, objects, pruning

IMPLEMENTATION_SOURCE = Kind(
    name="ImplementationSource",
    plural="implementationsources",
    short_names=("implsrc",),
    categories=("agents",),
    annotations=platform.SYNC_WAVE,
    versions=(
        Version(
            name="v1alpha1",
            model=implementationsource_v1alpha1.ImplementationSource,
            conversion=implementationsource_conversion.CONVERSION,
            columns=(
                Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
                Column("Provider", ".spec.provider"),
                Column("LastSync", ".status.lastSyncedAt", type="date"),
            ),
        ),
        Version(
            name=hub.VERSION,
            model=implementationsource.ImplementationSource,
            storage=True,
            columns=(
                Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
                Column("GitHub", ".spec.github.repository"),
                Column("Linear", ".spec.linear.team"),
                Column("Mode", ".spec.ingestion.mode"),
                Column("LastSync", ".status.lastSyncTime", type="date"),
                Column("Age", ".metadata.creationTimestamp", type="date"),
            ),
            selectable=(
                ".spec.github.repository",
                ".spec.github.organization",
                ".spec.linear.team",
                ".spec.ingestion.mode",
            ),
        ),
    ),
)
API = Api(group=platform.GROUP, kinds=(IMPLEMENTATION_SOURCE,))
DEFINITION = crd.crd(API, IMPLEMENTATION_SOURCE, webhook={"url": "https://localhost/convert"})
SAMPLES = sorted(
    (pathlib.Path(crds.__file__).parent / "samples").glob("*/implementationsource.yaml")
)

OLD_RESIDUE = "conversion.agents.proompteng.ai/v1alpha1-residue"
NEW_RESIDUE = "conversion.agents.proompteng.ai/v1beta1-residue"
WAYS = [("v1alpha1", "v1beta1"), ("v1beta1", "v1alpha1")]

TOKEN = {"name": "github-token", "key": "token"}
OWN = {"name": "github-webhook", "key": "secret"}


def source(version: str, **spec: Any) -> dict[str, Any]:
    minimal: dict[str, dict[str, Any]] = {
        "v1alpha1": {"provider": "github", "auth": {"secretRef": TOKEN}},
        "v1beta1": {"github": {}, "credentials": {"secretKeyRef": TOKEN}},
    }
    return {
        "apiVersion": f"{platform.GROUP}/{version}",
        "kind": "ImplementationSource",
        "metadata": {"name": "one"},
        "spec": copy.deepcopy(minimal[version]) | spec,
    }


def convert(value: dict[str, Any], version: str, other: str) -> dict[str, Any]:
    return graph.convert(API, IMPLEMENTATION_SOURCE, value, source=version, target=other).object


def up(value: dict[str, Any]) -> dict[str, Any]:
    return convert(value, "v1alpha1", "v1beta1")


def down(value: dict[str, Any]) -> dict[str, Any]:
    return convert(value, "v1beta1", "v1alpha1")


def webhook(*signing: dict[str, str]) -> dict[str, Any]:
    return {"mode": "Webhook", "webhook": {"signingSecretRefs": list(signing)}}


def drawn(version: str, *, is_mangled: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Sources of a version's schema, or such as break it in a few places."""
    found = IMPLEMENTATION_SOURCE.version(version)
    assert found is not None
    properties = structural.schema_of(found.model, descriptions=False)["properties"]
    bodies = st.fixed_dictionaries(
        {"spec": objects.valid(properties["spec"])},
        optional={"status": objects.valid(properties["status"])},
    )
    return st.builds(
        lambda body: source(version) | (body if isinstance(body, dict) else {}),
        objects.mangled(bodies) if is_mangled else bodies,
    )


def assert_comes_back(value: dict[str, Any], version: str, other: str) -> None:
    before = copy.deepcopy(value)

    forth = graph.convert(API, IMPLEMENTATION_SOURCE, value, source=version, target=other)
    stored = pruning.pruned(API, forth.object)
    back = convert(stored, other, version)

    assert before == value, "the input was changed"
    assert 0 == forth.dropped_bytes
    assert comparable(value) == comparable(back)


def comparable(value: dict[str, Any]) -> bytes:
    """Canonical bytes, the mapping in the order of its fields: in v1alpha1 it has none."""
    mapping = value["spec"].get("mapping") if isinstance(value.get("spec"), dict) else None
    if isinstance(mapping, list):
        entries = sorted(mapping, key=canonical.dumps)
        value = {**value, "spec": {**value["spec"], "mapping": entries}}
    return canonical.dumps(value)


@pytest.mark.parametrize(("version", "other"), WAYS)
def test_source_of_the_schema_comes_back_as_it_was(version: str, other: str) -> None:
    for value in draws.drawn(drawn(version, is_mangled=False), 300):
        assert_comes_back(pruning.with_ruled_status(value), version, other)


@pytest.mark.parametrize(("version", "other"), WAYS)
def test_source_that_breaks_the_schema_keeps_its_spec(version: str, other: str) -> None:
    for value in draws.drawn(drawn(version, is_mangled=True), 300):
        value.pop("status", None)

        assert_comes_back(value, version, other)


@pytest.mark.parametrize(("version", "other"), WAYS)
@pytest.mark.parametrize("spec", [None, {}, [], "x", {"auth": None, "webhook": None}])
def test_partial_source_gains_no_spec(version: str, other: str, spec: Any) -> None:
    value = source(version) | {"spec": spec}
    absent = {name: item for name, item in value.items() if name != "spec"}

    assert_comes_back(value, version, other)
    assert absent | {"apiVersion": f"{platform.GROUP}/{other}"} == convert(absent, version, other)


# --- what both versions can say ------------------------------------------------------------------

SAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    # Row 27: the scope belongs to its provider.
    (
        {"scope": {"repository": "o/r", "organization": "o", "labels": ["b", "a", "b"]}},
        {"github": {"repository": "o/r", "organization": "o", "labels": ["b", "a", "b"]}},
    ),
    ({"scope": {"labels": []}}, {"github": {"labels": []}}),
    # Row 28: a key that is written out.
    (
        {"auth": {"secretRef": {"name": "s", "key": "k"}}},
        {"credentials": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ),
    # Row 29: webhooks are signed with the credentials.
    ({"webhook": {"enabled": True}}, {"ingestion": webhook(TOKEN)}),
    ({"webhook": {"enabled": False}}, {"ingestion": {"mode": "Disabled"}}),
    # Row 30: the mapping.
    (
        {"mapping": {"title": "summary", "body": "text"}},
        {"mapping": [{"from": "body", "to": "text"}, {"from": "title", "to": "summary"}]},
    ),
    ({"mapping": {}}, {"mapping": []}),
]


@pytest.mark.parametrize(("old", "new"), SAME)
def test_what_both_versions_say_needs_no_annotation(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    older, newer = source("v1alpha1", **old), source("v1beta1", **new)

    assert newer == up(older)
    assert older == down(newer)


def test_linear_reads_other_fields_than_github() -> None:
    older = source("v1alpha1", provider="linear", scope={"team": "T", "project": "P"})

    newer = up(older)

    assert {"team": "T", "project": "P"} == newer["spec"]["linear"]
    assert "github" not in newer["spec"]
    assert "annotations" not in newer["metadata"]
    assert older == down(newer)


# --- what only v1alpha1 can say ------------------------------------------------------------------

ONLY_OLD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "scope of another provider": (
        {"scope": {"repository": "o/r", "team": "T", "query": "is:open"}},
        {"github": {"repository": "o/r"}},
    ),
    "empty scope": ({"scope": {}}, {"github": {}}),
    "key left to the default": ({"auth": {"secretRef": {"name": "github-token"}}}, {}),
    "key left to the default, with webhooks": (
        {"auth": {"secretRef": {"name": "github-token"}}, "webhook": {"enabled": True}},
        {"ingestion": webhook(TOKEN)},
    ),
    "webhook before defaulting": ({"webhook": {}}, {"ingestion": {"mode": "Disabled"}}),
    "null": ({"scope": None}, {"github": {}}),
}


@pytest.mark.parametrize(("old", "new"), ONLY_OLD.values(), ids=ONLY_OLD)
def test_what_v1beta1_cannot_say_comes_back(old: dict[str, Any], new: dict[str, Any]) -> None:
    older = source("v1alpha1", **old)

    newer = up(older)

    assert source("v1beta1", **new)["spec"] == newer["spec"]
    assert [OLD_RESIDUE] == list(newer["metadata"]["annotations"])
    assert older == down(newer)


def test_edited_key_is_not_dropped_again() -> None:
    newer = up(source("v1alpha1", auth={"secretRef": {"name": "s"}}))
    newer["spec"]["credentials"]["secretKeyRef"]["key"] = "other"

    assert {"secretRef": {"name": "s", "key": "other"}} == down(newer)["spec"]["auth"]


def test_scope_of_another_provider_does_not_come_back_as_its_own() -> None:
    newer = up(source("v1alpha1", scope={"repository": "o/r", "team": "T"}))
    newer["spec"] = {"linear": {"project": "P"}, "credentials": newer["spec"]["credentials"]}

    assert {"project": "P"} == down(newer)["spec"]["scope"]


# --- what only v1beta1 can say -------------------------------------------------------------------

ONLY_NEW: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "signing secret of its own": ({"ingestion": webhook(OWN)}, {"webhook": {"enabled": True}}),
    "signing secret under another key": (
        {"ingestion": webhook({**TOKEN, "key": "webhook"})},
        {"webhook": {"enabled": True}},
    ),
    "two signing secrets": (
        {"ingestion": webhook(OWN, TOKEN)},
        {"webhook": {"enabled": True}},
    ),
    "poll": (
        {"ingestion": {"mode": "Poll", "poll": {"interval": "5m"}}},
        {"webhook": {"enabled": False}},
    ),
    "poll in another spelling": (
        {"ingestion": {"mode": "Poll", "poll": {"interval": "300s"}}},
        {"webhook": {"enabled": False}},
    ),
    "no mode": ({"ingestion": {}}, {"webhook": {"enabled": False}}),
    "two modes at once": (
        {"ingestion": {**webhook(TOKEN), "poll": {"interval": "5m"}}},
        {"webhook": {"enabled": False}},
    ),
    "two trackers at once": ({"linear": {"team": "T"}}, {}),
}


@pytest.mark.parametrize(("new", "old"), ONLY_NEW.values(), ids=ONLY_NEW)
def test_what_v1alpha1_cannot_say_comes_back(new: dict[str, Any], old: dict[str, Any]) -> None:
    newer = source("v1beta1", **new)

    older = down(newer)

    assert source("v1alpha1", **old)["spec"] == older["spec"]
    assert [NEW_RESIDUE] == list(older["metadata"]["annotations"])
    assert newer == up(older)


def test_webhooks_switched_on_in_v1alpha1_do_not_poll() -> None:
    older = down(source("v1beta1", ingestion={"mode": "Poll", "poll": {"interval": "5m"}}))
    older["spec"]["webhook"]["enabled"] = True

    assert webhook(TOKEN) == up(older)["spec"]["ingestion"]


def test_webhooks_switched_off_in_v1alpha1_stay_off() -> None:
    older = down(source("v1beta1", ingestion=webhook(OWN)))
    older["spec"]["webhook"]["enabled"] = False

    assert {"mode": "Disabled"} == up(older)["spec"]["ingestion"]


def test_token_edited_in_v1alpha1_signs_webhooks_again() -> None:
    older = down(source("v1beta1", ingestion=webhook(OWN)))
    older["spec"]["auth"] = {"secretRef": {"name": "new", "key": "token"}}

    assert webhook({"name": "new", "key": "token"}) == up(older)["spec"]["ingestion"]


def test_unrelated_edit_keeps_the_signing_secret() -> None:
    older = down(source("v1beta1", ingestion=webhook(OWN)))
    older["spec"]["scope"] = {"repository": "o/r"}

    newer = up(older)

    assert {"repository": "o/r"} == newer["spec"]["github"]
    assert webhook(OWN) == newer["spec"]["ingestion"]


# --- tampered residue ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry",
    [
        {
            "at": ["spec", "webhook"],
            "was": {"enabled": canonical.digest(value=False)},
            "is": {"enabled": True},
        },
        {"at": ["spec", "auth"], "was": {}, "is": {"secretRef": {"name": "admin"}}},
        {
            "at": ["spec", "auth", "secretRef"],
            "was": {"name": canonical.digest("github-token")},
            "is": {"name": "admin"},
        },
        {
            "at": ["spec", "scope"],
            "was": {"repository": canonical.digest("o/r")},
            "is": {"repository": "o/other"},
        },
        {
            "at": ["spec"],
            "was": {"provider": canonical.digest("github")},
            "is": {"provider": "linear"},
        },
        {"at": ["metadata"], "was": {}, "is": {"finalizers": ["x"]}},
    ],
    ids=json.dumps,
)
def test_tampered_residue_changes_nothing_in_v1alpha1(entry: dict[str, Any]) -> None:
    new = {"github": {"repository": "o/r"}, "ingestion": {"mode": "Disabled"}}
    value = source("v1beta1", **new)
    tampered = copy.deepcopy(value)
    tampered["metadata"]["annotations"] = {OLD_RESIDUE: json.dumps([entry])}

    assert down(value) == down(tampered)


@pytest.mark.parametrize("ingestion", [webhook(OWN), webhook(TOKEN)])
def test_tampered_residue_cannot_switch_webhooks_on(ingestion: dict[str, Any]) -> None:
    value = source("v1alpha1", webhook={"enabled": False})
    was = {"ingestion": canonical.digest({"mode": "Disabled"})}
    entries = [{"at": ["spec"], "was": was, "is": {"ingestion": ingestion}}]
    value["metadata"]["annotations"] = {NEW_RESIDUE: json.dumps(entries)}

    assert {"mode": "Disabled"} == up(value)["spec"]["ingestion"]


# --- status --------------------------------------------------------------------------------------

OLD_STATUS = {
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "WebhookReady",
            "message": "",
            "lastTransitionTime": "2026-01-19T00:00:00Z",
        }
    ],
    "observedGeneration": 3,
    "lastSyncedAt": "2026-01-19T00:00:00Z",
    "updatedAt": "2026-01-19T00:00:01Z",
    "lastWebhook": {
        "idempotencyKey": "github:o/r#1",
        "deliveryId": "d",
        "provider": "github",
        "externalId": "o/r#1",
        "sourceVersion": "2",
        "receivedAt": "2026-01-19T00:00:00Z",
        "processedAt": "2026-01-19T00:00:00Z",
        "attempts": 2,
        "status": "retrying",
        "error": "Conflict",
    },
}
NEW_STATUS = {
    "conditions": OLD_STATUS["conditions"],
    "observedGeneration": 3,
    "lastSyncTime": "2026-01-19T00:00:00Z",
    "lastUpdateTime": "2026-01-19T00:00:01Z",
    "lastWebhook": {
        "idempotencyKey": "github:o/r#1",
        "deliveryId": "d",
        "provider": "GitHub",
        "externalId": "o/r#1",
        "sourceVersion": "2",
        "receivedTime": "2026-01-19T00:00:00Z",
        "processedTime": "2026-01-19T00:00:00Z",
        "attempts": 2,
        "status": "Retrying",
        "error": "Conflict",
    },
}


def test_status_converts_without_annotations() -> None:
    older = {**source("v1alpha1"), "status": OLD_STATUS}
    newer = {**source("v1beta1"), "status": NEW_STATUS}

    assert newer == up(older)
    assert older == down(newer)


@pytest.mark.parametrize("word", ["queued", "Queued", "lost", "", "GitHub", "github"])
def test_words_of_other_controllers_survive_in_the_status(word: str) -> None:
    status = {"lastWebhook": {"status": word, "provider": word}}
    older = {**source("v1alpha1"), "status": status}

    newer = up(older)

    assert "annotations" not in newer["metadata"]
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
    "no tracker": (
        {"github": None},
        "spec",
        "exactly one of github, linear must be set",
    ),
    "two trackers": ({"linear": {}}, "spec", "exactly one of github, linear must be set"),
    "nothing named": (
        {"github": {}},
        "spec.github",
        "at least one of repository, organization must be set",
    ),
    "repository without owner": (
        {"github": {"repository": "shop"}},
        "spec.github.repository",
        r"spec.github.repository in body should match '^[^/\s]+/[^/\s]+$'",
    ),
    "repository of another owner": (
        {"github": {"repository": "other/shop", "organization": "Example"}},
        "spec.github.repository",
        "repository must belong to organization",
    ),
    "poll too often": (
        {"ingestion": {"mode": "Poll", "poll": {"interval": "29s"}}},
        "spec.ingestion.poll.interval",
        "interval must be at least 30s",
    ),
    "poll without interval": (
        {"ingestion": {"mode": "Poll"}},
        "spec.ingestion.poll",
        "mode Poll needs poll",
    ),
    "webhook without secret": (
        {"ingestion": {"mode": "Webhook"}},
        "spec.ingestion.webhook",
        "mode Webhook needs webhook",
    ),
    "webhook of another mode": (
        {"ingestion": {**webhook(TOKEN), "mode": "Disabled"}},
        "spec.ingestion.webhook",
        "webhook needs mode Webhook",
    ),
    "three secrets": (
        {"ingestion": webhook(TOKEN, OWN, {"name": "third", "key": "k"})},
        "spec.ingestion.webhook.signingSecretRefs",
        "must have at most 2 items",
    ),
    "the same secret twice": (
        {"ingestion": webhook(OWN, OWN)},
        "spec.ingestion.webhook.signingSecretRefs[1]",
        "Duplicate value",
    ),
}


@pytest.mark.parametrize(("spec", "field", "message"), REFUSED.values(), ids=REFUSED)
def test_v1beta1_refuses_what_would_be_ignored_later(
    loaded: judge.Loaded, spec: dict[str, Any], field: str, message: str
) -> None:
    value = source("v1beta1", **({"github": {"repository": "o/r"}} | spec))

    # That rules were not checked, where a bound is broken already, is said of no field.
    causes = [cause for cause in loaded.create(value).causes if cause.field != "<nil>"]

    assert [field] == [cause.field for cause in causes]
    assert message in causes[0].message


@pytest.mark.parametrize(
    "github", [{"organization": "o"}, {"repository": "O/r", "organization": "o"}]
)
def test_v1beta1_takes_an_organization(loaded: judge.Loaded, github: dict[str, Any]) -> None:
    assert () == loaded.create(source("v1beta1", github=github)).causes


def test_unchanged_fault_of_an_old_object_may_stay(loaded: judge.Loaded) -> None:
    old = up(source("v1alpha1"))
    kept = copy.deepcopy(old)
    kept["spec"]["mapping"] = [{"from": "title", "to": "summary"}]

    assert not loaded.create(old).allowed
    assert loaded.update(kept, old).allowed


def test_v1alpha1_is_as_open_as_the_public_one(loaded: judge.Loaded) -> None:
    scope = dict.fromkeys(["organization", "repository", "project", "team", "query"], "x" * 5000)
    value = source(
        "v1alpha1",
        auth={"secretRef": {"name": ""}},
        webhook={},
        scope={**scope, "labels": ["", "", "x" * 5000]},
        mapping={str(number): "" for number in range(500)},
    )

    verdict = loaded.create(value, stored=True)

    assert () == verdict.causes
    assert {"enabled": False} == verdict.object["spec"]["webhook"]
