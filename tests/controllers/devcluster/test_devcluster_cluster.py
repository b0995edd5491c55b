"""The embedded control plane with its real binaries."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request

import pytest

from controllers import devcluster
from controllers.devcluster import cluster as clusters

pytestmark = pytest.mark.e2e


def processes_of(directory: pathlib.Path) -> list[str]:
    """The command lines that contain a cluster's directory."""
    command = [shutil.which("ps") or "ps", "-eww", "-o", "args"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if str(directory) in line]


def wait_until_none(directory: pathlib.Path) -> None:
    deadline = time.monotonic() + 120
    while processes_of(directory):
        assert time.monotonic() < deadline, processes_of(directory)
        time.sleep(0.05)


def test_admin_may_do_everything(api_server: devcluster.Cluster) -> None:
    assert "yes" == api_server.kubectl("auth", "can-i", "*", "*").stdout.strip()


def test_least_privileged_user_may_do_nothing_until_granted(
    api_server: devcluster.Cluster,
) -> None:
    refused = api_server.kubectl(
        "get", "configmaps", check=False, kubeconfig=api_server.least_kubeconfig
    )
    api_server.kubectl("create", "role", "reader", "--verb=list", "--resource=configmaps")
    api_server.kubectl("create", "rolebinding", "r", "--role=reader", "--user=least-privilege")
    allowed = api_server.kubectl("get", "configmaps", kubeconfig=api_server.least_kubeconfig)

    assert 'User "least-privilege" cannot list resource "configmaps"' in refused.stderr
    assert 0 == allowed.returncode


def test_version_is_that_of_the_server(api_server: devcluster.Cluster) -> None:
    said = api_server.kubectl("version").stdout

    assert f"Server Version: v{api_server.kubernetes_version}" in said


def test_anonymous_users_may_do_nothing(api_server: devcluster.Cluster) -> None:
    refused = api_server.kubectl(
        *("--server", api_server.server, "--certificate-authority"),
        *(str(api_server.directory / "ca.crt"), "get", "secrets"),
        check=False,
        kubeconfig=pathlib.Path(os.devnull),
    )

    assert 0 != refused.returncode


def test_address_is_verified_with_the_given_authority(api_server: devcluster.Cluster) -> None:
    context = ssl.create_default_context(cadata=api_server.ca_pem.decode())

    for host in ("127.0.0.1", "localhost"):
        url = api_server.server.replace("127.0.0.1", host) + "/version"
        with urllib.request.urlopen(url, context=context, timeout=10) as answer:  # noqa: S310 - https
            version = json.load(answer)["gitVersion"]

        assert f"v{api_server.kubernetes_version}" == version


def test_credentials_are_for_their_owner_only(api_server: devcluster.Cluster) -> None:
    kubeconfigs = (api_server.admin_kubeconfig, api_server.least_kubeconfig)
    files = (api_server.directory, *kubeconfigs, *api_server.directory.glob("*.key"))

    assert set() == {path.name for path in files if path.stat().st_mode & 0o077}


def test_failing_kubectl_says_why(api_server: devcluster.Cluster) -> None:
    with pytest.raises(devcluster.KubectlError, match="kubectl get nonsense: exit code 1: error"):
        api_server.kubectl("get", "nonsense")


def test_data_stays_in_a_given_directory_and_nothing_else_does(tmp_path: pathlib.Path) -> None:
    directory = tmp_path / "a cluster"
    with devcluster.Cluster(directory) as cluster:
        cluster.kubectl("create", "configmap", "kept")
        with pytest.raises(devcluster.StartError, match="a cluster is running there"):
            devcluster.Cluster(directory).start()

    wait_until_none(directory)
    with devcluster.Cluster(directory) as cluster:
        found = cluster.kubectl("get", "configmap", "kept", "-o", "name").stdout

    assert "configmap/kept\n" == found


def test_wrong_flag_is_told_with_the_log_which_is_kept() -> None:
    cluster = devcluster.Cluster(api_server_flags=("--no-such-flag",))

    with pytest.raises(devcluster.StartError, match="unknown flag: --no-such-flag") as error:
        cluster.start()

    (log,) = re.findall(r"(/\S+kube-apiserver\.log)", str(error.value))
    assert "unknown flag" in pathlib.Path(log).read_text()
    wait_until_none(pathlib.Path(log).parent)
    shutil.rmtree(pathlib.Path(log).parent)


