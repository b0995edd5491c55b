"""Agent: nothing is lost between its versions, and no conversion allows more than was allowed."""

import copy
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import crds
from crds import hub, platform
from crds.admission import agent as agent_rules
from crds.v1alpha1 import agent as agent_v1alpha1
from crds.v1alpha1 import agent_conversion
from crds.v1beta1 import agent
from schemagen import Api, Column, Facts, Kind, Version, canonical, crd, judge, structural
from schemagen.versions import graph
from tests.support import objects, pruning
from webhooks import admission, reviews

AGENT = Kind(
    name="Agent",
    plural="agents",
    short_names=("agt",),
    categories=("agents",),
    annotations=platform.SYNC_WAVE,
    rules=agent_rules.RULES,
    versions=(
        Version(
            name="v1alpha1",
            model=agent_v1alpha1.Agent,
            conversion=agent_conversion.CONVERSION,
            columns=(
                Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
                Column("Provider", ".spec.providerRef.name"),
            ),
        ),
        Version(
            name=hub.VERSION,
            model=agent.Agent,
            storage=True,
            columns=(
                Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
                Column("Provider", ".spec.providerRef.name"),
                Column("Memory", ".spec.memoryRef.name", priority=1),
                Column("Age", ".metadata.creationTimestamp", type="date"),
            ),
            selectable=(".spec.providerRef.name", ".spec.memoryRef.name", ".spec.vcsRef.name"),
        ),
    ),
)
API = Api(group=platform.GROUP, kinds=(AGENT,))
DEFINITION = crd.crd(API, AGENT, webhook={"url": "https://localhost/convert"})
SAMPLES = pathlib.Path(crds.__file__).parent / "samples"

OLD_RESIDUE = "conversion.agents.proompteng.ai/v1alpha1-residue"
NEW_RESIDUE = "conversion.agents.proompteng.ai/v1beta1-residue"
WAYS = [("v1alpha1", "v1beta1"), ("v1beta1", "v1alpha1")]
MANY = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def an_agent(version: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"{platform.GROUP}/{version}",
        "kind": "Agent",
        "metadata": {"name": "one"},
        "spec": {"providerRef": {"name": "codex"}} | spec,
    }


def convert(value: dict[str, Any], source: str, target: str) -> dict[str, Any]:
    return graph.convert(API, AGENT, value, source=source, target=target).object


def up(**spec: Any) -> dict[str, Any]:
    """What becomes of a v1alpha1 agent in v1beta1; residue stays in its annotation."""
    return convert(an_agent("v1alpha1", **spec), "v1alpha1", "v1beta1")


def down(**spec: Any) -> dict[str, Any]:
    """What becomes of a v1beta1 agent in v1alpha1; residue stays in its annotation."""
    return convert(an_agent("v1beta1", **spec), "v1beta1", "v1alpha1")


def has_residue(value: dict[str, Any]) -> bool:
    return "annotations" in value["metadata"]


