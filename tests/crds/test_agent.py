"""Agent: nothing is lost between its versions, and no conversion allows more than was allowed."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import crds
from crds.admission import agent as agent_rules
from schemagen import Facts, canonical, judge
from schemagen.versions.converter import Converter
from tests.support import kinds, objects
from webhooks.review import admission, reviews, verdicts

CONVERTER = Converter(crds.api)
PROVIDER = {"providerRef": {"name": "codex"}}
AGENT = kinds.Subject("Agent", {kinds.OLD: PROVIDER, kinds.NEW: PROVIDER})
loaded = kinds.judged(AGENT)


@kinds.VERSIONS
def test_status_comes_back(version: str) -> None:
    kinds.assert_status_comes_back(AGENT, version)


@kinds.VERSIONS
@pytest.mark.parametrize("spec", kinds.NO_SPECS)
def test_partial_agent_gains_no_spec(version: str, spec: Any) -> None:
    kinds.assert_part_gains_nothing(AGENT, version, spec)


PLACES = {
    "allowedSecrets": "secrets",
    "allowedServiceAccounts": "serviceAccounts",
    "allowedImplementationSourceProviders": "sourceProviders",
}
PLAIN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    # row 1
    (
        {"defaults": {"timeoutSeconds": 5400, "retryLimit": 2}},
        {"runDefaults": {"timeout": "1h30m", "retry": {"limit": 2}}},
    ),
    (
        {"defaults": {"timeoutSeconds": 0, "retryLimit": 0}},
        {"runDefaults": {"timeout": "0s", "retry": {"limit": 0}}},
    ),
    ({"defaults": {}}, {"runDefaults": {}}),
    # row 2
    (
        {"defaults": {"systemPrompt": "Be kind."}},
        {"runDefaults": {"systemPrompt": {"inline": "Be kind."}}},
    ),
    (
        {"defaults": {"systemPromptRef": {"kind": "Secret", "name": "n", "key": "k"}}},
        {"runDefaults": {"systemPrompt": {"secretKeyRef": {"name": "n", "key": "k"}}}},
    ),
    (
        {"defaults": {"systemPromptRef": {"kind": "ConfigMap", "name": "n", "key": "k"}}},
        {"runDefaults": {"systemPrompt": {"configMapKeyRef": {"name": "n", "key": "k"}}}},
    ),
    # row 3
    ({"env": []}, {"env": []}),
    (
        {"env": [{"name": "B", "value": ""}, {"name": "A"}]},
        {"env": [{"name": "B", "value": ""}, {"name": "A"}]},
    ),
    # row 4
    ({"security": {}}, {"policy": {}}),
    ({"security": {"allowedSecrets": []}}, {"policy": {"secrets": {"mode": "AllowAll"}}}),
    (
        {"security": {"allowedSecrets": ["b", "a"], "allowedServiceAccounts": ["runner"]}},
        {
            "policy": {
                "secrets": {"mode": "AllowListed", "allowed": ["b", "a"]},
                "serviceAccounts": {"mode": "AllowListed", "allowed": ["runner"]},
            }
        },
    ),
    (
        {
            "security": {
                "allowedImplementationSourceProviders": ["linear", "github", "manual", "custom"]
            }
        },
        {
            "policy": {
                "sourceProviders": {
                    "mode": "AllowListed",
                    "allowed": ["Linear", "GitHub", "Manual", "Custom"],
                }
            }
        },
    ),
    (
        {"security": {name: ["!deny-all"] for name in PLACES}},
        {"policy": {name: {"mode": "AllowListed", "allowed": []} for name in PLACES.values()}},
    ),
    # row 5
    (
        {"config": {"a": None, "b": [1, "1", {}], "ü": 1.5}},
        {"config": {"a": None, "b": [1, "1", {}], "ü": 1.5}},
    ),
    (
        {"memoryRef": {"name": "m"}, "vcsRef": {"name": "v"}},
        {"memoryRef": {"name": "m"}, "vcsRef": {"name": "v"}},
    ),
]


@pytest.mark.parametrize(("old", "new"), PLAIN, ids=[json.dumps(old) for old, _ in PLAIN])
def test_what_both_versions_can_say_gets_no_annotation(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    kinds.assert_both_say(AGENT.one("v1alpha1", **old), AGENT.one("v1beta1", **new))


UP_WITH_RESIDUE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {
            "defaults": {
                "systemPrompt": "p",
                "systemPromptRef": {"kind": "Secret", "name": "n", "key": "k"},
            }
        },
        {"runDefaults": {"systemPrompt": {"secretKeyRef": {"name": "n", "key": "k"}}}},
    ),
    (
        {
            "env": [
                {"name": "A", "value": "1"},
                {"name": "B", "value": "$(A)"},
                {"name": "A", "value": "2"},
            ]
        },
        {"env": [{"name": "B", "value": "$(A)"}, {"name": "A", "value": "2"}]},
    ),
    (
        {"security": {"allowedSecrets": ["a", "a"]}},
        {"policy": {"secrets": {"mode": "AllowListed", "allowed": ["a"]}}},
    ),
    (
        {"security": {"allowedSecrets": ["!deny-all", "a"]}},
        {"policy": {"secrets": {"mode": "AllowListed", "allowed": ["a"]}}},
    ),
    (
        {"security": {"allowedImplementationSourceProviders": ["gitlab", "GitHub", "linear"]}},
        {"policy": {"sourceProviders": {"mode": "AllowListed", "allowed": ["Linear"]}}},
    ),
    ({"defaults": {"timeoutSeconds": -1, "retryLimit": -1}}, {}),
]


@pytest.mark.parametrize(
    ("old", "new"), UP_WITH_RESIDUE, ids=[json.dumps(old) for old, _ in UP_WITH_RESIDUE]
)
def test_what_v1beta1_cannot_say_comes_back(old: dict[str, Any], new: dict[str, Any]) -> None:
    kinds.assert_stands_aside(AGENT.one("v1alpha1", **old), AGENT.one("v1beta1", **new))


def test_null_is_not_kept() -> None:
    kinds.assert_counts_for_nothing(
        AGENT.one("v1alpha1", defaults={"timeoutSeconds": None}, env=None),
        AGENT.one("v1beta1"),
    )


SECRET = {"secretKeyRef": {"name": "s", "key": "k"}}
DOWN_WITH_RESIDUE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"runDefaults": {"retry": {"limit": 1, "backoff": {"base": "5s", "max": "5m"}}}},
        {"defaults": {"retryLimit": 1}},
    ),
    ({"runDefaults": {"timeout": "90m"}}, {"defaults": {"timeoutSeconds": 5400}}),
    (
        {"env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": SECRET}]},
        {"env": [{"name": "A", "value": "1"}]},
    ),
    (
        {"policy": {"secrets": {"mode": "AllowListed"}}},
        {"security": {"allowedSecrets": ["!deny-all"]}},
    ),
]


@pytest.mark.parametrize(
    ("new", "old"), DOWN_WITH_RESIDUE, ids=[json.dumps(new) for new, _ in DOWN_WITH_RESIDUE]
)
def test_what_v1alpha1_cannot_say_comes_back(new: dict[str, Any], old: dict[str, Any]) -> None:
    kinds.assert_stands_aside(AGENT.one("v1beta1", **new), AGENT.one("v1alpha1", **old))


def test_variable_that_v1alpha1_sets_itself_is_not_given_its_old_reference() -> None:
    older = AGENT.down(env=[{"name": "A", "valueFrom": SECRET}])
    older["spec"]["env"] = [{"name": "A", "value": "mine"}]

    newer = kinds.convert(older)

    assert [{"name": "A", "value": "mine"}] == newer["spec"]["env"]
    assert "annotations" not in newer["metadata"]


def test_longest_prompt_in_any_script_is_kept_without_residue() -> None:
    prompt = "🙂" * 16384

    newer = AGENT.up(defaults={"systemPrompt": prompt})

    assert {"inline": prompt} == newer["spec"]["runDefaults"]["systemPrompt"]
    assert "annotations" not in newer["metadata"]


# --- permissions ----------------------------------------------------------------------------

ITEMS: st.SearchStrategy[Any] = st.sampled_from(
    ["a", "b", "github", "gitlab", "!deny-all", "", None, 1, [], "GitHub"]
)
ODD_LISTS = st.lists(ITEMS, max_size=4) | objects.ANYTHING
ODD_POLICIES = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(["AllowAll", "AllowListed", "allowall", None, 1]),
        "allowed": ODD_LISTS,
    },
)
WORDS = {"github": "GitHub", "linear": "Linear", "manual": "Manual", "custom": "Custom"}


def allowed_in_v1alpha1(listed: Any) -> frozenset[str] | None:
    """What a v1alpha1 reader allows, as it is written there; None is everything."""
    if listed is None or listed == []:
        return None
    texts = listed if isinstance(listed, list) else []
    return frozenset(text for text in texts if isinstance(text, str)) - {"!deny-all"}


def allowed_in_v1beta1(policy: Any) -> frozenset[str] | None:
    """What a v1beta1 reader allows, as it is written there; None is everything."""
    if policy is None:
        return None
    if not isinstance(policy, dict) or policy.get("mode") != "AllowAll":
        listed = policy.get("allowed") if isinstance(policy, dict) else None
        texts = listed if isinstance(listed, list) else []
        return frozenset(text for text in texts if isinstance(text, str)) - {"!deny-all"}
    return None


@pytest.mark.parametrize("name", PLACES)
def test_up_conversion_allows_just_as_much(name: str) -> None:
    @kinds.MANY
    @given(ODD_LISTS)
    def check(listed: Any) -> None:
        policy = AGENT.up(security={name: listed})["spec"]["policy"].get(PLACES[name])

        after, before = allowed_in_v1beta1(policy), allowed_in_v1alpha1(listed)

        if before is not None and PLACES[name] == "sourceProviders":
            before = frozenset(WORDS[word] for word in before & WORDS.keys())
        assert after == before

    check()


@pytest.mark.parametrize("name", PLACES)
def test_down_conversion_allows_just_as_much(name: str) -> None:
    @kinds.MANY
    @given(ODD_POLICIES | objects.ANYTHING)
    def check(policy: Any) -> None:
        listed = AGENT.down(policy={PLACES[name]: policy})["spec"]["security"].get(name)

        after, before = allowed_in_v1alpha1(listed), allowed_in_v1beta1(policy)

        if before is not None and PLACES[name] == "sourceProviders":
            before = frozenset(old for old, new in WORDS.items() if new in before)
        assert after == before

    check()


ODD_ENV = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["A", "B", None])},
        optional={
            "value": st.sampled_from(["1", "", None, 1]),
            "valueFrom": st.sampled_from([SECRET, {}, None]),
        },
    ),
    max_size=4,
)
ODD_PROMPTS: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", "p", {}, SECRET, {"inline": "p"}, {"inline": "p", **SECRET}, {"configMapKeyRef": 1}]
)
ODD_REFERENCES: st.SearchStrategy[Any] = st.sampled_from(
    [None, {}, {"kind": "Secret"}, {"kind": ["Secret"]}, {"kind": "ConfigMap", "name": "n"}]
)
ODD_SPECS = {
    "v1alpha1": st.fixed_dictionaries(
        {
            "env": ODD_ENV,
            "security": st.dictionaries(st.sampled_from([*PLACES]), ODD_LISTS),
            "defaults": st.fixed_dictionaries(
                {}, optional={"systemPrompt": ODD_PROMPTS, "systemPromptRef": ODD_REFERENCES}
            ),
        }
    ),
    "v1beta1": st.fixed_dictionaries(
        {
            "env": ODD_ENV,
            "policy": st.dictionaries(st.sampled_from([*PLACES.values()]), ODD_POLICIES),
            "runDefaults": st.fixed_dictionaries({}, optional={"systemPrompt": ODD_PROMPTS}),
        }
    ),
}


@kinds.VERSIONS
def test_oddities_that_conversion_looks_for_come_back(version: str) -> None:
    @kinds.MANY
    @given(ODD_SPECS[version])
    def check(spec: dict[str, Any]) -> None:
        kinds.assert_comes_back(AGENT.one(version, **spec))

    check()


@pytest.mark.parametrize("policy", ["all", 1, [], [{"secrets": {"mode": "AllowAll"}}]])
def test_unreadable_policy_allows_nothing(policy: Any) -> None:
    older, newer = AGENT.down(policy=policy), AGENT.up(security=policy)

    assert {name: ["!deny-all"] for name in PLACES} == older["spec"]["security"]
    shut = {name: {"mode": "AllowListed", "allowed": []} for name in PLACES.values()}
    assert shut == newer["spec"]["policy"]
    assert shut == kinds.convert(older)["spec"]["policy"]
    assert older["spec"]["security"] == kinds.convert(newer)["spec"]["security"]


ENTRIES = st.lists(
    st.fixed_dictionaries(
        {
            "at": st.sampled_from(
                [[], ["spec"], ["spec", "security"], ["spec", "policy"]]
                + [["spec", "policy", name] for name in PLACES.values()]
            ),
            "was": st.dictionaries(
                st.sampled_from(["mode", "allowed", "security", "policy", *PLACES]),
                st.sampled_from(
                    [
                        canonical.digest(value)
                        for value in (
                            *("AllowListed", ["a"], ["!deny-all"], [], {"allowedSecrets": ["a"]}),
                            {"mode": "AllowListed", "allowed": ["a"]},
                            {"secrets": {"mode": "AllowListed", "allowed": ["a"]}},
                        )
                    ]
                ),
                max_size=2,
            ),
            "is": st.dictionaries(
                st.sampled_from(["mode", "allowed", "security", "policy", *PLACES]),
                st.sampled_from(
                    [
                        *("AllowAll", [], ["a", "b"], ["b"], {}, {"allowedSecrets": []}),
                        {"secrets": {"mode": "AllowAll"}},
                    ]
                ),
                max_size=2,
            ),
        }
    ),
    min_size=1,
    max_size=4,
)
SHUT_OR_LISTED = [
    ("v1alpha1", {"security": {"allowedSecrets": ["a"]}}),
    ("v1alpha1", {"security": {"allowedSecrets": ["!deny-all"]}}),
    ("v1beta1", {"policy": {"secrets": {"mode": "AllowListed", "allowed": ["a"]}}}),
    ("v1beta1", {"policy": {"secrets": {"mode": "AllowListed", "allowed": []}}}),
]


@pytest.mark.parametrize(("source", "spec"), SHUT_OR_LISTED)
def test_tampered_residue_allows_no_more(source: str, spec: dict[str, Any]) -> None:
    plain = kinds.convert(AGENT.one(source, **spec))

    @kinds.MANY
    @given(ENTRIES)
    def check(entries: Any) -> None:
        tampered = kinds.convert(AGENT.tampered(source, entries, **spec))

        assert allowed(plain) == allowed(tampered)
        assert AGENT.one(source, **spec)["spec"] == kinds.convert(tampered)["spec"]

    check()


def allowed(value: dict[str, Any]) -> frozenset[str] | None:
    """Which Secrets an agent allows."""
    if value["apiVersion"].endswith(kinds.OLD):
        return allowed_in_v1alpha1(value["spec"].get("security", {}).get("allowedSecrets"))
    return allowed_in_v1beta1(value["spec"].get("policy", {}).get("secrets"))


def test_residue_of_a_list_that_was_edited_is_dropped() -> None:
    newer = AGENT.up(security={"allowedSecrets": ["a", "a", "b"]})
    newer["spec"]["policy"]["secrets"]["allowed"] = ["b"]

    older = kinds.convert(newer)

    assert {"allowedSecrets": ["b"]} == older["spec"]["security"]


# --- size (row 5) ---------------------------------------------------------------------------

LARGEST = {"a": "é" * (64 * 512 - 4)}
TOO_LARGE = {"a": "é" * (64 * 512 - 3)}


def review(version: str, config: Any, old: Any = None) -> Any:
    """The validating webhook's answer to a write of an agent with this config."""
    operation = "CREATE" if old is None else "UPDATE"
    request = {
        "uid": "u",
        "operation": operation,
        "kind": {"group": crds.api.group, "version": version, "kind": "Agent"},
        "object": AGENT.one(version, config=config),
        "oldObject": None if old is None else AGENT.one(version, config=old),
    }
    written = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    asked = reviews.admission_request(json.dumps(written).encode())
    return verdicts.review_of(admission.decide(admission.validate, CONVERTER, asked))["response"]


