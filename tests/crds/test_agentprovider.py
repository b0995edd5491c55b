"""AgentProvider between its versions: nothing is lost, nothing is widened, little is residue."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemagen import judge
from schemagen.schema import structural
from tests.support import kinds, objects, round_trips

RUNNER = "/usr/local/bin/agent-runner"
PROVIDER = kinds.Subject(
    "AgentProvider",
    {
        kinds.OLD: {"binary": RUNNER, "adapter": {"type": "codex-app-server"}},
        kinds.NEW: {"runner": {"command": RUNNER}, "adapter": {"type": "CodexAppServer"}},
    },
)
loaded = kinds.judged(PROVIDER)


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


def drawn(version: str) -> st.SearchStrategy[Any]:
    """Specs of a version's schema, with what conversions look for in free-form settings."""
    found = PROVIDER.kind.version(version)
    assert found is not None
    properties = structural.schema_of(found.model, descriptions=False)["properties"]
    spec = objects.valid(properties["spec"])
    if version == kinds.OLD:
        spec = st.builds(lambda drawn, more: drawn | more, spec, OLD_FIELDS)
    else:
        more = st.fixed_dictionaries({}, optional={"extra": ADAPTERS | INNER})
        spec = st.builds(freed, spec, more, INNER)
    return st.fixed_dictionaries({"spec": spec})


@kinds.VERSIONS
@pytest.mark.parametrize("is_mangled", [False, True])
def test_settings_that_conversion_looks_for_come_back(version: str, *, is_mangled: bool) -> None:
    bodies = objects.mangled(drawn(version)) if is_mangled else drawn(version)

    @kinds.MANY
    @given(round_trips.whole(PROVIDER.kind, version, bodies))
    def check(value: dict[str, Any]) -> None:
        kinds.assert_comes_back(value)

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
@pytest.mark.parametrize("adapter", [{}, {"adapter": {}}], ids=json.dumps)
def test_adapter_without_a_type_is_inferred(
    adapter: dict[str, Any], binary: str, inferred: str
) -> None:
    value = PROVIDER.one("v1alpha1") | {"spec": {"binary": binary, **adapter}}
    plain = PROVIDER.one("v1beta1", runner={"command": binary}, adapter={"type": inferred})

    kinds.assert_stands_aside(value, plain)


def test_inferred_adapter_stays_when_the_program_changes() -> None:
    value = PROVIDER.one("v1alpha1")
    del value["spec"]["adapter"]

    older = kinds.convert(kinds.edited(kinds.convert(value), runner={"command": "/bin/bash"}))

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
    } == PROVIDER.up(adapter=adapter)["spec"]["adapter"]


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
    } == PROVIDER.up(adapter=adapter)["spec"]["adapter"]


@pytest.mark.parametrize("word", ["claude", "Exec", ""])
def test_adapter_that_v1beta1_does_not_know_is_extra(word: str) -> None:
    adapter = {"type": word, "codex": CODEX, "claude": {"model": "opus"}}

    assert {"extra": adapter} == PROVIDER.up(adapter=adapter)["spec"]["adapter"]


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
    settings = PROVIDER.down(adapter={"type": "CodexAppServer", **adapter})["spec"]["adapter"]

    assert "codex-app-server" == settings["type"]
    assert {} == settings.get("codex", {})


# --- rows 23 to 26: the environment, files and health ------------------------------------------

TOKEN = reference("T")
TOKEN["valueFrom"]["secretKeyRef"]["optional"] = False
BOTH_SAY: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "templates and secrets become one list": (
        {
            "envTemplate": {"B": "2", "A": "{{ inputs.a }}"},
            "secretEnv": [{**variable("T"), "optional": False}],
        },
        {"env": [{"name": "A", "value": "{{ inputs.a }}"}, {"name": "B", "value": "2"}, TOKEN]},
    ),
    **{
        f"capacity policy {new}": (
            {"health": {"capacityFailurePolicy": old}},
            {"health": {"onCapacityExhausted": new}},
        )
        for old, new in (("degrade", "Degrade"), ("block", "Block"))
    },
}


@pytest.mark.parametrize(("old", "new"), BOTH_SAY.values(), ids=BOTH_SAY)
def test_what_both_versions_say_needs_no_annotation(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    kinds.assert_both_say(PROVIDER.one("v1alpha1", **old), PROVIDER.one("v1beta1", **new))


ONLY_OLD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "of variables with one name the later counts": (
        {
            "envTemplate": {"A": "1", "B": "2"},
            "secretEnv": [variable("A", "one"), variable("C"), variable("A", "two")],
        },
        {"env": [{"name": "B", "value": "2"}, reference("C"), reference("A", "two")]},
    ),
    **{
        f"variable without {part} does not hide a template": (
            {"envTemplate": {"A": "1"}, "secretEnv": [{**variable("A"), part: " "}]},
            {"env": [{"name": "A", "value": "1"}]},
        )
        for part in ("name", "secretName", "key")
    },
    "of files with one path the first is read": (
        {"inputFiles": [{"path": "/a", "content": "1"}, {"path": "/a", "content": "2"}]},
        {"files": [{"path": "/a", "content": "1"}]},
    ),
}


