"""The embedded control plane, for real."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from controllers import devcluster

pytestmark = pytest.mark.e2e


def processes_of(directory: pathlib.Path) -> list[str]:
    """The command lines that name a cluster's directory."""
    command = [shutil.which("ps") or "ps", "-eww", "-o", "args"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if str(directory) in line]


def wait_until_none(directory: pathlib.Path) -> None:
    deadline = time.monotonic() + 30
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


def test_failing_kubectl_says_why(api_server: devcluster.Cluster) -> None:
    with pytest.raises(devcluster.KubectlError, match="kubectl get nonsense: exit code 1: error"):
        api_server.kubectl("get", "nonsense")


def test_data_stays_in_a_given_directory_and_nothing_else_does(tmp_path: pathlib.Path) -> None:
    directory = tmp_path / "a cluster"
    with devcluster.Cluster(directory) as cluster:
        cluster.kubectl("create", "configmap", "kept")
        with pytest.raises(devcluster.StartError, match="a cluster runs there"):
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


OWNER = """
import pathlib, sys, time
from controllers import devcluster
with devcluster.Cluster(pathlib.Path(sys.argv[1])):
    print("up", flush=True)
    time.sleep(100)
"""


def test_killed_owner_leaves_no_process(tmp_path: pathlib.Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    while owner.stdout.readline() != "up\n":
        pass
    running = processes_of(tmp_path)

    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()

    assert {"etcd", "kube-apiserver"} <= {
        pathlib.Path(word).name for line in running for word in line.split()
    }
    wait_until_none(tmp_path)


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


@pytest.mark.parametrize("expectation", [True, False])
def test_fixture_serves_a_project_that_knows_nothing_of_ours(
    tmp_path: pathlib.Path, *, expectation: bool
) -> None:
    (tmp_path / "test_foreign.py").write_text(FOREIGN.format(expectation=expectation))

    # Without the plugins of our own tests.
    pytest_alone = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:asyncio"]
    done = subprocess.run(
        [*pytest_alone, "-q", "-W", "error"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    logs = tmp_path / ".api-server-logs"
    kept = sorted(path.name for path in logs.glob("*.log"))
    if expectation:
        assert ("1 passed" in done.stdout, kept) == (True, []), done.stdout
    else:
        assert ("1 failed" in done.stdout, kept) == (True, ["etcd.log", "kube-apiserver.log"])
        assert f"logs of kube-apiserver and etcd are kept in {logs}" in done.stdout
