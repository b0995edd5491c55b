"""ImplementationSource: nothing is lost between its versions, and no edit switches a tracker on."""

import json
from typing import Any

import pytest

from schemagen import canonical, judge
from tests.support import kinds

TOKEN = {"name": "github-token", "key": "token"}
OWN = {"name": "github-webhook", "key": "secret"}

SOURCE = kinds.Subject(
    "ImplementationSource",
    {
        kinds.OLD: {"provider": "github", "auth": {"secretRef": TOKEN}},
        kinds.NEW: {"github": {}, "credentials": {"secretKeyRef": TOKEN}},
    },
)
loaded = kinds.judged(SOURCE)


def webhook(*signing: dict[str, str]) -> dict[str, Any]:
    return {"mode": "Webhook", "webhook": {"signingSecretRefs": list(signing)}}


@kinds.VERSIONS
@pytest.mark.parametrize("spec", [*kinds.NO_SPECS, {"auth": None, "webhook": None}])
def test_partial_source_gains_no_spec(version: str, spec: Any) -> None:
    kinds.assert_part_gains_nothing(SOURCE, version, spec)


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
    kinds.assert_both_say(SOURCE.one("v1alpha1", **old), SOURCE.one("v1beta1", **new))


def test_linear_reads_other_fields_than_github() -> None:
    scope = {"team": "T", "project": "P"}
    newer = SOURCE.one("v1beta1", linear=scope)
    del newer["spec"]["github"]

    kinds.assert_both_say(SOURCE.one("v1alpha1", provider="linear", scope=scope), newer)


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
}


@pytest.mark.parametrize(("old", "new"), ONLY_OLD.values(), ids=ONLY_OLD)
def test_what_v1beta1_cannot_say_comes_back(old: dict[str, Any], new: dict[str, Any]) -> None:
    kinds.assert_stands_aside(SOURCE.one("v1alpha1", **old), SOURCE.one("v1beta1", **new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # The API server writes its default, enabled: false.
        ({"webhook": {}}, {"ingestion": {"mode": "Disabled"}}),
        ({"scope": None}, {"github": {}}),
    ],
)
def test_what_means_the_same_with_defaults_is_not_kept(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    kinds.assert_counts_for_nothing(SOURCE.one("v1alpha1", **old), SOURCE.one("v1beta1", **new))


def test_edited_key_is_not_dropped_again() -> None:
    newer = SOURCE.up(auth={"secretRef": {"name": "s"}})
    newer["spec"]["credentials"]["secretKeyRef"]["key"] = "other"

    assert {"secretRef": {"name": "s", "key": "other"}} == kinds.convert(newer)["spec"]["auth"]


def test_scope_of_another_provider_does_not_come_back_as_its_own() -> None:
    newer = SOURCE.up(scope={"repository": "o/r", "team": "T"})
    newer["spec"] = {"linear": {"project": "P"}, "credentials": newer["spec"]["credentials"]}

    assert {"project": "P"} == kinds.convert(newer)["spec"]["scope"]


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
    kinds.assert_stands_aside(SOURCE.one("v1beta1", **new), SOURCE.one("v1alpha1", **old))


def test_webhooks_switched_on_in_v1alpha1_do_not_poll() -> None:
    older = SOURCE.down(ingestion={"mode": "Poll", "poll": {"interval": "5m"}})
    older["spec"]["webhook"]["enabled"] = True

    assert webhook(TOKEN) == kinds.convert(older)["spec"]["ingestion"]


def test_webhooks_switched_off_in_v1alpha1_stay_off() -> None:
    older = SOURCE.down(ingestion=webhook(OWN))
    older["spec"]["webhook"]["enabled"] = False

    assert {"mode": "Disabled"} == kinds.convert(older)["spec"]["ingestion"]


def test_token_edited_in_v1alpha1_signs_webhooks_again() -> None:
    older = SOURCE.down(ingestion=webhook(OWN))
    older["spec"]["auth"] = {"secretRef": {"name": "new", "key": "token"}}

    assert webhook({"name": "new", "key": "token"}) == kinds.convert(older)["spec"]["ingestion"]


def test_unrelated_edit_keeps_the_signing_secret() -> None:
    older = SOURCE.down(ingestion=webhook(OWN))
    older["spec"]["scope"] = {"repository": "o/r"}

    newer = kinds.convert(older)

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

    assert SOURCE.down(**new) == kinds.convert(SOURCE.tampered("v1beta1", [entry], **new))


@pytest.mark.parametrize("ingestion", [webhook(OWN), webhook(TOKEN)])
def test_tampered_residue_cannot_switch_webhooks_on(ingestion: dict[str, Any]) -> None:
    was = {"ingestion": canonical.digest({"mode": "Disabled"})}
    entries = [{"at": ["spec"], "was": was, "is": {"ingestion": ingestion}}]
    value = SOURCE.tampered("v1alpha1", entries, webhook={"enabled": False})

    assert {"mode": "Disabled"} == kinds.convert(value)["spec"]["ingestion"]


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
    older = {**SOURCE.one("v1alpha1"), "status": OLD_STATUS}
    newer = {**SOURCE.one("v1beta1"), "status": NEW_STATUS}

    kinds.assert_both_say(older, newer)


@pytest.mark.parametrize("word", ["queued", "Queued", "lost", "", "GitHub", "github"])
def test_words_of_other_controllers_survive_in_the_status(word: str) -> None:
    status = {"lastWebhook": {"status": word, "provider": word}}
    older = {**SOURCE.one("v1alpha1"), "status": status}

    newer = kinds.convert(older)

    assert "annotations" not in newer["metadata"]
    assert older == kinds.convert(newer)


# --- the API server ------------------------------------------------------------------------------


def test_definition_is_accepted_without_a_warning() -> None:
    kinds.assert_definition_is_accepted(SOURCE)


@kinds.VERSIONS
def test_samples_are_taken_in_both_versions_and_come_back(
    loaded: judge.Loaded, version: str
) -> None:
    kinds.assert_samples_are_taken(SOURCE, loaded, version)


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "no tracker": (
        {"github": None},
        "spec",
        "Invalid value: exactly one of github, linear must be set",
    ),
    "two trackers": (
        {"linear": {}},
        "spec",
        "Invalid value: exactly one of github, linear must be set",
    ),
    "nothing named": (
        {"github": {}},
        "spec.github",
        "Invalid value: at least one of repository, organization must be set",
    ),
    "repository without owner": (
        {"github": {"repository": "shop"}},
        "spec.github.repository",
        (
            'Invalid value: "shop": spec.github.repository in body should match '
            r"'^[^/\s]+/[^/\s]+$'"
        ),
    ),
    "repository of another owner": (
        {"github": {"repository": "other/shop", "organization": "Example"}},
        "spec.github.repository",
        "Invalid value: repository must belong to organization",
    ),
    "poll too often": (
        {"ingestion": {"mode": "Poll", "poll": {"interval": "29s"}}},
        "spec.ingestion.poll.interval",
        "Invalid value: interval must be at least 30s",
    ),
    "poll without interval": (
        {"ingestion": {"mode": "Poll"}},
        "spec.ingestion.poll",
        "Required value: mode Poll requires poll",
    ),
    "webhook without secret": (
        {"ingestion": {"mode": "Webhook"}},
        "spec.ingestion.webhook",
        "Required value: mode Webhook requires webhook",
    ),
    "webhook of another mode": (
        {"ingestion": {**webhook(TOKEN), "mode": "Disabled"}},
        "spec.ingestion.webhook",
        "Forbidden: webhook requires mode Webhook",
    ),
    "the same secret twice": (
        {"ingestion": webhook(OWN, OWN)},
        "spec.ingestion.webhook.signingSecretRefs[1]",
        'Duplicate value: {"key":"secret","name":"github-webhook"}',
    ),
    "repair of what is not received": (
        {"ingestion": {"mode": "Poll", "poll": {"interval": "1m"}, "repair": {"interval": "1h"}}},
        "spec.ingestion.repair",
        "Forbidden: repair requires mode Webhook",
    ),
    "repair without end": (
        {"ingestion": webhook(OWN) | {"repair": {"interval": "29s"}}},
        "spec.ingestion.repair.interval",
        "Invalid value: interval must be at least 30s",
    ),
}