def test_taken_ports_are_given_up_and_another_cluster_left_alone(
    api_server: devcluster.Cluster, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    uid = ("get", "namespace", "default", "-o", "jsonpath={.metadata.uid}")
    (command,) = (
        line
        for line in processes_of(api_server.directory)
        if "run_with_owner.py" in line and "--listen-client-urls" in line
    )
    (others,) = re.findall(r"--listen-client-urls=http://127\.0\.0\.1:(\d+)", command)
    with socket.socket() as stranger:
        stranger.bind((clusters.HOST, 0))
        stranger.listen()
        free = clusters._free_ports  # noqa: SLF001 - the race is not to be had otherwise
        taken = iter([[int(others), *free(2)], [*free(2), stranger.getsockname()[1]], free(3)])
        monkeypatch.setattr(clusters, "_free_ports", lambda _: next(taken))

        with devcluster.Cluster() as cluster:
            ours = cluster.kubectl(*uid).stdout
            during = list(tmp_path.iterdir())

    assert api_server.kubectl(*uid).stdout != ours
    assert [cluster.directory] == during
    assert ([], []) == (list(tmp_path.iterdir()), processes_of(tmp_path))


# A job in the background starts with SIGINT ignored, and so do its children.
OWNER = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from controllers import devcluster
with devcluster.Cluster():
    print("up", flush=True)
    time.sleep(100)
"""


def owner_in(directory: pathlib.Path) -> "subprocess.Popen[str]":
    """A process with a cluster, in a temporary directory in this directory."""
    return subprocess.Popen(
        [sys.executable, "-u", "-c", OWNER],
        env={**os.environ, "TMPDIR": str(directory)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_killed_owner_leaves_neither_process_nor_file(tmp_path: pathlib.Path) -> None:
    owner = owner_in(tmp_path)
    assert owner.stdout is not None
    while owner.stdout.readline() != "up\n":
        assert owner.poll() is None
    running = processes_of(tmp_path)

    owner.send_signal(signal.SIGKILL)
    owner.communicate()

    assert {"etcd", "kube-apiserver"} <= {
        pathlib.Path(word).name for line in running for word in line.split()
    }
    wait_until_none(tmp_path)
    assert [] == list(tmp_path.iterdir())


def test_interrupted_start_leaves_neither_process_nor_file(tmp_path: pathlib.Path) -> None:
    owner = owner_in(tmp_path)
    while not list(tmp_path.glob("*/kube-apiserver.log")):
        assert owner.poll() is None
        time.sleep(0.01)

    owner.send_signal(signal.SIGINT)
    output, said = owner.communicate()

    assert "up\n" not in output
    assert said.endswith("KeyboardInterrupt\n")
    assert [] == processes_of(tmp_path)
    assert [] == list(tmp_path.iterdir())


FOREIGN = """
import json

CRD = {{
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {{"name": "things.example.org"}},
    "spec": {{
        "group": "example.org",
        "scope": "Namespaced",
        "names": {{"plural": "things", "kind": "Thing"}},
        "versions": [
            {{"name": "v1", "served": True, "storage": True,
             "schema": {{"openAPIV3Schema": {{"type": "object"}}}}}}
        ],
    }},
}}


def test_crd_is_served(api_server):
    api_server.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(CRD))
    api_server.kubectl("wait", "--for=condition=Established", "crd/things.example.org")
    assert {expectation}
"""


def run_foreign(
    directory: pathlib.Path, expectation: str, *options: str
) -> "subprocess.CompletedProcess[str]":
    """Run pytest on a project with a CRD, without this project's test plugins."""
    (directory / "test_foreign.py").write_text(FOREIGN.format(expectation=expectation))
    alone = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:asyncio"]
    environment = {name: value for name, value in os.environ.items() if "XDIST" not in name}
    return subprocess.run(
        [*alone, "-p", "no:xdist", "-q", "-W", "error", *options],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_fixture_serves_a_project_that_knows_nothing_of_ours(tmp_path: pathlib.Path) -> None:
    done = run_foreign(tmp_path, "True")

    assert 0 == done.returncode, done.stdout
    assert "1 passed" in done.stdout
    assert not (tmp_path / ".api-server-logs").exists()


def test_fixture_keeps_the_logs_of_a_failure(tmp_path: pathlib.Path) -> None:
    done = run_foreign(tmp_path, "False", "--api-server-logs", "kept logs")

    logs = tmp_path / "kept logs" / "api_server"
    assert "1 failed" in done.stdout
    assert f"api_server: logs kept in {logs}" in done.stdout
    assert ["etcd.log", "kube-apiserver.log"] == sorted(path.name for path in logs.iterdir())