def drawn(version: str, *, is_mangled: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Agents of a version's schema, or such as break it in a few places."""
    found = AGENT.version(version)
    assert found is not None
    properties = structural.schema_of(found.model, descriptions=False)["properties"]
    bodies = st.fixed_dictionaries(
        {"spec": objects.valid(properties["spec"])},
        optional={"status": objects.valid(properties["status"])},
    )
    notes = st.sampled_from([{}, {"annotations": {"example.com/note": "x"}}])
    return st.builds(
        lambda body, notes: {
            **an_agent(version),
            "metadata": {"name": "one", **notes},
            **(body if isinstance(body, dict) else {}),
        },
        objects.mangled(bodies) if is_mangled else bodies,
        notes,
    )


def assert_comes_back(value: dict[str, Any], version: str, other: str) -> None:
    before = copy.deepcopy(value)

    forth = graph.convert(API, AGENT, value, source=version, target=other)
    stored = pruning.pruned(API, forth.object)
    back = convert(stored, other, version)

    assert before == value, "the input was changed"
    assert 0 == forth.dropped_bytes
    assert canonical.dumps(value) == canonical.dumps(back)


@pytest.mark.parametrize(("version", "other"), WAYS)
def test_agent_of_the_schema_comes_back_as_it_was(version: str, other: str) -> None:
    @MANY
    @given(drawn(version, is_mangled=False))
    def check(value: dict[str, Any]) -> None:
        assert_comes_back(pruning.with_ruled_status(value), version, other)

    check()


@pytest.mark.parametrize(("version", "other"), WAYS)
def test_agent_that_breaks_the_schema_keeps_its_spec_and_metadata(version: str, other: str) -> None:
    @MANY
    @given(drawn(version, is_mangled=True))
    def check(value: dict[str, Any]) -> None:
        value.pop("status", None)

        assert_comes_back(value, version, other)

    check()


@pytest.mark.parametrize(("version", "other"), WAYS)
def test_status_needs_no_annotation(version: str, other: str) -> None:
    @MANY
    @given(drawn(version, is_mangled=False))
    def check(value: dict[str, Any]) -> None:
        value = {**an_agent(version), "status": value.get("status", {})}
        value = pruning.with_ruled_status(value)

        there = convert(value, version, other)

        assert not has_residue(there)
        assert value == convert(there, other, version)

    check()


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
    assert an_agent("v1beta1", **new) == up(**old)
    assert an_agent("v1alpha1", **old) == down(**new)


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
    ({"defaults": {"timeoutSeconds": -1, "retryLimit": -1}}, {"runDefaults": {}}),
    ({"defaults": {"timeoutSeconds": None}, "env": None}, {"runDefaults": {}}),
]


@pytest.mark.parametrize(
    ("old", "new"), UP_WITH_RESIDUE, ids=[json.dumps(old) for old, _ in UP_WITH_RESIDUE]
)
def test_what_v1beta1_cannot_say_comes_back(old: dict[str, Any], new: dict[str, Any]) -> None:
    newer = up(**old)

    assert an_agent("v1beta1", **new)["spec"] == newer["spec"]
    assert [OLD_RESIDUE] == list(newer["metadata"]["annotations"])
    assert an_agent("v1alpha1", **old) == convert(newer, "v1beta1", "v1alpha1")


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
    older = down(**new)

    assert an_agent("v1alpha1", **old)["spec"] == older["spec"]
    assert [NEW_RESIDUE] == list(older["metadata"]["annotations"])
    assert an_agent("v1beta1", **new) == convert(older, "v1alpha1", "v1beta1")


def test_variable_that_v1alpha1_sets_itself_is_not_given_its_old_reference() -> None:
    older = down(env=[{"name": "A", "valueFrom": SECRET}])
    older["spec"]["env"] = [{"name": "A", "value": "mine"}]

    newer = convert(older, "v1alpha1", "v1beta1")

    assert [{"name": "A", "value": "mine"}] == newer["spec"]["env"]
    assert not has_residue(newer)


def test_object_without_spec_invents_nothing() -> None:
    for version, other in WAYS:
        value = {key: item for key, item in an_agent(version).items() if key != "spec"}

        there = convert(value, version, other)

        assert {**value, "apiVersion": f"{platform.GROUP}/{other}"} == there


def test_longest_prompt_in_any_script_is_kept_without_residue() -> None:
    prompt = "🙂" * 16384

    newer = up(defaults={"systemPrompt": prompt})

    assert {"inline": prompt} == newer["spec"]["runDefaults"]["systemPrompt"]
    assert not has_residue(newer)


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
    @MANY
    @given(ODD_LISTS)
    def check(listed: Any) -> None:
        policy = up(security={name: listed})["spec"]["policy"].get(PLACES[name])

        after, before = allowed_in_v1beta1(policy), allowed_in_v1alpha1(listed)

        if before is not None and PLACES[name] == "sourceProviders":
            before = frozenset(WORDS[word] for word in before & WORDS.keys())
        assert after == before

    check()


