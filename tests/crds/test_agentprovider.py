"""AgentProvider between its versions: nothing is lost, nothing is widened, little is residue."""

import copy
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crds import platform
from crds.v1alpha1 import agentprovider as agentprovider_v1alpha1
from crds.v1alpha1 import agentprovider_conversion
from crds.v1beta1 import agentprovider
from schemagen import Api, Column, Kind, Version, canonical, crd, documents, judge, structural
from schemagen.versions import graph
from tests.support import objects, pruning

PROVIDER = Kind(
    name="AgentProvider",
    plural="agentproviders",
    short_names=("aprov",),
    categories=("agents",),
    annotations=platform.SYNC_WAVE,
    versions=(
        Version(
            name="v1alpha1",
            model=agentprovider_v1alpha1.AgentProvider,
            conversion=agentprovider_conversion.CONVERSION,
            columns=(Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),),
        ),
        Version(
            name="v1beta1",
            model=agentprovider.AgentProvider,
            storage=True,
            columns=(
                Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
                Column("Adapter", ".spec.adapter.type"),
                Column("Model", ".spec.adapter.codexAppServer.model", priority=1),
                Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', priority=1),
                Column("Age", ".metadata.creationTimestamp", type="date"),
            ),
            selectable=(".spec.adapter.type",),
        ),
    ),
)
API = Api(group=platform.GROUP, kinds=(PROVIDER,))
ROOT = pathlib.Path(__file__).parents[2]
OLD_RESIDUE = "conversion.agents.proompteng.ai/v1alpha1-residue"
NEW_RESIDUE = "conversion.agents.proompteng.ai/v1beta1-residue"
RUNNER = "/usr/local/bin/agent-runner"


def provider(version: str, **spec: Any) -> dict[str, Any]:
    """A minimal AgentProvider of a version, with more in its spec."""
    minimal: dict[str, dict[str, Any]] = {
        "v1alpha1": {"binary": RUNNER, "adapter": {"type": "codex-app-server"}},
        "v1beta1": {"runner": {"command": RUNNER}, "adapter": {"type": "CodexAppServer"}},
    }
    return {
        "apiVersion": f"{API.group}/{version}",
        "kind": "AgentProvider",
        "metadata": {"name": "codex"},
        "spec": copy.deepcopy(minimal[version]) | spec,
    }


def up(value: dict[str, Any]) -> dict[str, Any]:
    return graph.convert(API, PROVIDER, value, source="v1alpha1", target="v1beta1").object


def down(value: dict[str, Any]) -> dict[str, Any]:
    return graph.convert(API, PROVIDER, value, source="v1beta1", target="v1alpha1").object


def upgraded(**spec: Any) -> Any:
    """The v1beta1 spec of a v1alpha1 provider."""
    return up(provider("v1alpha1", **spec))["spec"]


def downgraded(**spec: Any) -> Any:
    """The v1alpha1 spec of a v1beta1 provider, as a reader without residue sees it."""
    return down(provider("v1beta1", **spec))["spec"]


