"""docs/lint.md lists every rule, and its examples are what they say."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

from schemagen import judge, yaml
from schemagen.compat import sources
from schemagen.compat.lint import catalog, run, suppressions
from schemagen.compat.lint.registry import Rule

ROOT = pathlib.Path(__file__).parents[2]
TEXT = (ROOT / "docs/lint.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
ROWS = re.findall(r"^\| (\w+) \| (.*) \|$", TEXT, re.MULTILINE)
OTHERS = {
    "crd-schema-checker": frozenset(
        {"NoBools", "NoFloats", "NoUints", "NoFieldRemoval", "NoEnumRemoval", "NoMaps"}
        | {"NoDataTypeChange", "MustHaveStatus", "ListsMustHaveSSATags"}
        | {"ConditionsMustHaveProperSSATags", "NoNewRequiredFields", "MustNotExceedCostBudget"}
    ),
    "kube-api-linter": frozenset(
        {"arrayofstruct", "commentstart", "conditions", "conflictingmarkers", "defaultorrequired"}
        | {"defaults", "dependenttags", "duplicatemarkers", "forbiddenmarkers", "integers"}
        | {"jsontags", "maxlength", "minlength", "namingconventions", "nobools", "nodurations"}
        | {"nofloats", "nomaps", "nonpointerstructs", "nonullable", "nophase", "noreferences"}
        | {"notimestamp", "optionalfields", "optionalorrequired", "preferredmarkers"}
        | {"requiredfields", "ssatags", "statusoptional", "statussubresource", "uniquemarkers"}
    ),
}


@pytest.mark.parametrize("rule", catalog.RULES, ids=lambda rule: rule.id)
def test_rule_is_listed_as_the_catalog_has_it(rule: Rule) -> None:
    level = rule.level.value + (", `--fix`" if rule.is_fixed else "")

    assert f"| `{rule.id}` | {level} | {rule.finds} | {rule.why} | {rule.fix} |\n" in TEXT


@pytest.mark.parametrize("tool", OTHERS)
def test_every_rule_of_the_other_tools_has_an_answer(tool: str) -> None:
    answers = dict(ROWS)

    for name in OTHERS[tool]:
        ours = [rule.id for rule in catalog.RULES if f"{tool} {name}" in rule.others]
        assert ours == [word for word in re.findall(r"`([^`]+)`", answers[name]) if word in ours]
        assert answers[name]


def test_only_rules_that_exist_elsewhere_are_named_as_counterparts() -> None:
    named = {other for rule in catalog.RULES for other in rule.others if "(" not in other}

    assert named <= {f"{tool} {name}" for tool, names in OTHERS.items() for name in names}


def test_example_of_an_annotation_suppresses() -> None:
    faulty, _, _ = yaml.load_all((ROOT / "tests/data/crdlint/list-type-missing.yaml").read_bytes())
    faulty["metadata"] = yaml.load(BLOCKS[0].encode())["metadata"]
    (definition,) = sources.parsed(yaml.dumps(faulty).encode(), "crd.yaml")

    with judge.Judge() as oracle:
        report = run.lint([definition], oracle, catalog.RULES)

    rules = {finding.rule for finding in report.findings}
    assert 1 == report.suppressed
    assert suppressions.INVALID not in rules
    assert "list-type-missing" not in rules
    assert suppressions.UNUSED in rules  # of the zone that this CRD has not


def test_example_of_a_configuration_is_one() -> None:
    settings = suppressions.config(BLOCKS[1].encode(), "lint.yaml", run.KNOWN)

    assert (["all"], 2) == ([*settings.select], len(settings.suppress))


def test_inputs_of_the_action_and_hooks_exist() -> None:
    action = yaml.load((ROOT / "action.yml").read_bytes())
    hooks = {hook["id"] for hook in yaml.load((ROOT / ".pre-commit-hooks.yaml").read_bytes())}
    (step,) = (step for step in yaml.load(BLOCKS[2].encode()) if "OWNER" in step["uses"])
    (repository,) = yaml.load(BLOCKS[4].encode())

    assert step["with"].keys() <= action["inputs"].keys()
    assert {hook["id"] for hook in repository["hooks"]} <= hooks


def test_script_of_the_pipeline_writes_its_report(tmp_path: pathlib.Path) -> None:
    job = yaml.load(BLOCKS[3].encode())["lint-crds"]
    _, _, fixed = yaml.load_all((ROOT / "tests/data/crdlint/conditions.yaml").read_bytes())
    (tmp_path / "crds").mkdir()
    (tmp_path / "crds/widgets.yaml").write_text(yaml.dumps(fixed))
    install, script = job["script"]

    subprocess.run(
        ["/bin/sh", "-c", script.replace("schemagen", f"{sys.executable} -m schemagen")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )

    assert "pip install kubewright" == install
    report = (tmp_path / job["artifacts"]["reports"]["junit"]).read_text()
    assert '<testsuite name="schemagen lint" tests="1" failures="0"' in report
