"""Certificates and addresses that change while objects exist, and webhooks that go."""

import asyncio
import base64
import contextlib
import datetime as dt
import functools
import json
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import crds
from certs import authority, tls_contexts
from certs.directory import files
from controllers import devcluster, kube
from schemagen import yaml
from tests.support import depth
from tests.support.forked_commands import Commands, Outcome

pytestmark = pytest.mark.e2e

WAIT_SECONDS = 120.0
# Each form replaces the other once, and back only if there is time for it.
ROUNDS = 2 if depth.DEEP else 1
NAMESPACE = "agents"
NOW = dt.datetime.now(dt.UTC)
GROUP = crds.api.group
OLDER = kube.Resource(GROUP, "v1alpha1", "implementationspecs", "ImplementationSpec")
SAMPLES = pathlib.Path(crds.__file__).parent / "samples"
SPEC = SAMPLES / "v1alpha1/implementationspec.yaml"


@pytest.fixture(scope="module")
def cluster() -> Iterator[devcluster.Cluster]:
    """One of its own, with an object: what is installed here calls servers that are gone."""
    with devcluster.Cluster() as found:
        found.kubectl("create", "namespace", NAMESPACE)
        yield found


@pytest.fixture
def webhooks(commands: Commands, tmp_path: pathlib.Path) -> Callable[..., Outcome]:
    return functools.partial(commands.run, "webhooks", cwd=tmp_path)


@contextlib.contextmanager
def serving(
    cluster: devcluster.Cluster, log: pathlib.Path, *options: str
) -> Iterator[subprocess.Popen[str]]:
    """``webhooks serve --install`` that serves."""
    kubeconfig = ("--kubeconfig", str(cluster.admin_kubeconfig))
    with log.open("a") as errors:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "webhooks", "serve", "crds:api", "--install"),
                *("--port", "0", "--workers", "1", "--quiet", "0", *kubeconfig, *options),
            ],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("serving "), log.read_text()[-3000:]
        yield process
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def create_object(cluster: devcluster.Cluster, name: str) -> None:
    value: Any = yaml.load_all(SPEC.read_bytes())[0]
    value["metadata"] = {"name": name, "namespace": NAMESPACE}
    cluster.kubectl("create", "-f", "-", input=yaml.dumps(value))


def read(cluster: devcluster.Cluster, version: str, name: str) -> Any:
    kind = f"implementationspecs.{version}.{GROUP}"
    done = cluster.kubectl("get", kind, name, "-n", NAMESPACE, "-o", "json")
    return json.loads(done.stdout)


def client_config(cluster: devcluster.Cluster, kind: str) -> Any:
    if kind == "crd":
        done = cluster.kubectl("get", "crd", f"implementationspecs.{GROUP}", "-o", "json")
        return json.loads(done.stdout)["spec"]["conversion"]["webhook"]["clientConfig"]
    done = cluster.kubectl("get", "validatingwebhookconfiguration", GROUP, "-o", "json")
    return json.loads(done.stdout)["webhooks"][0]["clientConfig"]


def test_authority_that_the_cluster_does_not_know_is_published_before_objects_are_read(
    cluster: devcluster.Cluster, tmp_path: pathlib.Path
) -> None:
    """The objects are stored in a version that must be converted to be listed."""
    directory = ("--cert-dir", str(tmp_path / "certificates"))
    with serving(cluster, tmp_path / "first.log", *directory, "--storage", "v1alpha1"):
        create_object(cluster, "before")

    log = tmp_path / "second.log"
    with serving(cluster, log, "--cert-secret", f"{NAMESPACE}/webhooks"):
        found = read(cluster, "v1beta1", "before")

    assert "before" == found["metadata"]["name"]