def edited(value: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """The object after somebody wrote other fields into its spec."""
    return {**value, "spec": {**value["spec"], **spec}}


def variable(name: str, holder: str = "github", key: str = "key") -> dict[str, Any]:
    """A variable from a Secret, as v1alpha1 writes it."""
    return {"name": name, "secretName": holder, "key": key}


def reference(name: str, holder: str = "github", key: str = "key") -> dict[str, Any]:
    """The same as v1beta1 writes it."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": holder, "key": key}}}


# --- nothing is lost ---------------------------------------------------------------------------

VARIABLES = st.lists(
    st.fixed_dictionaries(
        {name: st.sampled_from(["A", "B", "", " "]) for name in ("name", "secretName", "key")},
        optional={"optional": st.booleans(), "more": objects.ANYTHING},
    )
    | objects.ANYTHING,
    max_size=4,
)
SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "binaryPath": objects.TEXTS,
    "binary": objects.TEXTS,
    "model": objects.TEXTS,
    "effort": st.sampled_from(["high", "High"]),
    "sandbox": st.sampled_from(["read-only", "danger-full-access", "ReadOnly", "none"]),
    "approval": st.sampled_from(["never", "on-request", "Never"]),
    "threadConfig": objects.free_form(),
    "goal": st.dictionaries(st.sampled_from(["objective", "tokenBudget", "status"]), objects.TEXTS),
    "bootstrapTimeoutMs": st.sampled_from([0, 1000, 90000, 1500, -1000, "1000"]),
    "cliConfigOverrides": st.lists(objects.TEXTS, max_size=2),
    "argsTemplate": st.lists(objects.TEXTS, max_size=2),
    "envTemplate": st.dictionaries(objects.NAMES, objects.TEXTS, max_size=3),
    "inputFiles": st.lists(
        st.fixed_dictionaries({"path": objects.NAMES, "content": objects.TEXTS}), max_size=2
    ),
    "secretEnv": VARIABLES,
    "extra": objects.ANYTHING,
    "exec": objects.free_form(),
}
INNER = st.fixed_dictionaries(
    {}, optional={name: setting | objects.ANYTHING for name, setting in SETTINGS.items()}
)
ADAPTERS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["codex-app-server", "exec", "claude"]) | objects.ANYTHING,
        "codex": INNER | objects.ANYTHING,
        "exec": INNER | objects.ANYTHING,
        "secretEnv": VARIABLES | objects.ANYTHING,
        "extra": objects.ANYTHING,
        "tool": objects.ANYTHING,
    },
)
OLD_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "binary": st.sampled_from([RUNNER, "/bin/sh", ""]),
        "adapter": ADAPTERS,
        "secretEnv": VARIABLES,
        "envTemplate": st.dictionaries(st.sampled_from(["A", "B", "C"]), objects.TEXTS),
    },
)


def freed(spec: dict[str, Any], more: dict[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
    """A v1beta1 spec whose free-form settings look like those of v1alpha1."""
    adapter = {
        name: {**arm, "extra": inner} if "extra" in arm else arm
        for name, arm in spec["adapter"].items()
        if name in {"codexAppServer", "exec"}
    }
    return {**spec, "adapter": spec["adapter"] | adapter | more}


def bodies(version_name: str) -> st.SearchStrategy[Any]:
    """Specs and statuses of a version's schema."""
    version = PROVIDER.version(version_name)
    assert version is not None
    properties = structural.schema_of(version.model, descriptions=False)["properties"]
    spec = objects.valid(properties["spec"])
    if version_name == "v1alpha1":
        spec = st.builds(lambda drawn, more: drawn | more, spec, OLD_FIELDS)
    else:
        more = st.fixed_dictionaries({}, optional={"extra": ADAPTERS | INNER})
        spec = st.builds(freed, spec, more, INNER)
    status = objects.valid(properties["status"])
    return st.fixed_dictionaries({"spec": spec}, optional={"status": status})


def whole(version: str, body: Any) -> dict[str, Any]:
    """An object of a version around a drawn spec and status."""
    return {
        "apiVersion": f"{API.group}/{version}",
        "kind": "AgentProvider",
        "metadata": {"name": "one"},
        **(body if isinstance(body, dict) else {}),
    }


def comparable(value: dict[str, Any]) -> bytes:
    """Canonical bytes, keyed lists in the order of their names."""
    if value["apiVersion"].endswith("v1beta1"):
        for path in agentprovider_conversion.CONVERSION.unordered:
            value = graph.sorted_at(value, path)
    return canonical.dumps(value)


def check_round_trip(value: dict[str, Any], version: str) -> None:
    other = {"v1alpha1": "v1beta1", "v1beta1": "v1alpha1"}[version]
    before = copy.deepcopy(value)

    forth = graph.convert(API, PROVIDER, value, source=version, target=other)
    stored = pruning.pruned(API, forth.object)
    back = graph.convert(API, PROVIDER, stored, source=other, target=version).object

    assert before == value, "the input was changed"
    assert forth.dropped_bytes == 0
    assert comparable(value) == comparable(back)


MANY = settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
VERSIONS = pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])


@VERSIONS
def test_objects_of_the_schema_come_back_as_they_were(version: str) -> None:
    @MANY
    @given(bodies(version))
    def check(body: dict[str, Any]) -> None:
        check_round_trip(pruning.with_ruled_status(whole(version, body)), version)

    check()


