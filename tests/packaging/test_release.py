"""A release, dry: the steps of its workflow run in order, with stand-ins for what publishes."""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
from typing import Any

import pytest

from schemagen import yaml
from schemagen.judge import module
from tests.packaging.test_wheel import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
RELEASE = yaml.load((ROOT / ".github/workflows/release.yml").read_bytes())
CHANGELOG = "# Changelog\n\n## 0.1.0 (2026-12-01)\n\nFirst.\n\n## 0.0.9 (2026-11-01)\n\nOlder.\n"
DIGEST = "sha256:" + "a" * 64
# Writes what it is called with; answers what the steps read.
STAND_IN = f"""#!/bin/bash
echo "${{0##*/}} $*" >> "$RECORD"
case "${{0##*/}} $1" in
  "docker inspect") echo "first/of/several@{DIGEST}" ;;
  "docker run") echo '{{"spdxVersion": "SPDX-2.3"}}' ;;
  "cosign sign-blob") while [ "$1" != --bundle ]; do shift; done; echo {{}} > "$2" ;;
  "gh release") cat > "$RECORD.notes" ;;
esac
exit 0
"""


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> pathlib.Path:
    """A version whose changelog is made, and programs that publish nothing."""
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / ".ci", tree / ".ci")
    shutil.copyfile(ROOT / "pyproject.toml", tree / "pyproject.toml")
    (tree / "CHANGELOG.md").write_text(CHANGELOG)
    for name in ("docker", "cosign", "gh", "go", "python3"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(STAND_IN)
        program.chmod(0o755)
    return tree


def expanded(text: str) -> str:
    """Expressions of the workflow, as a runner expands them for a tag."""
    values = {
        "runner.temp": "../bin",
        "vars.REGISTRY": "registry.example.com/kubewright",
        "github.actor": "releaser",
        "github.repository": "example/kubewright",
        "github.token": "token",
        "secrets.REGISTRY_TOKEN || github.token": "token",
    }
    return re.sub(r"\$\{\{ (.*?) \}\}", lambda match: values[match[1]], text)


def run(tree: pathlib.Path, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a step as a runner does: docs.github.com, workflow syntax, shell."""
    programs = tree.parent / "bin"
    return subprocess.run(
        ["/usr/bin/env", "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command],
        cwd=tree,
        env={
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(tree.parent),
            "RECORD": str(tree.parent / "record"),
            "RUNNER_TEMP": str(tree.parent),
            "GITHUB_REF_NAME": "v0.1.0",
            "GITHUB_OUTPUT": str(tree.parent / "output"),
            "SOURCE_DATE_EPOCH": "1767225600",
            "PYTHON": sys.executable,
            "KUBEWRIGHT_JUDGE": str(module.find()),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def steps(job: Any) -> list[tuple[str, dict[str, str]]]:
    """The shell steps of a job and their variables."""
    return [
        (
            step["run"],
            {name: expanded(value) for name, value in step.get("env", {}).items()},
        )
        for step in job["steps"]
        if "run" in step
    ]


@pytest.mark.slow
def test_steps_of_a_release_run_in_order_and_sign_what_they_built(tree: pathlib.Path) -> None:
    for package in ("schemagen", "webhooks", "controllers", "crds", "certs"):
        shutil.copytree(ROOT / package, tree / package)
    for file in ("README.md", "LICENSE", ".gitignore"):
        shutil.copyfile(ROOT / file, tree / file)

    for name in ("build", "sign"):
        for command, variables in steps(RELEASE["jobs"][name]):
            done = run(tree, command, **variables)
            assert 0 == done.returncode, f"{command}\n{done.stdout}{done.stderr}"

    dist = {str(path.relative_to(tree / "dist")) for path in (tree / "dist").rglob("*.*")}
    record = (tree.parent / "record").read_text()
    sums = (tree / "dist/SHA256SUMS").read_text().split()
    (wheel,) = (tree / "dist").glob("*.whl")
    assert {
        f"{name}{suffix}"
        for name in (
            "kubewright-0.1.0-py3-none-any.whl",
            "kubewright-0.1.0.tar.gz",
            "sbom/kubewright.spdx.json",
            "sbom/agents.spdx.json",
            "sbom/agent-runner.spdx.json",
        )
        for suffix in ("", ".sigstore.json")
    } == dist
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() == sums[sums.index(wheel.name) - 1]
    for image in ("agents", "agent-runner"):
        reference = f"registry.example.com/kubewright/{image}@{DIGEST}"
        assert f"cosign sign --yes {reference}\n" in record
        assert f"--predicate dist/sbom/{image}.spdx.json {reference}\n" in record
        assert f"{image}={DIGEST}\n" in (tree.parent / "output").read_text()
    assert "--key" not in record
    assert record.index("cosign sign-blob") < record.index("cosign verify-blob")
    assert record.index("cosign verify-blob") < record.index("gh release create v0.1.0")
    assert "\nFirst.\n\n" == (tree.parent / "record.notes").read_text()
    assert "password" not in record.lower().replace("--password-stdin", "")


@pytest.mark.parametrize(
    ("tag", "changelog", "fragment", "expected"),
    [
        ("v0.1.0", CHANGELOG, "", ""),
        ("v0.2.0", CHANGELOG, "", "expected tag v0.1.0"),
        ("", CHANGELOG, "", "expected tag v0.1.0"),
        ("v0.1.0", "# Changelog\n", "", "expected a section '## 0.1.0 (DATE)'"),
        ("v0.1.0", CHANGELOG, "1-x.added.md", "expected no fragments in docs/changes, got 1"),
    ],
)
def test_release_of_what_does_not_agree_is_refused(
    tree: pathlib.Path, tag: str, changelog: str, fragment: str, expected: str
) -> None:
    (tree / "CHANGELOG.md").write_text(changelog)
    (tree / "docs/changes").mkdir(parents=True)
    if fragment:
        (tree / "docs/changes" / fragment).write_text("New.\n")

    done = run(tree, f".ci/release check '{tag}'")

    assert bool(expected) == (done.returncode != 0)
    assert expected in done.stderr


def test_key_signs_and_verifies_without_a_transparency_log(tree: pathlib.Path) -> None:
    (tree / "file").write_text("content")

    signed = run(tree, ".ci/release sign file", COSIGN_KEY="a.key")
    verified = run(tree, ".ci/release verify file", COSIGN_PUBLIC_KEY="a.pub")

    assert (0, 0) == (signed.returncode, verified.returncode), signed.stderr + verified.stderr
    key, bundle = "--key a.key --signing-config", "--bundle file.sigstore.json file"
    assert [
        f"cosign sign-blob --yes {key} .ci/signing-config.json {bundle}",
        f"cosign verify-blob --key a.pub --insecure-ignore-tlog=true {bundle}",
    ] == (tree.parent / "record").read_text().splitlines()


def test_verification_without_a_key_or_an_identity_is_refused(tree: pathlib.Path) -> None:
    done = run(tree, ".ci/release verify CHANGELOG.md")

    assert 0 != done.returncode
    assert "COSIGN_IDENTITY" in done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_has_pinned_actions_few_rights_and_no_expression_in_a_shell(
    path: pathlib.Path,
) -> None:
    text = path.read_text()
    workflow = yaml.load(path.read_bytes())
    jobs = workflow["jobs"].values()

    used = re.findall(r"uses: (.*)", text)
    assert [] == [name for name in used if not re.fullmatch(r"\S+@[0-9a-f]{40} # v[\d.]+", name)]
    assert workflow["permissions"] in ({}, {"contents": "read"})
    assert [] == [job for job in jobs if "timeout-minutes" not in job]
    assert [] == [
        step["run"] for job in jobs for step in job["steps"] if "${{" in step.get("run", "")
    ]
    assert [] == [
        step
        for job in jobs
        for step in job["steps"]
        if "checkout" in step.get("uses", "") and step["with"] != {"persist-credentials": False}
    ]


def test_identity_tokens_are_only_for_jobs_of_a_tag() -> None:
    jobs = RELEASE["jobs"].values()

    holders = [job for job in jobs if "id-token" in job.get("permissions", {})]

    assert 2 == len(holders)
    assert {"github.ref_type == 'tag'"} == {job["if"] for job in holders}
    assert {"build"} == {name for name, job in RELEASE["jobs"].items() if job not in holders}


def test_release_has_provenance_of_files_and_images_and_attestations_of_the_index() -> None:
    used = [step for job in RELEASE["jobs"].values() for step in job["steps"] if "uses" in step]

    provenance = [step["with"] for step in used if "attest-build-provenance" in step["uses"]]
    (published,) = [step["with"] for step in used if "gh-action-pypi-publish" in step["uses"]]
    assert 3 == len(provenance)
    assert {"dist/*.whl", "dist/*.tar.gz", "dist/sbom/*.spdx.json"} == set(
        provenance[0]["subject-path"].split()
    )
    assert published == {"attestations": True}
