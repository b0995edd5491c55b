"""``schemagen lint`` as a user runs it: suppressions, selections, formats, exit codes."""

import functools
import json
import pathlib
from collections.abc import Callable
from typing import TypeAlias

import pytest

from schemagen import judge, yaml
from schemagen.compat import sources
from schemagen.compat.findings import Finding, Level
from schemagen.compat.lint import catalog, registry, run, suppressions
from schemagen.problems import JSON, UserError
from tests.support.forked_commands import Commands, Outcome

Command: TypeAlias = Callable[..., Outcome]

ROOT = pathlib.Path(__file__).parents[3]
CASES = ROOT / "tests/data/crdlint"
LISTS = [rule for rule in catalog.RULES if rule.theme == "lists"]


@pytest.fixture
def command(commands: Commands) -> Command:
    return functools.partial(commands.run, "schemagen", "lint", cwd=ROOT)


def faulty(case: str) -> JSON:
    return yaml.load_all((CASES / f"{case}.yaml").read_bytes())[0]


def lint(value: JSON, annotation: str = "", config: str = "") -> run.Report:
    if annotation:
        value["metadata"]["annotations"] = {suppressions.ANNOTATION: annotation}
    (definition,) = sources.parsed(yaml.dumps(value).encode(), "crd.yaml")
    settings = suppressions.config(config.encode(), "lint.yaml", run.KNOWN)
    with judge.Judge() as oracle:
        return run.lint([definition], oracle, LISTS, suppress=settings.suppress)


def rules(report: run.Report) -> list[str]:
    return [finding.rule for finding in report.findings]


@pytest.mark.slow
def test_our_own_crds_have_no_findings(command: Command) -> None:
    done = command("crds:api", "--config", "crds/lint.yaml")

    assert ("", 0) == (done.out, done.code)
    assert "schemagen: 7 CRDs: 0 errors, 0 warnings, 0 notes, 7 suppressed\n" == done.err


@pytest.mark.parametrize(
    ("annotation", "expected", "suppressed"),
    [
        ("list-type-missing spec.tags: one value", [], 1),
        ("list-type-missing: one value", [], 1),
        ("list-type-missing spec.*: one value\n\n", [], 1),
        ("list-type-missing spec.other: w", ["suppression-unused", "list-type-missing"], 0),
        ("list-type-missing spec.tags", ["suppression-invalid", "list-type-missing"], 0),
        ("list-type-gone: why", ["suppression-invalid", "list-type-missing"], 0),
        # Its rule did not run, so nothing is known of it.
        ("cel-optional: why", ["list-type-missing"], 0),
    ],
)
def test_annotation_suppresses_with_a_reason(
    annotation: str, expected: list[str], suppressed: int
) -> None:
    report = lint(faulty("list-type-missing"), annotation)

    assert (expected, suppressed) == (rules(report), report.suppressed)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("{rule: list-type-missing, reason: w}", []),
        ("{rule: list-type-missing, crd: '*.example.com', path: spec.tags, reason: w}", []),
        ("{rule: list-type-missing, crd: widgets.example.com, version: v1, reason: w}", []),
        ("{rule: list-type-missing, version: v2, reason: w}", ["list-type-missing"]),
        ("{rule: list-type-missing, crd: '*.example.org', reason: w}", ["list-type-missing"]),
    ],
)
def test_file_suppresses_by_name_version_and_path(entry: str, expected: list[str]) -> None:
    report = lint(faulty("list-type-missing"), config=f"suppress: [{entry}]")

    assert expected == [rule for rule in rules(report) if rule != suppressions.UNUSED]
    assert (suppressions.UNUSED in rules(report)) == bool(expected)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("[]", "lint.yaml: expected select, ignore and suppress, got []"),
        ("suppress: 5", "lint.yaml: expected a list as suppress, got 5"),
        ("suppress: [{rule: x, reason: w}]", "suppress[0]: expected the id of a rule, got 'x'"),
        ("suppress: [{rule: refused}]", "lint.yaml: suppress[0]: expected a reason, got none"),
        ("suppress: [{rule: refused, reason: 5}]", "lint.yaml: suppress[0]: expected texts"),
        ("a: [", "lint.yaml:"),
    ],
)
def test_config_that_is_none_is_explained(config: str, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        suppressions.config(config.encode(), "lint.yaml", run.KNOWN)

    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("select", "ignore", "expected"),
    [
        ([], [], {rule.id for rule in catalog.RULES if rule.is_default}),
        (["all"], ["conventions"], {r.id for r in catalog.RULES if r.theme != "conventions"}),
        (
            ["boolean", "lists"],
            ["conditions"],
            {"boolean", "list-type-missing", "list-set-objects"},
        ),
    ],
)
def test_rules_are_chosen(select: list[str], ignore: list[str], expected: set[str]) -> None:
    assert expected == {rule.id for rule in registry.chosen(catalog.RULES, select, ignore)}