@pytest.mark.parametrize("name", PLACES)
def test_down_conversion_allows_just_as_much(name: str) -> None:
    @MANY
    @given(ODD_POLICIES | objects.ANYTHING)
    def check(policy: Any) -> None:
        listed = down(policy={PLACES[name]: policy})["spec"]["security"].get(name)

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


@pytest.mark.parametrize(("version", "other"), WAYS)
def test_oddities_that_conversion_looks_for_come_back(version: str, other: str) -> None:
    @MANY
    @given(ODD_SPECS[version])
    def check(spec: dict[str, Any]) -> None:
        assert_comes_back(an_agent(version, **spec), version, other)

    check()


@pytest.mark.parametrize("policy", ["all", 1, [], [{"secrets": {"mode": "AllowAll"}}]])
def test_unreadable_policy_allows_nothing(policy: Any) -> None:
    older, newer = down(policy=policy), up(security=policy)

    assert {name: ["!deny-all"] for name in PLACES} == older["spec"]["security"]
    shut = {name: {"mode": "AllowListed", "allowed": []} for name in PLACES.values()}
    assert shut == newer["spec"]["policy"]
    assert policy == convert(older, "v1alpha1", "v1beta1")["spec"]["policy"]
    assert policy == convert(newer, "v1beta1", "v1alpha1")["spec"]["security"]


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
    target = dict(WAYS)[source]
    residue = {"v1alpha1": OLD_RESIDUE, "v1beta1": NEW_RESIDUE}[target]
    plain = convert(an_agent(source, **spec), source, target)

    @MANY
    @given(ENTRIES)
    def check(entries: Any) -> None:
        value = an_agent(source, **spec)
        value["metadata"]["annotations"] = {residue: json.dumps(entries)}

        tampered = convert(value, source, target)

        assert allowed(plain, target) == allowed(tampered, target)
        assert an_agent(source, **spec)["spec"] == convert(tampered, target, source)["spec"]

    check()


def allowed(value: dict[str, Any], version: str) -> frozenset[str] | None:
    """Which Secrets an agent of a version allows."""
    if version == "v1alpha1":
        return allowed_in_v1alpha1(value["spec"].get("security", {}).get("allowedSecrets"))
    return allowed_in_v1beta1(value["spec"].get("policy", {}).get("secrets"))


def test_residue_of_a_list_that_was_edited_is_dropped() -> None:
    newer = up(security={"allowedSecrets": ["a", "a", "b"]})
    newer["spec"]["policy"]["secrets"]["allowed"] = ["b"]

    older = convert(newer, "v1beta1", "v1alpha1")

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
        "kind": {"group": platform.GROUP, "version": version, "kind": "Agent"},
        "object": an_agent(version, config=config),
        "oldObject": None if old is None else an_agent(version, config=old),
    }
    written = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return admission.validate(API, reviews.admission_request(written))["response"]


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


@pytest.fixture(scope="module")
def agents() -> Iterator[judge.Loaded]:
    with judge.Judge(deadline_seconds=60) as asked, asked.load(DEFINITION) as loaded:
        yield loaded


def test_definition_is_accepted_within_its_costs() -> None:
    with judge.Judge(deadline_seconds=60) as asked:
        verdict = asked.check(DEFINITION, costs=True)

    assert (True, (), "") == (verdict.allowed, verdict.warnings, verdict.message)
    assert [] == [cost for cost in verdict.costs if cost.cost * 6 > cost.limit]


@pytest.mark.parametrize(("version", "other"), WAYS)
def test_sample_is_taken_in_both_versions_and_comes_back(
    agents: judge.Loaded, version: str, other: str
) -> None:
    sample = yaml.safe_load((SAMPLES / version / "agent.yaml").read_text())

    written = agents.create(sample, stored=True)
    there = agents.create(convert(written.object, version, other), stored=True)

    assert ("", "") == (written.message, there.message)
    assert written.object["spec"] == convert(there.object, other, version)["spec"]


