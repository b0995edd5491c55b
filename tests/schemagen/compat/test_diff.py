"""`schemagen diff`: formats, exit codes, allow-lists, renames, and CRDs of other projects."""

import copy
import gzip
import json
import pathlib
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from schemagen import judge, yaml
from schemagen.cli import commands
from schemagen.compat.changes import conjuncts
from schemagen.compat.changes.changes import Outcome
from schemagen.compat.verdicts import differences
from schemagen.problems import JSON
from tests.support import diff_cases

PUBLIC = sorted((pathlib.Path(__file__).parents[2] / "data/crds").glob("*.yaml.gz"))
OUTPUTS = ("table", "text", "json", "markdown", "sarif", "junit", "github")
BEFORE = diff_cases.with_schema("spec.size", {"type": "string", "maxLength": 30})
AFTER = diff_cases.with_schema("spec.size", {"type": "string", "maxLength": 20})
ID = "widgets.example.com/v1/spec.size/max-length-lowered"


@pytest.fixture(scope="module")
def oracle() -> Iterator[judge.Judge]:
    with judge.Judge() as opened:
        yield opened


@pytest.fixture
def files(tmp_path: pathlib.Path) -> tuple[str, str]:
    """A CRD before and now."""
    paths = (tmp_path / "old.yaml", tmp_path / "new.yaml")
    for path, crd in zip(paths, (BEFORE, AFTER), strict=True):
        path.write_text(yaml.dumps(crd))
    return str(paths[0]), str(paths[1])


def run(*arguments: str) -> Result:
    return CliRunner().invoke(commands.app, ["diff", *arguments])


@pytest.mark.parametrize("output", OUTPUTS)
def test_exit_codes_are_the_same_in_every_format(output: str, files: tuple[str, str]) -> None:
    old, new = files

    assert run(old, new, "-o", output).exit_code == 1
    assert run(new, old, "-o", output).exit_code == 1  # readers
    assert run(old, old, "-o", output).exit_code == 0
    assert run(old, f"{new}.missing", "-o", output).exit_code == 2


def test_json_has_verdicts_and_witness(files: tuple[str, str]) -> None:
    (finding,) = json.loads(run(*files, "-o", "json").stdout)["findings"]

    assert ID == finding["id"]
    assert (files[1], "error") == (finding["source"], finding["level"])
    assert "maxLength: 20" in pathlib.Path(files[1]).read_text().splitlines()[finding["line"] - 1]
    writers = finding["audiences"]["writers"]
    assert "breaking" == writers["verdict"]
    assert 20 < len(writers["witness"]["object"]["spec"]["size"]) <= 30
    assert "safe" == finding["audiences"]["stored"]["verdict"]


def test_json_has_values_that_are_zero(tmp_path: pathlib.Path) -> None:
    paths = [tmp_path / f"{bound}.yaml" for bound in (0, 1)]
    for bound, path in enumerate(paths):
        crd = diff_cases.with_schema("spec.size", {"type": "integer", "minimum": bound})
        path.write_text(yaml.dumps(crd))

    report = json.loads(run(*map(str, paths), "-o", "json").stdout)

    (finding,) = report["findings"]
    assert (0, 1) == (finding["before"], finding["after"])
    assert "1 CRDs compared: 1 breaking, 0 unproved, 0 safe changes" == report["summary"]


def test_sarif_and_junit_name_the_change(files: tuple[str, str]) -> None:
    (result,) = json.loads(run(*files, "-o", "sarif").stdout)["runs"][0]["results"]
    suite = ET.fromstring(run(*files, "-o", "junit").stdout)  # noqa: S314 - our own

    assert ("max-length-lowered", "error") == (result["ruleId"], result["level"])
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert ("1", ["widgets.example.com v1"]) == (suite.get("failures"), failed)


def test_markdown_is_a_table_with_details(files: tuple[str, str]) -> None:
    text = run(*files, "-o", "markdown").stdout

    assert text.startswith("## API compatibility\n")
    assert "| `spec.size` | maxLength lowered from 30 to 20 | breaking | safe | safe |" in text
    assert f"<details><summary><code>{ID}</code></summary>" in text


def test_markdown_escapes_bars_in_its_table_only(tmp_path: pathlib.Path) -> None:
    paths = [tmp_path / "old.yaml", tmp_path / "new.yaml"]
    for path, pattern in zip(paths, ("^(a|b)$", "^(a|c)$"), strict=True):
        crd = diff_cases.with_schema("spec.size", {"type": "string", "pattern": pattern})
        path.write_text(yaml.dumps(crd))

    text = run(*map(str, paths), "-o", "markdown").stdout

    (row,) = [line for line in text.splitlines() if line.startswith("| ❌")]
    (now,) = [
        line for line in text.splitlines() if line.startswith("  now: ") and "spec.size" in line
    ]
    assert r"^(a\|c)$" in row
    assert "^(a|c)$" in now


ENTRY = "allow:\n- change: {change}\n  reason: nobody uses it\n  expires: {expires}\n"