def test_unknown_rule_is_explained() -> None:
    with pytest.raises(UserError, match=r"expected a rule .* got 'bolean'"):
        registry.chosen(catalog.RULES, ["bolean"], [])


def test_findings_of_an_earlier_revision_are_left_out(
    command: Command, tmp_path: pathlib.Path
) -> None:
    value = faulty("list-type-missing")
    (tmp_path / "old.yaml").write_text(yaml.dumps(value))
    properties = value["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    properties["spec"]["properties"]["more"] = properties["spec"]["properties"]["tags"]
    (tmp_path / "new.yaml").write_text(yaml.dumps(value))

    done = command("new.yaml", "--old", "old.yaml", "-o", "json", cwd=tmp_path)

    assert ["spec.more"] == [found["path"] for found in json.loads(done.out)["findings"]]


def test_suppression_of_an_earlier_finding_is_not_unused() -> None:
    (definition,) = sources.parsed(yaml.dumps(faulty("list-type-missing")).encode(), "crd.yaml")
    suppress = [suppressions.Suppression("list-type-missing", "one value")]

    with judge.Judge() as oracle:
        before = run.lint([definition], oracle, LISTS).findings
        known = frozenset(map(run.identity, before))
        report = run.lint([definition], oracle, LISTS, suppress=suppress, known=known)

    assert [] != [*before]
    assert ((), 1) == (report.findings, report.suppressed)


def test_unreadable_file_does_not_stop_the_others(command: Command, tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [")
    (tmp_path / "b.yaml").write_text(yaml.dumps(faulty("list-type-missing")))

    done = command(".", cwd=tmp_path)

    assert 2 == done.code
    assert "(list-type-missing)" in done.out
    assert "a.yaml:2: expected YAML" in done.err


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"versions": [{"name": "v1", "schema": 5}]}, "refused"),
        (
            {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": {"properties": 3}}}]},
            "refused",
        ),
        ({"versions": []}, "refused"),
    ],
)
def test_crd_that_cannot_be_decoded_is_refused_in_a_line(value: JSON, expected: str) -> None:
    crd = {
        "apiVersion": sources.API_VERSION,
        "kind": sources.KIND,
        "metadata": {"name": "a.b"},
        "spec": value,
    }
    (definition,) = sources.parsed(yaml.dumps(crd).encode(), "crd.yaml")

    with judge.Judge() as oracle:
        report = run.lint([definition], oracle, catalog.RULES)

    assert {expected} <= set(rules(report))


def test_list_of_rules_is_complete(command: Command) -> None:
    text, listed = command("--list-rules"), command("--list-rules", "-o", "json")

    assert [rule.id for rule in catalog.RULES] == [
        line.split()[0] for line in text.out.splitlines()
    ]
    assert [rule.id for rule in catalog.RULES] == [rule["id"] for rule in json.loads(listed.out)]


def test_no_reference_is_explained(command: Command) -> None:
    done = command()

    assert 2 == done.code
    assert "expected CRDs to lint" in done.err


def test_identity_is_that_of_another_revision() -> None:
    one = Finding("a", Level.NOTE, "five", "old.yaml", 3, "x v1", "spec")
    other = Finding("a", Level.NOTE, "six", "new.yaml", 9, "x v1", "spec")

    assert run.identity(one) == run.identity(other)