@pytest.mark.parametrize(("spec", "field", "message"), REFUSED.values(), ids=REFUSED)
def test_v1beta1_refuses_what_would_be_ignored_later(
    loaded: judge.Loaded, spec: dict[str, Any], field: str, message: str
) -> None:
    value = SOURCE.one("v1beta1", **({"github": {"repository": "o/r"}} | spec))

    assert [(field, message)] == kinds.refusals(loaded.create(value))


def test_third_signing_secret_is_refused(loaded: judge.Loaded) -> None:
    three = webhook(TOKEN, OWN, {"name": "third", "key": "k"})
    value = SOURCE.one("v1beta1", github={"repository": "o/r"}, ingestion=three)

    field = "spec.ingestion.webhook.signingSecretRefs"
    expected = [kinds.NOT_RUN, (field, "Too many: 3: must have at most 2 items")]
    assert expected == kinds.refusals(loaded.create(value))


@pytest.mark.parametrize(
    "github", [{"organization": "o"}, {"repository": "O/r", "organization": "o"}]
)
def test_v1beta1_takes_an_organization(loaded: judge.Loaded, github: dict[str, Any]) -> None:
    assert () == loaded.create(SOURCE.one("v1beta1", github=github)).causes


def test_unchanged_fault_of_an_old_object_may_stay(loaded: judge.Loaded) -> None:
    old = SOURCE.up()
    kept = kinds.edited(old, mapping=[{"from": "title", "to": "summary"}])

    assert not loaded.create(old).allowed
    assert loaded.update(kept, old).allowed


def test_v1alpha1_is_as_open_as_the_public_one(loaded: judge.Loaded) -> None:
    scope = dict.fromkeys(["organization", "repository", "project", "team", "query"], "x" * 5000)
    value = SOURCE.one(
        "v1alpha1",
        auth={"secretRef": {"name": ""}},
        webhook={},
        scope={**scope, "labels": ["", "", "x" * 5000]},
        mapping={str(number): "" for number in range(500)},
    )

    verdict = loaded.create(value, stored=True)

    assert () == verdict.causes
    assert {"enabled": False} == verdict.object["spec"]["webhook"]