def test_backoff_gets_its_defaults(agents: judge.Loaded) -> None:
    value = an_agent("v1beta1", runDefaults={"retry": {"backoff": {}}})

    stored = agents.create(value, stored=True).object

    defaults = {"base": "5s", "max": "5m", "jitterPercent": 20}
    assert {"retry": {"backoff": defaults}} == stored["spec"]["runDefaults"]


REFUSED: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    (
        {"policy": {"secrets": {"mode": "AllowAll", "allowed": []}}},
        [("spec.policy.secrets.allowed", "Forbidden: allowed needs mode AllowListed")],
    ),
    (
        {"policy": {"serviceAccounts": {"mode": "AllowListed"}}},
        [
            (
                "spec.policy.serviceAccounts.allowed",
                "Required value: mode AllowListed needs allowed; an empty list allows nothing",
            )
        ],
    ),
    (
        {"policy": {"secrets": {"mode": "AllowListed", "allowed": ["a", "a"]}}},
        [("spec.policy.secrets.allowed[1]", 'Duplicate value: "a"')],
    ),
    (
        {"env": [{"name": "A", "value": "1", "valueFrom": SECRET}]},
        [("spec.env[0]", "Invalid value: value and valueFrom exclude each other")],
    ),
    (
        {"runDefaults": {"systemPrompt": {"inline": "x", **SECRET}}},
        [
            (
                "spec.runDefaults.systemPrompt",
                "Invalid value: exactly one of inline, secretKeyRef, configMapKeyRef must be set",
            )
        ],
    ),
    (
        {"runDefaults": {"retry": {"backoff": {"base": "10m"}}}},
        [
            (
                "spec.runDefaults.retry.backoff.max",
                "Invalid value: max must be at least as long as base",
            )
        ],
    ),
]


@pytest.mark.parametrize(
    ("spec", "expected"), REFUSED, ids=[json.dumps(spec) for spec, _ in REFUSED]
)
def test_mistake_is_refused_with_its_field(
    agents: judge.Loaded, spec: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    causes = agents.create(an_agent("v1beta1", **spec)).causes

    assert expected == [(cause.field, cause.message) for cause in causes]


def test_sentinel_is_no_name_that_v1beta1_takes(agents: judge.Loaded) -> None:
    policy = {"secrets": {"mode": "AllowListed", "allowed": ["!deny-all"]}}

    causes = agents.create(an_agent("v1beta1", policy=policy)).causes

    # The other one says that no rule was run, since the object is malformed already.
    assert ["<nil>", "spec.policy.secrets.allowed[0]"] == sorted(cause.field for cause in causes)


def test_stored_fault_stays_until_it_is_touched(agents: judge.Loaded) -> None:
    old = up(security={"allowedSecrets": ["My_Secret"]})
    other = copy.deepcopy(old)
    other["spec"]["memoryRef"] = {"name": "m"}
    touched = copy.deepcopy(old)
    touched["spec"]["policy"]["secrets"]["allowed"] = ["My_Secret", "b"]

    assert [True, False] == [agents.update(one, old).allowed for one in (other, touched)]


def test_v1alpha1_takes_what_it_always_took(agents: judge.Loaded) -> None:
    long = "x" * 1000
    spec: dict[str, Any] = {
        "providerRef": {"name": ""},
        "env": [{"name": long, "value": "x" * 40_000}, {"name": "="}] * 60,
        "security": {name: [long, long, ""] * 100 for name in PLACES},
        "memoryRef": {"name": ""},
        "defaults": {"systemPrompt": "", "timeoutSeconds": 2**31 - 1},
    }

    verdict = agents.create(an_agent("v1alpha1", **spec))

    assert (True, "") == (verdict.allowed, verdict.message)