@pytest.mark.parametrize(
    ("change", "expires", "expected"),
    [
        (ID, "2999-01-01", (0, "nobody uses it")),
        ("*/max-length-lowered", "2999-01-01", (0, "nobody uses it")),
        (ID, "2020-01-01", (1, "allowance-expired")),
        ("other/v1/spec/field-removed", "2999-01-01", (1, "allowance-unused")),
    ],
)
def test_an_allow_list_allows_until_it_expires(
    files: tuple[str, str], change: str, expires: str, expected: tuple[int, str]
) -> None:
    code, said = expected
    path = pathlib.Path(files[0]).with_name("allowed.yaml")
    path.write_text(ENTRY.format(change=json.dumps(change), expires=expires))

    done = run(*files, "--allow", str(path))

    assert (code, True) == (done.exit_code, said in done.output)


@pytest.mark.parametrize(
    "text",
    [
        "allow: 5\n",
        "allow:\n- change: a\n",
        "allow:\n- {change: a, reason: b, until: c}\n",
        "allow:\n- {change: a, reason: b, expires: soon}\n",
        "- a\n",
    ],
)
def test_a_broken_allow_list_is_an_error(
    files: tuple[str, str], tmp_path: pathlib.Path, text: str
) -> None:
    path = tmp_path / "allowed.yaml"
    path.write_text(text)

    done = run(*files, "--allow", str(path))

    assert done.exit_code == 2
    assert "expected" in done.output


def found(old: JSON, new: JSON, oracle: judge.Judge) -> dict[str, dict[str, str]]:
    sides = diff_cases.definitions(old), diff_cases.definitions(new)
    return diff_cases.outcomes([*differences.of(*sides, oracle)])


def test_crds_are_added_removed_and_renamed(oracle: judge.Judge) -> None:
    renamed = copy.deepcopy(BEFORE)
    renamed["metadata"]["name"] = "gadgets.example.com"
    renamed["spec"]["names"] |= {"plural": "gadgets", "singular": "gadget"}
    breaking = dict.fromkeys(("writers", "readers", "stored"), "breaking")

    assert {"*/./crd-removed": breaking} == found(BEFORE, None, oracle)
    assert {"*/./crd-added": dict.fromkeys(breaking, "safe")} == found(None, BEFORE, oracle)
    assert {"*/./crd-renamed": breaking} == found(BEFORE, renamed, oracle)


def test_an_api_is_compared_with_its_generated_files(tmp_path: pathlib.Path) -> None:
    api = "tests.support.gads:api"
    written = CliRunner().invoke(
        commands.app, ["generate", api, "--out", str(tmp_path), "--no-judge"]
    )

    done = run(str(tmp_path), api)

    assert (0, 0) == (written.exit_code, done.exit_code), done.output


def test_a_crd_that_the_api_server_refuses_is_told(oracle: judge.Judge) -> None:
    wrong = diff_cases.with_schema("spec.size", {"type": "string", "pattern": "["})

    outcomes = found(BEFORE, wrong, oracle)

    assert "breaking" == outcomes["*/./update-refused"]["writers"]
    assert "unproved" == outcomes["v1/spec.size/pattern-added"]["writers"]


@pytest.mark.parametrize("path", PUBLIC, ids=lambda path: path.name.partition(".")[0])
def test_crds_of_other_projects_go_through(path: pathlib.Path, oracle: judge.Judge) -> None:
    (crd,) = [
        value for value in yaml.load_all(gzip.decompress(path.read_bytes())) if value is not None
    ]
    changed = copy.deepcopy(crd)
    for version in changed["spec"]["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        node = schema["properties"].get("spec", schema)
        node.get("properties", {}).pop(next(iter(node.get("properties", {"": 0}))), None)
        node.setdefault("properties", {})["added"] = {"type": "string"}
    sides = diff_cases.definitions(crd), diff_cases.definitions(changed)

    assert [] == [*differences.of(sides[0], sides[0], oracle)]
    outcomes = {difference.outcome for difference in differences.of(*sides, oracle, draws=40)}
    assert Outcome.BREAKING in outcomes


@pytest.mark.parametrize(
    ("part", "others", "is_implied"),
    [
        ("self <= 5", ["self <= 3"], True),
        ("self <= 3", ["self <= 5"], False),
        ("self >= 3", ["self >= 5"], True),
        ("a || b", ["a"], True),
        ("a ? b : c", ["a"], False),
        ("has(self.a)", ["has( self.a )"], True),
        ("x == 'a  b'", ["x == 'a b'"], False),
        ("a || b < 5", ["a || b < 3"], False),
    ],
)
def test_what_rules_imply_by_their_text(part: str, others: list[str], *, is_implied: bool) -> None:
    (parsed,) = conjuncts.conjuncts(part)
    known = {one for other in others for one in conjuncts.conjuncts(other)}

    assert is_implied == conjuncts.is_implied(parsed, known)


def test_a_rule_is_split_where_all_parts_must_hold() -> None:
    assert 2 == len(conjuncts.conjuncts("(a && (b || c))"))
    assert 1 == len(conjuncts.conjuncts("a || b && c"))
    assert 1 == len(conjuncts.conjuncts("a ? b && c : d"))