@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
def test_config_that_is_too_large_is_refused(version: str) -> None:
    answer = review(version, TOO_LARGE)

    message = "expected at most 65536 bytes of JSON, got 65538; keep large settings in a ConfigMap"
    cause = {"reason": "FieldValueTooLong", "message": message, "field": "spec.config"}
    assert [cause] == answer["status"]["details"]["causes"]
    assert review(version, LARGEST)["allowed"]


def test_config_that_was_too_large_may_stay() -> None:
    assert review("v1beta1", TOO_LARGE, TOO_LARGE)["allowed"]
    assert not review("v1beta1", {**TOO_LARGE, "b": 1}, TOO_LARGE)["allowed"]


@pytest.mark.parametrize("value", [{}, {"spec": None}, {"spec": []}, {"spec": {"config": None}}])
def test_agent_without_config_has_no_size(value: Any) -> None:
    assert [] == [*agent_rules.validate(value, None, Facts())]


# --- the API server's own verdict -----------------------------------------------------------


def test_definition_is_accepted_without_a_warning() -> None:
    kinds.assert_definition_is_accepted(AGENT)


@kinds.VERSIONS
def test_sample_is_taken_in_both_versions_and_comes_back(
    loaded: judge.Loaded, version: str
) -> None:
    kinds.assert_samples_are_taken(AGENT, loaded, version)


