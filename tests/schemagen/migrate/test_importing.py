"""Imported models: the CRD that they come from, as code that reads like ours."""

import ast
import asyncio
import copy
import pathlib
import random
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemagen import judge, yaml
from schemagen.compat import sources
from schemagen.migrate.importing import modules, names, normalization, verification
from schemagen.migrate.importing.python import expressions, layout
from schemagen.problems import JSON
from tests.support import depth, import_proof, judge_draws

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[3]
GADGETS = ROOT / "tests/data/import/gadgets.yaml"
PUBLIC = import_proof.files_of(import_proof.DATA)


def crds(path: pathlib.Path) -> list[dict[str, Any]]:
    content = import_proof.content_of(path)
    return [definition.value for definition in sources.parsed(content, path.name)]


def places(texts: Mapping[str, str], crd: JSON) -> list[str]:
    found = verification.differences(texts, [crd])
    return [str(place) for of_crd in found.values() for place in of_crd]


def test_module_of_a_crd_reads_like_our_models() -> None:
    assert GADGETS.with_suffix(".txt").read_text() == modules.single(crds(GADGETS))


def test_models_generate_the_crd_that_they_come_from() -> None:
    (crd,) = crds(GADGETS)

    assert [] == places({"models.py": modules.single([crd])}, crd)
    assert [] == places(modules.package([crd]), crd)


@pytest.mark.parametrize("path", PUBLIC, ids=lambda path: path.name.partition(".")[0])
def test_public_crd_is_generated_again(path: pathlib.Path) -> None:
    for crd in crds(path):
        assert [] == places({"models.py": modules.single([crd])}, crd)


OBJECTS = depth.draws(100)


@pytest.mark.slow
def test_public_crds_are_proved_with_objects() -> None:
    tally = import_proof.Tally()

    with judge.Judge(deadline_seconds=60) as oracle:
        for path in (path for path in PUBLIC if path.stat().st_size < 10_000):
            asyncio.run(import_proof.prove(tally, path, oracle, objects=OBJECTS, seed=1))

    assert [] == tally.faults
    assert tally.objects == OBJECTS * tally.versions > 0
    assert 0 < tally.allowed < tally.objects


def test_models_and_judge_agree_about_objects() -> None:
    tally = import_proof.Tally()

    with judge.Judge(deadline_seconds=60) as oracle:
        asyncio.run(import_proof.prove(tally, GADGETS, oracle, objects=60, seed=0))

    assert [] == tally.faults
    assert (1, 2, 120) == (tally.crds, tally.versions, tally.objects)
    assert 0 < tally.allowed < 120


@pytest.fixture(scope="module")
def oracle() -> Any:
    with judge.Judge(deadline_seconds=60) as opened:
        yield opened


@pytest.mark.parametrize("start", range(0, 120, 10))
def test_drawn_crds_are_generated_again(oracle: judge.Judge, start: int) -> None:
    accepted = 0
    for number in range(start, start + 10):
        dice = random.Random(f"import {number}")  # noqa: S311 - nothing secret
        crd = judge_draws.definition(dice, number)
        if number % 2:
            crd = judge_draws.spoiled_definition(dice, crd)
        if not oracle.check(crd).allowed:
            continue
        accepted += 1
        before = copy.deepcopy(crd)
        assert [] == places({"models.py": modules.single([crd])}, crd), number
        assert [] == places(modules.package([crd]), crd), number
        assert before == crd
    assert accepted


@pytest.mark.slow
def test_modules_are_formatted_and_have_no_findings(tmp_path: pathlib.Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    for path in (GADGETS, *PUBLIC):
        name = path.name.partition(".")[0].replace("-", "_")
        (package / f"{name}.py").write_text(modules.single(crds(path)))
        (package / name).mkdir()
        for file, text in modules.package(crds(path)).items():
            (package / name / file).write_text(text)
    (package / "__init__.py").write_text('"""Imported models."""\n')
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())

    for command in (["format", "--diff"], ["check", "--output-format", "concise"]):
        line = [sys.executable, "-m", "ruff", *command, "--no-cache", str(package)]
        done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert ("", 0) == (done.stdout.replace("All checks passed!\n", ""), done.returncode)


