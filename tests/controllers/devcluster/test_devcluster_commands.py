"""``python -m controllers.devcluster``: output and exit codes."""

import pathlib
import subprocess
import sys

import pytest

from controllers.devcluster import tools

pytestmark = pytest.mark.slow


@pytest.fixture
def environment(tmp_path: pathlib.Path) -> dict[str, str]:
    """An environment with an etcd, and no other way to any tool."""
    etcd = tmp_path / "path" / "etcd"
    etcd.parent.mkdir()
    etcd.write_text("#!/bin/sh\necho etcd Version: 3.7.3\n")
    etcd.chmod(0o755)
    return {
        "PATH": str(etcd.parent),
        "KUBEWRIGHT_CACHE": str(tmp_path / "cache"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path),
    }


def run(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "controllers.devcluster", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_where_prints_every_tool_and_builds_nothing(
    tmp_path: pathlib.Path, environment: dict[str, str]
) -> None:
    done = run(environment, "where")

    assert (0, "") == (done.returncode, done.stderr)
    assert [
        f"etcd 3.7.3 (PATH: {tmp_path}/path/etcd)",
        "kube-apiserver: not found; required, built on first use",
        "kubectl: not found; required, built on first use",
        *(f"{name}: not found" for name in list(tools.ALL)[3:]),
    ] == done.stdout.splitlines()
    assert not (tmp_path / "cache").exists()


def test_build_takes_what_is_there(tmp_path: pathlib.Path, environment: dict[str, str]) -> None:
    done = run(environment, "build", "etcd")

    assert (0, f"etcd 3.7.3 (PATH: {tmp_path}/path/etcd)\n") == (done.returncode, done.stdout)


def test_build_without_a_way_fails_and_names_all(environment: dict[str, str]) -> None:
    done = run(environment, "build")

    assert 1 == done.returncode
    assert done.stderr.startswith("expected kube-apiserver for Kubernetes 1.34.0 or newer, got")
    assert "Traceback" not in done.stderr


def test_what_jobs_need_is_built_when_asked_for(
    tmp_path: pathlib.Path, environment: dict[str, str]
) -> None:
    for name in ("kube-apiserver", "kubectl"):
        path = tmp_path / "path" / name
        path.write_text("#!/bin/sh\necho v1.37.2\n")
        path.chmod(0o755)

    small = run(environment, "build")
    full = run(environment, "build", "--jobs")

    assert (0, "") == (small.returncode, small.stderr)
    assert 1 == full.returncode
    assert full.stderr.startswith(
        "expected kube-controller-manager for Kubernetes 1.34.0 or newer, got none. Do one of:\n"
        "  - set KUBEBUILDER_ASSETS to a directory with it\n"
        "  - add it to PATH\n"
    )


def test_version_that_cannot_be_is_an_error_without_a_traceback(
    environment: dict[str, str],
) -> None:
    done = run(environment | {"KUBEWRIGHT_KUBERNETES_VERSION": "latest"}, "where")

    assert 1 == done.returncode
    assert (
        "expected KUBEWRIGHT_KUBERNETES_VERSION to be version 1.34.0 or newer, got 'latest'\n"
    ) == done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--help"], 0, ""),
        (["build", "--help"], 0, ""),
        (["pin", "--help"], 0, ""),
        ([], 2, "the following arguments are required: command"),
        (["build", "docker"], 2, "expected one of etcd, kube-apiserver, kubectl, "),
        (["pin", "1.33.4"], 2, "expected version 1.34.0 or newer, got '1.33.4'"),
        (["pin"], 2, "the following arguments are required: version"),
        (["pin", "1.36.2"], 1, "expected Go 1.26.0 or newer on PATH, got none"),
    ],
)
def test_exit_code_says_whether_it_worked(
    environment: dict[str, str], arguments: list[str], code: int, said: str
) -> None:
    done = run(environment, *arguments)

    assert code == done.returncode
    assert said in done.stderr
    assert "[]" not in done.stdout