def test_backoff_gets_its_defaults(loaded: judge.Loaded) -> None:
    value = AGENT.one("v1beta1", runDefaults={"retry": {"backoff": {}}})

    stored = loaded.create(value, stored=True).object

    defaults = {"base": "5s", "max": "5m", "jitterPercent": 20}
    assert {"retry": {"backoff": defaults}} == stored["spec"]["runDefaults"]


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    (
        {"policy": {"secrets": {"mode": "AllowAll", "allowed": []}}},
        "spec.policy.secrets.allowed",
        "Forbidden: allowed requires mode AllowListed",
    ),
    (
        {"policy": {"serviceAccounts": {"mode": "AllowListed"}}},
        "spec.policy.serviceAccounts.allowed",
        "Required value: mode AllowListed requires allowed; an empty list allows nothing",
    ),
    (
        {"policy": {"secrets": {"mode": "AllowListed", "allowed": ["a", "a"]}}},
        "spec.policy.secrets.allowed[1]",
        'Duplicate value: "a"',
    ),
    (
        {"env": [{"name": "A", "value": "1", "valueFrom": SECRET}]},
        "spec.env[0]",
        "Invalid value: value and valueFrom are mutually exclusive",
    ),
    (
        {"runDefaults": {"systemPrompt": {"inline": "x", **SECRET}}},
        "spec.runDefaults.systemPrompt",
        "Invalid value: exactly one of inline, secretKeyRef, configMapKeyRef must be set",
    ),
    (
        {"runDefaults": {"retry": {"backoff": {"base": "10m"}}}},
        "spec.runDefaults.retry.backoff.max",
        "Invalid value: max must not be shorter than base",
    ),
]


