"""The GitHub action and the pre-commit hooks run: their own shell steps, with schemagen itself."""

import json
import os
import pathlib
import shlex
import subprocess
import sys
from collections.abc import Callable

import pytest

from schemagen import yaml
from schemagen.problems import JSON

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[2]
ACTION = yaml.load((ROOT / "action.yml").read_bytes())
HOOKS = {hook["id"]: hook for hook in yaml.load((ROOT / ".pre-commit-hooks.yaml").read_bytes())}
CASES = ROOT / "tests/data/crdlint"


CONDITIONS: dict[str | None, Callable[[dict[str, str]], bool]] = {
    None: lambda _: True,
    "${{ inputs.sarif != '' }}": lambda inputs: inputs["sarif"] != "",
    "${{ inputs.command == 'diff' }}": lambda inputs: inputs["command"] == "diff",
}
"""Conditions of the action's steps."""


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
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
    }


def act(folder: pathlib.Path, **given: str) -> list[subprocess.CompletedProcess[str]]:
    """Run the action's steps one by one, up to the first that fails."""
    inputs = {name: entry.get("default", "") for name, entry in ACTION["inputs"].items()} | given
    done = []
    for step in ACTION["runs"]["steps"]:
        if not CONDITIONS[step.get("if")](inputs):
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


def hooked(hook: str, folder: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a pre-commit hook with its arguments in a folder."""
    program, *words = shlex.split(HOOKS[hook]["entry"])
    return subprocess.run(
        [sys.executable, "-m", program, *words, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


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


def commit(folder: pathlib.Path) -> None:
    """Commit the tree, and break a promise in it afterwards."""
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for command in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "one")):
        subprocess.run(["git", *command], cwd=folder, check=True)  # noqa: S607 - the user's
    path = folder / "crds/widgets.yaml"
    crd = yaml.load(path.read_bytes())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    del schema["properties"]["spec"]["properties"]["tags"]
    path.write_text(yaml.dumps(crd))


def test_action_compares_a_pull_request_with_its_base(crds: pathlib.Path) -> None:
    commit(crds)

    summarized, annotated = act(
        crds, command="diff", references="HEAD:crds WORKTREE:crds", package=""
    )[1:]

    assert (0, 1) == (summarized.returncode, annotated.returncode), summarized.stderr
    assert "::error file=crds/widgets.yaml,line=" in annotated.stdout
    assert "title=field-removed::" in annotated.stdout
    assert "spec.tags" in (crds / "summary.md").read_text()
    assert "exit-code=1\n" == (crds / "output").read_text()


def test_hook_compares_the_last_commit_with_the_working_tree(crds: pathlib.Path) -> None:
    commit(crds)

    done = hooked("schemagen-diff", crds, "HEAD:crds", "WORKTREE:crds")

    assert 1 == done.returncode
    assert "field-removed" in done.stdout


@pytest.mark.parametrize(
    ("hook", "arguments", "expected"),
    [
        ("schemagen-lint", ["crds"], 1),
        ("schemagen-lint-fix", ["crds", "--ignore", "required-unknown,nothing-accepted"], 0),
    ],
)
def test_hook_runs(crds: pathlib.Path, hook: str, arguments: list[str], expected: int) -> None:
    done = hooked(hook, crds, *arguments)

    text = (crds / "crds/widgets.yaml").read_text()
    assert expected == done.returncode
    assert ("x-kubernetes-list-type: atomic" in text) == (hook == "schemagen-lint-fix")