@VERSIONS
def test_objects_that_break_the_schema_keep_their_spec_and_metadata(version: str) -> None:
    @MANY
    @given(objects.mangled(bodies(version)))
    def check(body: Any) -> None:
        value = whole(version, body)
        value.pop("status", None)

        check_round_trip(value, version)

    check()


# --- row 22: runner and adapter ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("binary", "inferred"),
    [
        (RUNNER, "CodexAppServer"),
        ("/agent-runner", "CodexAppServer"),
        ("", "CodexAppServer"),
        ("agent-runner", "Exec"),
        ("/bin/bash", "Exec"),
    ],
)
@pytest.mark.parametrize("adapter", [{}, {"adapter": {}}, {"adapter": None}], ids=json.dumps)
def test_adapter_without_a_type_is_inferred(
    adapter: dict[str, Any], binary: str, inferred: str
) -> None:
    value = provider("v1alpha1", binary=binary)
    del value["spec"]["adapter"]
    value["spec"] |= adapter

    newer = up(value)

    assert {"runner": {"command": binary}, "adapter": {"type": inferred}} == newer["spec"]
    assert [OLD_RESIDUE] == list(newer["metadata"]["annotations"])
    assert value == down(newer)


def test_inferred_adapter_stays_when_the_program_changes() -> None:
    value = provider("v1alpha1")
    del value["spec"]["adapter"]

    older = down(edited(up(value), runner={"command": "/bin/bash"}))

    assert {"binary": "/bin/bash", "adapter": {"type": "codex-app-server"}} == older["spec"]


CODEX = {
    "binaryPath": "/usr/local/bin/codex",
    "cliConfigOverrides": ["a=1"],
    "cwd": "/workspace/shop",
    "model": "gpt-5.3-codex",
    "effort": "xhigh",
    "prompt": "{{ inputs.text }}",
    "baseInstructions": "b",
    "developerInstructions": "d",
    "threadId": "t",
    "threadConfig": {"web_search": False, "mcp_servers": None},
    "goal": {"objective": "o", "tokenBudget": 5},
    "experimentalRawEvents": False,
    "persistExtendedHistory": True,
}
WORDS_OF_CODEX = {
    "sandbox": "danger-full-access",
    "approval": "on-request",
    "bootstrapTimeoutMs": 90_000,
}
EXEC = {
    "binary": "/bin/bash",
    "argsTemplate": ["-c", "true"],
    "envTemplate": {"B": "1", "A": "{{ inputs.a }}"},
    "inputFiles": [{"path": "/f", "content": "c"}],
    "outputArtifacts": [{"name": "log", "path": "/log"}],
}
FREE = {"sandbox": "by-magic", "approval": {"granular": {}}, "bootstrapTimeoutMs": 1500}
SECRET = variable("X", "admin")


def test_settings_of_codex_become_fields() -> None:
    adapter = {"type": "codex-app-server", "codex": {**CODEX, **WORDS_OF_CODEX, "new": [None]}}

    assert {
        "type": "CodexAppServer",
        "codexAppServer": {
            **CODEX,
            "sandbox": "DangerFullAccess",
            "approval": "OnRequest",
            "bootstrapTimeout": "1m30s",
            "extra": {"new": [None]},
        },
    } == upgraded(adapter=adapter)["adapter"]


def test_settings_of_exec_become_fields() -> None:
    adapter = {"type": "exec", "exec": {**EXEC, "shell": True}}

    assert {
        "type": "Exec",
        "exec": {
            "binary": "/bin/bash",
            "args": ["-c", "true"],
            "env": [{"name": "A", "value": "{{ inputs.a }}"}, {"name": "B", "value": "1"}],
            "files": [{"path": "/f", "content": "c"}],
            "outputArtifacts": [{"name": "log", "path": "/log"}],
            "extra": {"shell": True},
        },
    } == upgraded(adapter=adapter)["adapter"]