@pytest.mark.parametrize(
    ("spec", "field", "message"), REFUSED, ids=[json.dumps(spec) for spec, *_ in REFUSED]
)
def test_mistake_is_refused_with_its_field(
    loaded: judge.Loaded, spec: dict[str, Any], field: str, message: str
) -> None:
    assert [(field, message)] == kinds.refusals(loaded.create(AGENT.one("v1beta1", **spec)))


def test_sentinel_is_no_name_that_v1beta1_takes(loaded: judge.Loaded) -> None:
    policy = {"secrets": {"mode": "AllowListed", "allowed": ["!deny-all"]}}

    found = kinds.refusals(loaded.create(AGENT.one("v1beta1", policy=policy)))

    field = "spec.policy.secrets.allowed[0]"
    message = (
        f'Invalid value: "!deny-all": {field} in body must be of type k8s-long-name: "!deny-all"'
    )
    assert [kinds.NOT_RUN, (field, message)] == found


def test_stored_fault_stays_until_it_is_touched(loaded: judge.Loaded) -> None:
    old = AGENT.up(security={"allowedSecrets": ["My_Secret"]})
    other = kinds.edited(old, memoryRef={"name": "m"})
    touched = copy.deepcopy(old)
    touched["spec"]["policy"]["secrets"]["allowed"] = ["My_Secret", "b"]

    assert [True, False] == [loaded.update(one, old).allowed for one in (other, touched)]


def test_v1alpha1_takes_what_it_always_took(loaded: judge.Loaded) -> None:
    long = "x" * 1000
    spec: dict[str, Any] = {
        "providerRef": {"name": ""},
        "env": [{"name": long, "value": "x" * 40_000}, {"name": "="}] * 60,
        "security": {name: [long, long, ""] * 100 for name in PLACES},
        "memoryRef": {"name": ""},
        "defaults": {"systemPrompt": "", "timeoutSeconds": 2**31 - 1},
    }

    verdict = loaded.create(AGENT.one("v1alpha1", **spec))

    assert (True, "") == (verdict.allowed, verdict.message)
