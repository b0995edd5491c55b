"""Start-up time, help and exit codes of the program."""

import subprocess
import sys

import pytest
from typer import testing

from controllers.agentctl import cli

# What a command needs only when it runs: each of these costs more than all that `--help` may.
HEAVY = ("aiohttp", "kubernetes", "pydantic", "crds", "webhooks", "controllers.kube", "uvloop")


def agentctl(*words: str) -> testing.Result:
    return testing.CliRunner().invoke(
        cli.app, words, env={"KUBECONFIG": "/no-such-place", "AGENTCTL_KUBECONFIG": None}
    )


def test_help_imports_nothing_that_only_commands_need() -> None:
    code = f"import sys; import controllers.agentctl.cli; print(*[m for m in {HEAVY} if m in sys.modules])"  # noqa: E501

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "" == done.stdout.strip()


@pytest.mark.parametrize(
    "command",
    [
        *("run submit", "run wait", "run logs", "run cancel", "run retry", "run history"),
        *(
            "get",
            "delete",
            "explain",
            "diagnose",
            "status",
            "version",
            "controller",
            "audit verify",
        ),
    ],
)
def test_every_command_documents_its_exit_codes(command: str) -> None:
    done = agentctl(*command.split(), "--help")

    assert 0 == done.exit_code
    assert "Exit codes: 0 " in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "run submit --agent a",
            "expected exactly one of --impl NAME, --text TEXT and --file FILE",
        ),
        ("run submit --agent a --text t --file f", "expected --text or --file, got both"),
        (
            "run submit --agent a --file /no-such-place",
            "expected to read /no-such-place: No such file",
        ),
        ("run submit --agent a --text t --wait --dry-run", "expected --wait or --dry-run"),
        ("run submit --agent a --text t --timeout 5s", "expected --timeout together with --wait"),
        ("run submit --agent a --text t --runtime-config backoffLimit=x", "a whole number"),
        (
            "run submit --agent a --text t --runtime x",
            "expected --runtime with one of job, workflow, temporal, custom, got 'x'",
        ),
        ("run wait a --timeout soon", "expected a time such as 45s"),
        ("run cancel a --timeout 5s", "expected --timeout together with --wait"),
        ("run retry a --timeout 5s", "expected --timeout together with --wait"),
        ("run retry a --wait --dry-run", "expected --wait or --dry-run, got both"),
        ("controller --limit-cluster 0", "expected a cluster limit of 1 to 5000 runs, got 0"),
        ("controller --renew-seconds 20", "expected 0 < retry < renew < lease"),
        ("controller --settings /no-such-place", "expected settings in YAML at /no-such-place"),
    ],
)
def test_wrong_input_is_said_before_a_cluster_is_looked_for(words: str, said: str) -> None:
    done = agentctl(*words.split())

    assert (2, "") == (done.exit_code, done.stdout)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", ["get", "run wait a", "explain a"])
def test_cluster_that_cannot_be_found_is_an_error_of_the_api(words: str) -> None:
    done = agentctl(*words.split())

    assert 3 == done.exit_code
    assert "expected a kubeconfig at /no-such-place" in done.stderr
    assert "Traceback" not in done.stderr