@pytest.mark.parametrize("word", ["claude", "Exec", ""])
def test_adapter_that_v1beta1_does_not_know_is_extra(word: str) -> None:
    adapter = {"type": word, "codex": CODEX, "claude": {"model": "opus"}}

    assert {"extra": adapter} == upgraded(adapter=adapter)["adapter"]


@pytest.mark.parametrize(
    "adapter",
    [
        {"extra": {"type": "exec", "exec": EXEC}},
        {"codexAppServer": {"extra": WORDS_OF_CODEX}},
        {"codexAppServer": {"extra": {"model": "m", "threadConfig": {}}}},
        {"extra": {"codex": {"sandbox": "danger-full-access"}}},
    ],
    ids=json.dumps,
)
def test_extra_cannot_say_what_a_field_says(adapter: dict[str, Any]) -> None:
    settings = downgraded(adapter={"type": "CodexAppServer", **adapter})["adapter"]

    assert "codex-app-server" == settings["type"]
    assert {} == settings.get("codex", {})


# --- rows 23 and 24: the environment -----------------------------------------------------------


def test_templates_and_secrets_become_one_list() -> None:
    secret = {**variable("T"), "optional": False}

    newer = upgraded(envTemplate={"B": "2", "A": "{{ inputs.a }}"}, secretEnv=[secret])

    expected = reference("T")
    expected["valueFrom"]["secretKeyRef"]["optional"] = False
    assert [
        {"name": "A", "value": "{{ inputs.a }}"},
        {"name": "B", "value": "2"},
        expected,
    ] == newer["env"]


def test_of_variables_with_one_name_the_later_counts() -> None:
    value = provider(
        "v1alpha1",
        envTemplate={"A": "1", "B": "2"},
        secretEnv=[variable("A", "one"), variable("C"), variable("A", "two")],
    )

    newer = up(value)

    assert [{"name": "B", "value": "2"}, reference("C"), reference("A", "two")] == newer["spec"][
        "env"
    ]
    assert value == down(newer)


@pytest.mark.parametrize("part", ["name", "secretName", "key"])
def test_variable_that_nobody_sets_does_not_hide_a_template(part: str) -> None:
    value = provider("v1alpha1", envTemplate={"A": "1"}, secretEnv=[{**variable("A"), part: " "}])

    newer = up(value)

    assert [{"name": "A", "value": "1"}] == newer["spec"]["env"]
    assert value == down(newer)


def test_order_of_variables_is_kept() -> None:
    env = [reference("T"), {"name": "B", "value": "$(T)"}, {"name": "A", "value": ""}]
    value = provider("v1beta1", env=env)

    older = down(value)

    assert {"A": "", "B": "$(T)"} == older["spec"]["envTemplate"]
    assert [variable("T")] == older["spec"]["secretEnv"]
    assert value == up(older)


def test_variable_without_a_value_is_empty() -> None:
    value = provider("v1beta1", env=[{"name": "A"}])

    older = down(value)

    assert {"A": ""} == older["spec"]["envTemplate"]
    assert value == up(older)


AT_ADAPTER = {"adapter": {"type": "exec", "secretEnv": [SECRET]}}
AT_CODEX = {"adapter": {"type": "codex-app-server", "codex": {"model": "m", "secretEnv": [SECRET]}}}
CODEX_OF_EXEC = {"adapter": {"type": "exec", "codex": {"secretEnv": [SECRET]}}}
FALLBACKS = pytest.mark.parametrize("spec", [AT_ADAPTER, AT_CODEX, CODEX_OF_EXEC], ids=json.dumps)


@FALLBACKS
def test_variables_found_in_the_adapter_are_folded_and_go_back(spec: dict[str, Any]) -> None:
    value = provider("v1alpha1", **spec)

    newer = up(value)

    assert [reference("X", "admin")] == newer["spec"]["env"]
    assert "secretEnv" not in json.dumps(newer["spec"])
    assert value == down(newer)


@FALLBACKS
@pytest.mark.parametrize("env", [[reference("X", "mine")], [], None, [{"name": "A", "value": "a"}]])
def test_edited_variables_do_not_come_back_in_the_adapter(spec: dict[str, Any], env: Any) -> None:
    older = down(edited(up(provider("v1alpha1", **spec)), env=env))

    assert "admin" not in json.dumps(older["spec"])