@pytest.mark.parametrize(("old", "new"), ONLY_OLD.values(), ids=ONLY_OLD)
def test_what_v1beta1_cannot_say_comes_back(old: dict[str, Any], new: dict[str, Any]) -> None:
    kinds.assert_stands_aside(PROVIDER.one("v1alpha1", **old), PROVIDER.one("v1beta1", **new))


ONLY_NEW: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "order of variables": (
        {"env": [reference("T"), {"name": "B", "value": "$(T)"}, {"name": "A", "value": ""}]},
        {"envTemplate": {"A": "", "B": "$(T)"}, "secretEnv": [variable("T")]},
    ),
    "variable without a value is empty": (
        {"env": [{"name": "A"}]},
        {"envTemplate": {"A": ""}},
    ),
    "files from objects": (
        {
            "files": [
                {"path": "/a", "configMapKeyRef": {"name": "c", "key": "k"}},
                {"path": "/b", "content": "text"},
                {"path": "/c", "secretKeyRef": {"name": "s", "key": "k"}},
            ]
        },
        {"inputFiles": [{"path": "/b", "content": "text"}]},
    ),
}


@pytest.mark.parametrize(("new", "old"), ONLY_NEW.values(), ids=ONLY_NEW)
def test_what_v1alpha1_cannot_say_comes_back(new: dict[str, Any], old: dict[str, Any]) -> None:
    kinds.assert_stands_aside(PROVIDER.one("v1beta1", **new), PROVIDER.one("v1alpha1", **old))


# --- rows 23 and 24: variables that stand in the adapter ---------------------------------------

AT_ADAPTER = {"adapter": {"type": "exec", "secretEnv": [SECRET]}}
AT_CODEX = {"adapter": {"type": "codex-app-server", "codex": {"model": "m", "secretEnv": [SECRET]}}}
CODEX_OF_EXEC = {"adapter": {"type": "exec", "codex": {"secretEnv": [SECRET]}}}
FALLBACKS = pytest.mark.parametrize("spec", [AT_ADAPTER, AT_CODEX, CODEX_OF_EXEC], ids=json.dumps)


@FALLBACKS
def test_variables_found_in_the_adapter_are_folded_and_go_back(spec: dict[str, Any]) -> None:
    value = PROVIDER.one("v1alpha1", **spec)

    newer = kinds.convert(value)

    assert [reference("X", "admin")] == newer["spec"]["env"]
    assert "secretEnv" not in json.dumps(newer["spec"])
    assert value == kinds.convert(newer)


@FALLBACKS
@pytest.mark.parametrize("env", [[reference("X", "mine")], [], None, [{"name": "A", "value": "a"}]])
def test_edited_variables_do_not_come_back_in_the_adapter(spec: dict[str, Any], env: Any) -> None:
    older = kinds.convert(kinds.edited(PROVIDER.up(**spec), env=env))

    assert "admin" not in json.dumps(older["spec"])


@FALLBACKS
@pytest.mark.parametrize("counting", [[], [variable("Y", "mine")]])
def test_list_that_does_not_count_stays_a_setting(
    spec: dict[str, Any], counting: list[dict[str, Any]]
) -> None:
    value = PROVIDER.one("v1alpha1", **spec, secretEnv=counting)

    newer = kinds.convert(value)

    assert [reference("Y", "mine")] * len(counting) == newer["spec"]["env"]
    assert "annotations" not in newer["metadata"]
    assert value == kinds.convert(newer)
    assert "admin" not in json.dumps(kinds.convert(kinds.edited(newer, env=None))["spec"])


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
    value = PROVIDER.one("v1beta1", adapter={"type": "CodexAppServer", **adapter}, **env)

    older = kinds.convert(value)

    assert "admin" not in json.dumps(older["spec"])
    assert value == kinds.convert(older)


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
    value = PROVIDER.one("v1alpha1", **spec)

    newer = kinds.convert(value)

    assert "annotations" not in newer["metadata"]
    assert value == kinds.convert(newer)


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
    value = {**PROVIDER.one(version), "spec": spec}

    converted = kinds.convert(value)

    assert expected == converted["spec"]
    assert value == kinds.convert(converted)


