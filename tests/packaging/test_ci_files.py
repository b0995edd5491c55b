"""The GitHub action and the pre-commit hooks run: their own shell steps, with schemagen itself."""

import json
import os
import pathlib
import shlex
import subprocess
import sys

import pytest

from schemagen import yaml
from schemagen.problems import JSON

ROOT = pathlib.Path(__file__).parents[2]
ACTION = yaml.load((ROOT / "action.yml").read_bytes())
HOOKS = {hook["id"]: hook for hook in yaml.load((ROOT / ".pre-commit-hooks.yaml").read_bytes())}
CASES = ROOT / "tests/data/crdlint"


@pytest.fixture
def crds(tmp_path: pathlib.Path) -> pathlib.Path:
    """A repository with a CRD that has an error and a note."""
    faulty, _, _ = yaml.load_all((CASES / "required-unknown.yaml").read_bytes())
    properties = faulty["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    properties["spec"]["properties"]["tags"] = {"type": "array", "items": {"type": "string"}}
    (tmp_path / "crds").mkdir()
    (tmp_path / "crds/widgets.yaml").write_text(yaml.dumps(faulty))
    return tmp_path


def environment(folder: pathlib.Path, inputs: JSON, step: JSON) -> dict[str, str]:
    """The step's variables, with the inputs filled in as the runner does."""
    variables = dict(step.get("env", {}))
    for name, value in inputs.items():
        for variable, text in variables.items():
            variables[variable] = text.replace(f"${{{{ inputs.{name} }}}}", value)
    assert not any("${{" in text for text in variables.values())
    python = pathlib.Path(sys.executable).parent
    return {
        **os.environ,
        **variables,
        "PATH": f"{python}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "GITHUB_OUTPUT": str(folder / "output"),
    }


def act(folder: pathlib.Path, **given: str) -> list[subprocess.CompletedProcess[str]]:
    """Run the action's steps one by one, up to the first that fails."""
    inputs = {name: entry.get("default", "") for name, entry in ACTION["inputs"].items()} | given
    done = []
    for step in ACTION["runs"]["steps"]:
        if step.get("if") == "${{ inputs.sarif != '' }}" and not inputs["sarif"]:
            continue
        assert "bash" == step["shell"]
        done.append(
            subprocess.run(
                # As a runner starts it: docs.github.com, workflow syntax, shell.
                [
                    "/usr/bin/env",
                    "bash",
                    "--noprofile",
                    "--norc",
                    "-eo",
                    "pipefail",
                    "-c",
                    step["run"],
                ],
                cwd=folder,
                env=environment(folder, inputs, step),
                capture_output=True,
                text=True,
                check=False,
            )
        )
        if done[-1].returncode:
            break
    return done


def test_action_annotates_lines_and_fails_on_an_error(crds: pathlib.Path) -> None:
    *_, annotated = act(crds, references="crds/*.yaml", package="", sarif="lint.sarif")

    assert 1 == annotated.returncode
    assert "::error file=crds/widgets.yaml,line=" in annotated.stdout
    assert "title=required-unknown::" in annotated.stdout
    assert "exit-code=1\n" == (crds / "output").read_text()
    sarif = json.loads((crds / "lint.sarif").read_text())
    assert {"required-unknown", "list-type-missing"} <= {
        result["ruleId"] for result in sarif["runs"][0]["results"]
    }


def test_action_passes_on_arguments(crds: pathlib.Path) -> None:
    *_, annotated = act(
        crds, references="crds", package="", arguments="--ignore structure --ignore satisfiability"
    )

    assert 0 == annotated.returncode
    assert "::notice file=crds/widgets.yaml,line=" in annotated.stdout
    assert "::error" not in annotated.stdout


def test_action_stops_where_nothing_can_be_read(crds: pathlib.Path) -> None:
    *_, last = act(crds, references="nowhere", package="", sarif="lint.sarif")

    assert 2 == last.returncode
    assert "expected a file" in last.stderr


@pytest.mark.parametrize(
    ("hook", "arguments", "expected"),
    [
        ("schemagen-lint", ["crds"], 1),
        ("schemagen-lint-fix", ["crds", "--ignore", "required-unknown,nothing-accepted"], 0),
    ],
)
def test_hook_runs(crds: pathlib.Path, hook: str, arguments: list[str], expected: int) -> None:
    program, *words = shlex.split(HOOKS[hook]["entry"])

    done = subprocess.run(
        [sys.executable, "-m", program, *words, *arguments],
        cwd=crds,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    text = (crds / "crds/widgets.yaml").read_text()
    assert expected == done.returncode
    assert ("x-kubernetes-list-type: atomic" in text) == (hook == "schemagen-lint-fix")