@FALLBACKS
@pytest.mark.parametrize("counting", [[], [variable("Y", "mine")]])
def test_list_that_does_not_count_stays_a_setting(
    spec: dict[str, Any], counting: list[dict[str, Any]]
) -> None:
    value = provider("v1alpha1", **spec, secretEnv=counting)

    newer = up(value)

    assert [reference("Y", "mine")] * len(counting) == newer["spec"]["env"]
    assert "annotations" not in newer["metadata"]
    assert value == down(newer)
    assert "admin" not in json.dumps(down(edited(newer, env=None))["spec"])


@pytest.mark.parametrize(
    "adapter",
    [
        {"extra": {"secretEnv": [SECRET]}},
        {"codexAppServer": {"extra": {"secretEnv": [SECRET]}}},
        {"extra": {"secretEnv": [SECRET], "codex": {"secretEnv": [SECRET]}}},
        {"type": "Exec", "extra": {"codex": {"secretEnv": [SECRET]}}},
    ],
    ids=json.dumps,
)
@pytest.mark.parametrize("env", [{}, {"env": [{"name": "A", "value": "a"}]}], ids=json.dumps)
def test_setting_never_becomes_a_variable(env: dict[str, Any], adapter: dict[str, Any]) -> None:
    value = provider("v1beta1", adapter={"type": "CodexAppServer", **adapter}, **env)

    older = down(value)

    assert "admin" not in json.dumps(older["spec"])
    assert value == up(older)


# --- rows 25 and 26: files and health ----------------------------------------------------------


def test_files_from_objects_stand_aside_for_v1alpha1() -> None:
    files = [
        {"path": "/a", "configMapKeyRef": {"name": "c", "key": "k"}},
        {"path": "/b", "content": "text"},
        {"path": "/c", "secretKeyRef": {"name": "s", "key": "k"}},
    ]
    value = provider("v1beta1", files=files)

    older = down(value)

    assert [{"path": "/b", "content": "text"}] == older["spec"]["inputFiles"]
    assert value == up(older)


def test_of_files_with_one_path_the_first_is_read() -> None:
    files = [{"path": "/a", "content": "1"}, {"path": "/a", "content": "2"}]
    value = provider("v1alpha1", inputFiles=files)

    newer = up(value)

    assert files[:1] == newer["spec"]["files"]
    assert value == down(newer)


@pytest.mark.parametrize(("old", "new"), [("degrade", "Degrade"), ("block", "Block")])
def test_capacity_policy_is_renamed(old: str, new: str) -> None:
    assert {"onCapacityExhausted": new} == upgraded(health={"capacityFailurePolicy": old})["health"]


# --- pitfalls ----------------------------------------------------------------------------------

NEEDS_NO_RESIDUE: list[dict[str, Any]] = [
    {"argsTemplate": []},
    {"argsTemplate": ["-lc", "{{ a }}"]},
    {"adapter": {"type": "exec"}, "binary": "/bin/sh"},
    {"adapter": {"type": "codex-app-server", "codex": {**CODEX, **WORDS_OF_CODEX}}},
    {"adapter": {"type": "codex-app-server", "codex": {**FREE, "x": None}, "exec": EXEC, "y": 1}},
    {"adapter": {"type": "codex-app-server", "codex": None}},
    {"adapter": {"type": "exec", "exec": EXEC, "codex": CODEX}},
    {"adapter": {"type": "exec", "exec": {"envTemplate": {"A": 1}, "inputFiles": [{}]}}},
    {"adapter": {"type": "claude", "codex": CODEX}},
    {"envTemplate": {"A": "1"}},
    {"secretEnv": []},
    {"envTemplate": {"Z": "1"}, "secretEnv": [variable("B"), variable("A")]},
    {"inputFiles": [{"path": "/b", "content": ""}, {"path": "/a", "content": "é" * 70_000}]},
    {"outputArtifacts": [{"name": "log", "path": "p", "key": "k", "url": "u"}]},
    {"health": {"capacityFailurePolicy": "block"}},
    {"health": {}},
    {
        "workload": {
            "image": "i",
            "resources": {"requests": {"cpu": "1"}, "limits": {}},
            "serviceAccountName": "s",
            "serviceAccountToken": {
                "audience": "a",
                "expirationSeconds": 600,
                "mountPath": "/t",
            },
        }
    },
]