@pytest.mark.slow
def test_type_checker_finds_nothing(tmp_path: pathlib.Path) -> None:
    for path in (GADGETS, *(path for path in PUBLIC if "keda" in path.name)):
        name = path.name.partition(".")[0].replace("-", "_")
        (tmp_path / f"imported_{name}.py").write_text(modules.single(crds(path)))
    files = sorted(map(str, tmp_path.glob("*.py")))
    line = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", *files]
    (tmp_path / "mypy.ini").write_text("[mypy]\nplugins = pydantic.mypy\n")

    done = subprocess.run(
        [
            *line,
            "--config-file",
            str(tmp_path / "mypy.ini"),
            "--cache-dir",
            str(tmp_path / "cache"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )

    assert (f"Success: no issues found in {len(files)} source files\n", 0) == (
        done.stdout,
        done.returncode,
    )


def test_difference_is_named_by_its_place() -> None:
    (crd,) = crds(GADGETS)
    text = modules.single([crd]).replace("Field(ge=0)", "Field(ge=1, le=9)")
    text = text.replace('"The version."', '"A version."').replace("Atomic()", "Granular()")
    text = text.replace("    JSONObject,\n", "    Granular,\n    JSONObject,\n")

    root = "spec.versions[v1].schema.openAPIV3Schema.properties"
    spec = f"{root}.spec.properties"
    owned = "x-kubernetes-map-type: expected 'atomic', got 'granular'"
    assert {
        f"{root}.apiVersion.description: expected 'The version.', got 'A version.'",
        f"{spec}.replicas.minimum: expected 0, got 1",
        f"{spec}.replicas.maximum: expected nothing, got 9",
        f"{spec}.containers.items.properties.ref.{owned}",
        f"{spec}.owner.{owned}",
    } == {*places({"models.py": text}, crd)}


def test_field_that_no_api_server_knows_is_named() -> None:
    (crd,) = crds(GADGETS)
    text = modules.single([crd])
    crd["spec"]["versions"][0]["colour"] = "red"

    assert ["spec.versions[v1].colour: expected 'red', got nothing"] == places(
        {"models.py": text}, crd
    )


@pytest.mark.parametrize(
    ("stated", "stored"),
    [
        ({"nullable": False, "title": "", "enum": [], "required": []}, {}),
        ({"default": None, "maxLength": 0, "minItems": None}, {"default": None, "maxLength": 0}),
        ({"required": ["b", "a"]}, {"required": ["a", "b"]}),
        ({"enum": ["b", "a"]}, {"enum": ["b", "a"]}),
        ({"not": {"allOf": [{"nullable": False}]}}, {"not": {"allOf": [{}]}}),
        (
            {
                "x-kubernetes-validations": [
                    {"rule": "true", "optionalOldSelf": False, "message": ""}
                ]
            },
            {"x-kubernetes-validations": [{"rule": "true", "optionalOldSelf": False}]},
        ),
    ],
)
def test_normal_form_is_what_is_stored(stated: JSON, stored: JSON) -> None:
    assert stored == normalization.node(stated)


def test_number_of_another_kind_is_a_difference() -> None:
    (crd,) = crds(GADGETS)
    text = modules.single([crd]).replace("] = 1\n", "] = True\n", 1)

    with pytest.raises(Exception, match="expected a default that its own schema allows, got True"):
        places({"models.py": text}, crd)


@given(st.text(), st.integers(0, 90))
def test_string_is_the_same_in_pieces(text: str, indent: int) -> None:
    call = expressions.Call("Field", (), (("description", expressions.Value(text)),))

    written = layout.written(expressions.laid_out(call, str), indent)

    (keyword,) = ast.parse(written, mode="eval").body.keywords  # type: ignore[attr-defined]
    assert text == ast.literal_eval(keyword.value)
    assert text == ast.literal_eval(expressions.literal(text))


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=400))
def test_lines_of_a_string_fit(text: str) -> None:
    call = expressions.Call("Field", (), (("description", expressions.Value(text)),))

    lines = layout.written(expressions.laid_out(call, str), 4).splitlines()

    assert all(len(line) <= layout.WIDTH for line in lines)


HOSTILE = '"""\nimport os; os.abort()\n"""\\'


def test_texts_of_a_crd_are_never_code() -> None:
    (crd,) = crds(GADGETS)
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["description"] = HOSTILE
    fields = schema["properties"]["spec"]["properties"]
    fields[HOSTILE] = {
        "type": "object",
        "description": HOSTILE,
        "properties": {HOSTILE: {"type": "string", "enum": [HOSTILE], "default": HOSTILE}},
    }

    assert [] == places({"models.py": modules.single([crd])}, crd)
    assert [] == places(modules.package([crd]), crd)


def test_names_follow_from_those_of_the_schema() -> None:
    wire_names = ["podCIDR", "from", "schema", "x-y", "xY", "1st", "", "über", "int", "isCA"]

    assert {
        "podCIDR": "pod_cidr",
        "from": "from_",
        "schema": "schema_",
        "x-y": "x_y",
        "xY": "x_y_",
        "1st": "field_1_st",
        "": "field",
        "über": "ber",
        "int": "int_",
        "isCA": "is_ca",
    } == names.field_names(wire_names, is_root=False)


@pytest.mark.parametrize(
    ("plural", "word"),
    [
        *(("containers", "container"), ("policies", "policy"), ("addresses", "address")),
        *(("hostAliases", "hostAlias"), ("statuses", "status"), ("prefixes", "prefix")),
        *(("dns", "dns"), ("status", "status"), ("matches", "match"), ("metrics", "metrics")),
    ],
)
def test_item_is_named_in_the_singular(plural: str, word: str) -> None:
    assert word == names.singular(plural)


def test_older_versions_are_before_newer_ones() -> None:
    (crd,) = crds(GADGETS)
    first = crd["spec"]["versions"][0]
    wanted = ["v1alpha1", "v1beta1", "v1beta2", "v1", "v2"]
    crd["spec"]["versions"] = [
        {**first, "name": name, "storage": name == "v1"}
        for name in ("v1", "v2", "v1beta2", "v1alpha1", "v1beta1")
    ]

    with verification.imported(modules.package([crd])) as api:
        assert wanted == [version.name for version in api.kinds[0].versions]


def test_module_of_an_imported_api_is_forgotten() -> None:
    before = {*sys.modules}

    with verification.imported(modules.package(crds(GADGETS))) as api:
        assert "Gadget" == api.kinds[0].name

    assert not {name for name in {*sys.modules} - before if name.startswith("imported_models")}


def test_dumped_crd_of_a_cluster_is_the_same() -> None:
    (crd,) = crds(GADGETS)
    crd["metadata"] |= {"uid": "a", "resourceVersion": "1", "creationTimestamp": None}
    crd["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = "{}"
    crd["status"] = {"storedVersions": ["v1"]}
    (read,) = sources.parsed(yaml.dumps(crd).encode(), "dumped.yaml")

    assert [] == places({"models.py": modules.single([read.value])}, read.value)