@kinds.VERSIONS
@pytest.mark.parametrize("spec", kinds.NO_SPECS)
def test_partial_provider_gains_no_spec(version: str, spec: Any) -> None:
    kinds.assert_part_gains_nothing(PROVIDER, version, spec)


@kinds.VERSIONS
def test_status_comes_back(version: str) -> None:
    kinds.assert_status_comes_back(PROVIDER, version)


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


@kinds.VERSIONS
def test_tampered_residue_never_changes_what_a_provider_means(version: str) -> None:
    @kinds.MANY
    @given(ENTRIES)
    def check(entries: Any) -> None:
        tampered = kinds.convert(PROVIDER.tampered(version, entries))

        assert set(tampered["metadata"]) <= {"name", "annotations"}
        assert PROVIDER.one(version)["spec"] == kinds.convert(tampered)["spec"]

    check()


# --- what the API server says ------------------------------------------------------------------


def test_definition_is_accepted_without_a_warning() -> None:
    kinds.assert_definition_is_accepted(PROVIDER)


@kinds.VERSIONS
def test_sample_is_taken_in_both_versions_and_comes_back(
    loaded: judge.Loaded, version: str
) -> None:
    kinds.assert_samples_are_taken(PROVIDER, loaded, version)


FILE = {"path": "/f", "content": "c"}
SERVICE_TOKEN = {"audience": "a", "expirationSeconds": 600, "mountPath": "/t"}
EXPIRATION = "spec.workload.serviceAccountToken.expirationSeconds"


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    (
        {"adapter": {"type": "Exec", "codexAppServer": {}}},
        "spec.adapter.codexAppServer",
        "Forbidden: codexAppServer requires type CodexAppServer",
    ),
    (
        {"adapter": {"type": "CodexAppServer", "exec": {}}},
        "spec.adapter.exec",
        "Forbidden: exec requires type Exec",
    ),
    (
        {"env": [{**reference("A"), "value": "x"}]},
        "spec.env[0]",
        "Invalid value: value and valueFrom are mutually exclusive",
    ),
    (
        {"env": [{"name": "A=B", "value": "x"}]},
        "spec.env[0].name",
        "Invalid value: \"A=B\": spec.env[0].name in body should match '^[ -<>-~]+$'",
    ),
    ({"env": [{"name": "A"}, {"name": "A"}]}, "spec.env[1]", 'Duplicate value: {"name":"A"}'),
    *(
        (
            {"files": [{"path": "/f", **text}]},
            "spec.files[0]",
            "Invalid value: exactly one of content, configMapKeyRef, secretKeyRef must be set",
        )
        for text in ({}, {"content": "c", "secretKeyRef": {"name": "s", "key": "k"}})
    ),
    (
        {"files": [{**FILE, "path": "f/g"}]},
        "spec.files[0].path",
        "Invalid value: \"f/g\": spec.files[0].path in body should match '^/'",
    ),
    (
        {"files": [{**FILE, "path": "/workspace/run.json"}]},
        "spec.files[0].path",
        "Forbidden: the path is reserved for a file written by the controller; choose another path",
    ),
    (
        {"runner": {"command": ""}},
        "spec.runner.command",
        'Invalid value: "": spec.runner.command in body should be at least 1 chars long',
    ),
    (
        {"workload": {"serviceAccountToken": {**SERVICE_TOKEN, "expirationSeconds": 599}}},
        EXPIRATION,
        f"Invalid value: 599: {EXPIRATION} in body should be greater than or equal to 600",
    ),
]


@pytest.mark.parametrize(
    ("spec", "field", "message"), REFUSED, ids=[json.dumps(spec) for spec, *_ in REFUSED]
)
def test_mistake_is_refused_with_its_field(
    loaded: judge.Loaded, spec: dict[str, Any], field: str, message: str
) -> None:
    verdict = loaded.create(PROVIDER.one("v1beta1", **spec))

    assert [(field, message)] == kinds.refusals(verdict)


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
def test_v1alpha1_takes_what_the_world_takes(loaded: judge.Loaded, spec: dict[str, Any]) -> None:
    verdict = loaded.create(PROVIDER.one("v1alpha1", **spec))

    assert (True, "") == (verdict.allowed, verdict.message)


def test_stored_fault_may_stay_and_no_new_one_comes(loaded: judge.Loaded) -> None:
    old = PROVIDER.up(inputFiles=[{"path": "relative", "content": ""}])
    kept = kinds.edited(old, health={"onCapacityExhausted": "Degrade"})
    worse = kinds.edited(old, files=[{"path": "another", "content": ""}])

    assert [True, False] == [loaded.update(value, old).allowed for value in (kept, worse)]