@pytest.mark.parametrize("spec", NEEDS_NO_RESIDUE, ids=lambda spec: json.dumps(spec)[:80])
def test_provider_that_v1beta1_can_say_gets_no_annotation(spec: dict[str, Any]) -> None:
    value = provider("v1alpha1", **spec)

    newer = up(value)

    assert "annotations" not in newer["metadata"]
    assert value == down(newer)


PARTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("v1alpha1", {}, {}),
    ("v1alpha1", {"envTemplate": {"A": "1"}}, {"env": [{"name": "A", "value": "1"}]}),
    (
        "v1alpha1",
        {"adapter": {"codex": {"model": "m"}}},
        {"adapter": {"codexAppServer": {"model": "m"}}},
    ),
    ("v1alpha1", {"adapter": {}}, {"adapter": {}}),
    ("v1beta1", {}, {}),
    ("v1beta1", {"runner": {"command": "/bin/sh"}}, {"binary": "/bin/sh"}),
    (
        "v1beta1",
        {"adapter": {"exec": {"args": ["a"]}}},
        {"adapter": {"exec": {"argsTemplate": ["a"]}}},
    ),
]


@pytest.mark.parametrize(("version", "spec", "expected"), PARTS)
def test_part_of_an_object_gains_nothing(
    version: str, spec: dict[str, Any], expected: dict[str, Any]
) -> None:
    value = {**provider(version), "spec": spec}
    there, back = (up, down) if version == "v1alpha1" else (down, up)

    converted = there(value)

    assert expected == converted["spec"]
    assert value == back(converted)


@VERSIONS
@pytest.mark.parametrize("body", [{}, {"spec": None}, {"spec": []}, {"status": {}}], ids=json.dumps)
def test_object_without_a_spec_converts(version: str, body: dict[str, Any]) -> None:
    value = {**provider(version), **body}
    if "spec" not in body:
        del value["spec"]
    there, back = (up, down) if version == "v1alpha1" else (down, up)

    converted = there(value)

    assert "spec" not in converted
    assert value == back(converted)


@VERSIONS
def test_status_needs_no_annotation(version: str) -> None:
    time = {"v1alpha1": "updatedAt", "v1beta1": "lastUpdateTime"}[version]
    condition = {
        "type": "Ready",
        "status": "False",
        "reason": "ProviderCapacityExhausted",
        "message": "",
        "lastTransitionTime": "2026-01-19T00:00:00Z",
    }
    status = {
        "conditions": [condition],
        "observedGeneration": 3,
        time: "2026-01-19T01:00:00+01:00",
    }
    value = {**provider(version), "status": status}
    there, back = (up, down) if version == "v1alpha1" else (down, up)

    converted = there(value)

    assert "annotations" not in converted["metadata"]
    assert value == back(converted)


ENTRIES = st.lists(
    st.fixed_dictionaries(
        {
            "at": st.lists(
                st.sampled_from(["spec", "adapter", "codex", "codexAppServer", "extra", "env"]),
                max_size=3,
            ),
            "was": st.just({}),
            "is": st.fixed_dictionaries(
                {},
                optional={
                    "secretEnv": VARIABLES,
                    "env": st.just([reference("X", "admin")]),
                    "adapter": ADAPTERS,
                    "sandbox": st.sampled_from(["danger-full-access", "DangerFullAccess"]),
                    "binary": objects.TEXTS,
                    "extra": ADAPTERS,
                    "finalizers": st.just(["x"]),
                },
            ),
        }
    ),
    max_size=4,
)


@VERSIONS
def test_tampered_residue_never_changes_what_a_provider_means(version: str) -> None:
    there, back = (up, down) if version == "v1alpha1" else (down, up)
    plain = provider(version)

    @MANY
    @given(ENTRIES)
    def check(entries: Any) -> None:
        name = {"v1alpha1": NEW_RESIDUE, "v1beta1": OLD_RESIDUE}[version]
        value = provider(version)
        value["metadata"]["annotations"] = {name: json.dumps(entries)}

        tampered = there(value)

        assert set(tampered["metadata"]) <= {"name", "annotations"}
        assert plain["spec"] == back(tampered)["spec"]

    check()


