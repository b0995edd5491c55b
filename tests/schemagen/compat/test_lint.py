"""Each lint rule finds its case in `tests/data/crdlint`, and nothing in its fixed form.

A case has a CRD, the expected findings, and the fixed CRD. Rules that are off by default are run
alone.
"""

import pathlib

import pytest

from schemagen import judge, yaml
from schemagen.compat import sources
from schemagen.compat.findings import Finding, Level
from schemagen.compat.lint import catalog, run
from schemagen.problems import JSON

pytestmark = pytest.mark.slow

CASES = sorted((pathlib.Path(__file__).parents[2] / "data/crdlint").glob("*.yaml"))
BY_ID = {rule.id: rule for rule in catalog.RULES}
DEFAULT = [rule for rule in catalog.RULES if rule.is_default]
# Too large for a case file; tests below make them.
MADE = {"size-apply", "size-etcd"}


@pytest.fixture(scope="module")
def oracle() -> judge.Judge:
    return judge.Judge()


def definition(value: JSON) -> sources.Definition:
    (found,) = sources.parsed(yaml.dumps(value).encode(), "crd.yaml")
    return found


def lint(value: JSON, rule: str, oracle: judge.Judge) -> tuple[Finding, ...]:
    rules = DEFAULT if BY_ID[rule].is_default else [BY_ID[rule]]
    return run.lint([definition(value)], oracle, rules).findings


def shown(finding: Finding) -> JSON:
    fields = {
        "rule": finding.rule,
        "level": finding.level.value,
        "path": finding.path,
        "message": finding.message,
        "line": finding.line,
    }
    return {name: value for name, value in fields.items() if value}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_rule_finds_its_case_and_nothing_in_the_fixed_one(
    path: pathlib.Path, oracle: judge.Judge
) -> None:
    faulty, expected, fixed = yaml.load_all(path.read_bytes())

    assert expected["findings"] == [*map(shown, lint(faulty, path.stem, oracle))]
    assert path.stem in {entry["rule"] for entry in expected["findings"]}
    assert () == lint(fixed, path.stem, oracle)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_api_server_accepts_what_is_wrong_and_what_is_fixed(
    path: pathlib.Path, oracle: judge.Judge
) -> None:
    faulty, expected, fixed = yaml.load_all(path.read_bytes())
    is_refused = {"refused", "cost-budget", "selectable-type"} & {
        entry["rule"] for entry in expected["findings"]
    }

    assert bool(is_refused) != oracle.check(faulty, strict=False).allowed
    assert oracle.check(fixed).allowed


def test_every_rule_has_a_case() -> None:
    assert {rule.id for rule in catalog.RULES} - MADE == {path.stem for path in CASES}


def test_ids_are_unique_and_themes_are_no_ids() -> None:
    ids = [rule.id for rule in catalog.RULES]

    assert len(set(ids)) == len(ids)
    assert set(ids).isdisjoint(rule.theme for rule in catalog.RULES)