async def test_pair_of_another_authority_is_trusted_before_it_is_served(
    cluster: devcluster.Cluster, tmp_path: pathlib.Path
) -> None:
    directory, log = tmp_path / "certificates", tmp_path / "server.log"
    authorities = [authority.new_authority(name, now=NOW) for name in ("one", "two")]
    pairs = [authority.issue_server(one, ["127.0.0.1"], now=NOW) for one in authorities]
    files.install(directory, pairs[0], authorities[0].certificate_pem)
    options = ("--cert-dir", str(directory), "--cert-hold", "5")

    def read_through_conversion() -> None:
        for version in ("v1alpha1", "v1beta1"):
            read(cluster, version, "before")

    with serving(cluster, log, *options):
        read_through_conversion()
        files.install(directory, pairs[1], authorities[1].certificate_pem)
        trusted = []
        deadline = time.monotonic() + WAIT_SECONDS
        while "serving a new certificate" not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            await asyncio.to_thread(read_through_conversion)
            bundle = base64.b64decode(client_config(cluster, "crd")["caBundle"])
            trusted.append(tuple(tls_contexts.verifies(bundle, pair) for pair in pairs))
        # The worker takes it up within a second or so.
        until = time.monotonic() + 5
        while time.monotonic() < until:
            await asyncio.to_thread(read_through_conversion)

    assert (True, True) == trusted[-1]
    assert (False, True) not in trusted
    async with kube.Client.from_kubeconfig(cluster.admin_kubeconfig) as client:
        events = (await client.list(kube.EVENTS, namespace="default")).items
    found = {one["reason"]: one["regarding"]["kind"] for one in events}
    assert "CustomResourceDefinition" == found["CertificateServed"]


@pytest.mark.parametrize("is_behind_it", [True, False], ids=["named by it", "elsewhere"])
def test_service_and_url_replace_each_other(
    cluster: devcluster.Cluster,
    webhooks: Callable[..., Outcome],
    tmp_path: pathlib.Path,
    *,
    is_behind_it: bool,
) -> None:
    service = f"{NAMESPACE}/webhooks"
    made = webhooks("manifests", "crds:api", "--service", service)
    names = ("--name", "127.0.0.1", *(("--name", "webhooks.agents.svc") if is_behind_it else ()))
    directory = ("--cert-dir", str(tmp_path / "certificates"))
    seen = []
    for _ in range(ROUNDS):
        cluster.kubectl("apply", "-f", "-", input=made.out)
        seen += [{*client_config(cluster, kind)} - {"caBundle"} for kind in ("crd", "webhook")]
        with serving(cluster, tmp_path / "server.log", *directory, *names, "--no-check-trust"):
            seen += [{*client_config(cluster, kind)} for kind in ("crd", "webhook")]

    after = "service" if is_behind_it else "url"
    assert [{"service"}] * 2 + [{after, "caBundle"}] * 2 == seen[:4]
    assert seen[:4] * ROUNDS == seen


def test_webhooks_are_uninstalled_and_objects_stay_readable(
    cluster: devcluster.Cluster, webhooks: Callable[..., Outcome], tmp_path: pathlib.Path
) -> None:
    directory = ("--cert-dir", str(tmp_path / "certificates"))
    arguments = ("uninstall", "crds:api", "--kubeconfig", str(cluster.admin_kubeconfig))
    with serving(cluster, tmp_path / "server.log", *directory):
        before = read(cluster, "v1beta1", "before")
        refused = webhooks(*arguments)
        tried = webhooks(*arguments, "--unserve", "--dry-run")
        config = client_config(cluster, "crd")
        done = webhooks(*arguments, "--unserve")
    after = read(cluster, "v1beta1", "before")
    again = webhooks(*arguments)
    definition = json.loads(
        cluster.kubectl("get", "crd", f"implementationspecs.{GROUP}", "-o", "json").stdout
    )
    left = cluster.kubectl(
        "get", "validatingwebhookconfigurations,mutatingwebhookconfigurations", "-o", "name"
    ).stdout
    policies = cluster.kubectl(
        *("get", "validatingadmissionpolicies,validatingadmissionpolicybindings"),
        *("-l", f"kubewright.dev/api={GROUP}", "-o", "name"),
    ).stdout

    assert 1 == refused.code
    assert f"implementationspecs.{GROUP} serves v1alpha1 besides v1beta1" in refused.err
    assert "stored as v1alpha1" in refused.err
    assert {"url", "caBundle"} == {*config}
    assert (0, 0, "") == (tried.code, done.code, done.err)
    assert tried.out == done.out
    assert before["spec"] == after["spec"]
    assert {"strategy": "None"} == definition["spec"]["conversion"]
    assert ["v1beta1"] == definition["status"]["storedVersions"]
    served = [one["name"] for one in definition["spec"]["versions"] if one["served"]]
    assert (["v1beta1"], "", "") == (served, left, policies)
    assert (0, f"no object of {GROUP} calls webhooks\n") == (again.code, again.out)