# --- what the API server says ------------------------------------------------------------------


@pytest.fixture(scope="module")
def providers() -> Iterator[judge.Loaded]:
    definition = crd.crd(API, PROVIDER, webhook={"url": "https://localhost/convert"})
    with judge.Judge(deadline_seconds=60) as asked:
        verdict = asked.check(definition, costs=True)
        assert (True, "", ()) == (verdict.allowed, verdict.message, verdict.warnings)
        assert [] == [cost for cost in verdict.costs if cost.cost * 6 > cost.limit]
        with asked.load(definition) as loaded:
            yield loaded


@VERSIONS
def test_sample_is_taken_in_both_versions(providers: judge.Loaded, version: str) -> None:
    path = ROOT / f"crds/samples/{version}/agentprovider.yaml"
    (document,) = documents.read(path.read_text(), str(path))
    there, back = (up, down) if version == "v1alpha1" else (down, up)

    converted = there(document.value)

    assert [True, True] == [
        providers.create(value).allowed for value in (document.value, converted)
    ]
    assert document.value == back(converted)


FILE = {"path": "/f", "content": "c"}
TOKEN = {"audience": "a", "expirationSeconds": 600, "mountPath": "/t"}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"adapter": {"type": "Exec", "codexAppServer": {}}}, "spec.adapter.codexAppServer"),
        ({"adapter": {"type": "CodexAppServer", "exec": {}}}, "spec.adapter.exec"),
        ({"env": [{**reference("A"), "value": "x"}]}, "spec.env[0]"),
        ({"env": [{"name": "A=B", "value": "x"}]}, "spec.env[0].name"),
        ({"env": [{"name": "A"}, {"name": "A"}]}, "spec.env[1]"),
        ({"files": [{"path": "/f"}]}, "spec.files[0]"),
        ({"files": [{**FILE, "secretKeyRef": {"name": "s", "key": "k"}}]}, "spec.files[0]"),
        ({"files": [{**FILE, "path": "f/g"}]}, "spec.files[0].path"),
        ({"files": [{**FILE, "path": "/workspace/run.json"}]}, "spec.files[0].path"),
        ({"runner": {"command": ""}}, "spec.runner.command"),
        (
            {"workload": {"serviceAccountToken": {**TOKEN, "expirationSeconds": 599}}},
            "spec.workload.serviceAccountToken.expirationSeconds",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refusal_names_the_field(providers: judge.Loaded, spec: dict[str, Any], field: str) -> None:
    verdict = providers.create(provider("v1beta1", **spec))

    assert [field] == [cause.field for cause in verdict.causes]


@pytest.mark.parametrize(
    "spec",
    [
        {"binary": ""},
        {"binary": "b" * 5000, "argsTemplate": ["a" * 70_000] * 200},
        {
            "envTemplate": {f"V{index}": "x" for index in range(500)},
            "secretEnv": [variable("")] * 2,
        },
        {"inputFiles": [{"path": "", "content": ""}] * 100},
        {"adapter": {"type": 5, "codex": [None], "anything": {"goes": None}}},
        {"outputArtifacts": [{"name": ""}] * 60},
        {"workload": {}, "health": {}},
    ],
    ids="-".join,
)
def test_v1alpha1_takes_what_the_world_takes(providers: judge.Loaded, spec: dict[str, Any]) -> None:
    verdict = providers.create(provider("v1alpha1", **spec))

    assert (True, "") == (verdict.allowed, verdict.message)


def test_stored_fault_may_stay_and_no_new_one_comes(providers: judge.Loaded) -> None:
    old = up(provider("v1alpha1", inputFiles=[{"path": "relative", "content": ""}]))
    kept = edited(old, health={"onCapacityExhausted": "Block"})
    worse = edited(old, files=[{"path": "another", "content": ""}])

    assert [True, False] == [providers.update(value, old).allowed for value in (kept, worse)]