@pytest.mark.parametrize(("size", "rule"), [(270_000, "size-apply"), (1_600_000, "size-etcd")])
def test_large_crd_is_found(size: int, rule: str, oracle: judge.Judge) -> None:
    _, _, value = yaml.load_all(CASES[0].read_bytes())
    small = lint(value, rule, oracle)
    schema = value["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["description"] = "x" * size

    found = {finding.rule for finding in lint(value, rule, oracle)}

    assert rule in found
    assert rule not in {finding.rule for finding in small}


def test_rules_that_are_too_expensive_together_are_refused(oracle: judge.Judge) -> None:
    (path,) = (path for path in CASES if path.stem == "cost-near")
    value, _, _ = yaml.load_all(path.read_bytes())
    properties = spec_of(value)["properties"]
    properties |= {f"sizes{index}": properties["sizes"] for index in range(14)}

    errors = [found for found in lint(value, "refused", oracle) if found.level is Level.ERROR]

    assert ["refused"] == [found.rule for found in errors]
    assert "total for entire OpenAPIv3 schema exceeds budget" in errors[0].message


NULLS = (
    *("enum", "required", "items", "minItems", "maxItems", "minLength", "maxLength", "pattern"),
    *("minimum", "maximum", "multipleOf", "oneOf", "anyOf", "allOf", "not", "format"),
    *("properties", "additionalProperties", "nullable", "x-kubernetes-list-map-keys"),
)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_keyword_that_is_null_says_nothing(path: pathlib.Path, oracle: judge.Judge) -> None:
    value, expected, _ = yaml.load_all(path.read_bytes())

    for version in value["spec"]["versions"]:
        with_nulls(version.get("schema", {}).get("openAPIV3Schema", {}))

    found = {(finding.rule, finding.path) for finding in lint(value, path.stem, oracle)}
    assert {(entry["rule"], entry.get("path", "")) for entry in expected["findings"]} == found


def with_nulls(schema: JSON) -> None:
    """Write each keyword that a node does not have as null."""
    for name, child in (schema.get("properties") or {}).items():
        if name not in {"apiVersion", "kind", "metadata"}:
            with_nulls(child)
    if isinstance(schema.get("items"), dict):
        with_nulls(schema["items"])
    schema |= {word: None for word in NULLS if word not in schema}


def test_default_of_a_field_with_a_dot_is_found(oracle: judge.Judge) -> None:
    (path,) = (path for path in CASES if path.stem == "default-refused")
    value, _, _ = yaml.load_all(path.read_bytes())
    spec = spec_of(value)
    spec["properties"]["a.b"] = {"type": "integer", "format": "int64", "default": 9}
    spec["x-kubernetes-validations"] = [{"rule": "self.a__dot__b < 5", "message": "be small"}]

    (finding,) = lint(value, "default-refused", oracle)

    assert "expected a default of a.b " in finding.message
    assert {} == finding.details["witness"]


def test_format_is_known_in_any_spelling(oracle: judge.Judge) -> None:
    """The API server drops dashes: kube-openapi, pkg/validation/strfmt."""
    (path,) = (path for path in CASES if path.stem == "format-ignored")
    _, _, value = yaml.load_all(path.read_bytes())
    spec_of(value)["properties"]["name"] = {"type": "string", "format": "k8sshortname"}

    assert () == oracle.check(value).warnings
    assert () == lint(value, "format-ignored", oracle)


def spec_of(crd: JSON) -> JSON:
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema["properties"]["spec"]


def test_size_is_that_of_what_the_author_applies(oracle: judge.Judge) -> None:
    """A CRD of a cluster has been applied: its annotation and managed fields are not counted."""
    _, _, value = yaml.load_all(CASES[0].read_bytes())
    value["metadata"]["annotations"] = {
        "kubectl.kubernetes.io/last-applied-configuration": "x" * 200_000
    }
    value["metadata"]["managedFields"] = [{"manager": "x" * 100_000}]

    assert "size-apply" not in {finding.rule for finding in lint(value, "size-apply", oracle)}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_witness_is_judged_as_the_finding_says(path: pathlib.Path, oracle: judge.Judge) -> None:
    """A finding with a witness is one that the whole CRD shows as well."""
    faulty, _, _ = yaml.load_all(path.read_bytes())
    head = {"apiVersion": "example.com/v1", "kind": "Widget"}
    meta = {"metadata": {"name": "a", "namespace": "default"}}

    for finding in lint(faulty, path.stem, oracle):
        witness: JSON = finding.details.get("witness")
        if finding.rule == "cel-immutable-optional":
            old, between, new = ({**head, **meta, "spec": spec} for spec in witness)
            loaded = oracle.load(faulty)
            assert loaded.update(between, old).allowed
            assert loaded.update(new, between).allowed
            assert not loaded.update(new, old).allowed
        elif witness is not None:
            value = witness
            for name in reversed(finding.path.split(".") if finding.path else []):
                value = {name: value}
            verdict = oracle.load(faulty).create({**value, **head, **meta})
            assert verdict.causes
            if finding.rule == "cel-optional":
                assert any("no such key" in cause.message for cause in verdict.causes)


@pytest.mark.parametrize(
    "rule", ["cel-optional", "cel-immutable-optional", "cel-never-true", "default-refused"]
)
def test_finding_about_values_has_a_witness(rule: str, oracle: judge.Judge) -> None:
    (path,) = (path for path in CASES if path.stem == rule)
    faulty, _, _ = yaml.load_all(path.read_bytes())

    assert "witness" in lint(faulty, rule, oracle)[0].details
