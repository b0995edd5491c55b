"""Rights compared with calls: those of any account, and what the chart's need besides its tests."""

import asyncio
import datetime as dt
import pathlib
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import crds
from certs import authority
from certs.directory import files
from controllers import devcluster, kube
from controllers.agentctl.chart import rights as matrix
from controllers.devcluster import pytest_plugin
from controllers.runs import projections
from tests.e2e.conftest import Platform
from tests.support import accounts
from webhooks.cluster import configuration, install
from webhooks.deployment import rights

pytestmark = pytest.mark.e2e

SECONDS = 120.0


def container() -> dict[str, Any]:
    return {"restartPolicy": "Never", "containers": [{"name": "c", "image": "none"}]}


def test_rights_of_an_account_are_compared_with_its_calls(
    api_server: devcluster.Cluster, tmp_path: pathlib.Path
) -> None:
    run = api_server.kubectl
    run("create", "namespace", "shop")
    run("create", "serviceaccount", "cart", "-n", "shop")
    run("create", "role", "cart", "-n", "shop", "--verb=get,list", "--resource=configmaps")
    run("create", "rolebinding", "cart", "-n", "shop", "--role=cart", "--serviceaccount=shop:cart")
    token = run("create", "token", "cart", "-n", "shop").stdout.strip()
    own = tmp_path / "kubeconfig"
    own.write_text(accounts.kubeconfig(api_server, token))

    run("get", "configmaps", "-n", "shop", kubeconfig=own)
    run("get", "secrets", "-n", "shop", kubeconfig=own, check=False)
    found = api_server.rights("shop", "cart")

    assert ("list secrets in shop",) == found.denied
    assert ("get configmaps in shop",) == found.unused


@pytest.fixture(scope="module")
def strict(request: pytest.FixtureRequest) -> Iterator[devcluster.Cluster]:
    """An API server that judges owners as OpenShift's does."""
    flags = ["--enable-admission-plugins=OwnerReferencesPermissionEnforcement"]
    with pytest_plugin.running(request, "strict", api_server_flags=flags) as cluster:
        yield cluster


async def test_jobs_of_runs_are_refused_where_owners_are_judged_without_the_right(
    strict: devcluster.Cluster,
) -> None:
    async with accounts.Admin.from_kubeconfig(strict.admin_kubeconfig) as admin:
        await make_namespace(admin, "hooks")
        hook, _ = await admin.account(strict, rights.INSTALL, home="hooks", objects=None)
        address = configuration.at_url("https://127.0.0.1:1")
        await install.install_crds(hook, crds.api, address)
        found: dict[str, str] = {}
        for home, conditions in (("without", ()), ("with", (matrix.OWNER_REFERENCES,))):
            await make_namespace(admin, home)
            # Of another name than the chart's: its denied call is no finding of a proof.
            controller, _ = await admin.account(
                strict,
                matrix.CONTROLLER,
                home=home,
                objects=None,
                conditions=conditions,
                name="owner",
            )
            try:
                await controller.create(projections.JOBS, owned_job(), namespace="default")
            except kube.ForbiddenError as error:
                found[home] = str(error)
            else:
                found[home] = ""

    assert "cannot set blockOwnerDeletion" in found["without"]
    assert "" == found["with"]
    assert ("create jobs.batch in default",) == strict.rights("without", "owner").denied


async def make_namespace(client: kube.Client, name: str) -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await client.create(kube.NAMESPACES, body)


def owned_job() -> dict[str, Any]:
    owner = {
        "apiVersion": projections.RUNS.api_version,
        "kind": projections.RUNS.kind,
        "name": "fix",
        "uid": "5f3c8f0a-0000-4000-8000-000000000000",
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {
        "apiVersion": projections.JOBS.api_version,
        "kind": projections.JOBS.kind,
        "metadata": {"generateName": "fix-", "ownerReferences": [owner]},
        "spec": {"template": {"spec": container()}},
    }


@pytest.fixture(scope="module", params=["v1beta1"])
def server(request: pytest.FixtureRequest, servers: Any) -> Any:
    return servers.stored_as(request.param)


@pytest.fixture
async def mounted(platform: Platform, tmp_path: pathlib.Path) -> AsyncIterator[pathlib.Path]:
    """The directory of a certificate, and a server that serves it with the chart's rights."""
    now = dt.datetime.now(dt.UTC)
    ca = authority.new_authority("mounted", now=now)
    files.install(
        str(tmp_path), authority.issue_server(ca, ["127.0.0.1"], now=now), ca.certificate_pem
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "webhooks", "serve", "crds:api", "--cert-dir", str(tmp_path)),
        *("--port", "0", "--health-port", "0", "--check-trust"),
        *("--kubeconfig", str(platform.server.kubeconfig)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    async with asyncio.timeout(SECONDS):
        assert b"serving" in await process.stdout.readline()
    yield tmp_path
    process.terminate()
    await process.communicate()


async def test_refused_certificate_is_reported_and_counted(
    platform: Platform, mounted: pathlib.Path
) -> None:
    counts: list[int] = []
    for text in ("none", "none yet"):
        (mounted / "tls.crt").write_text(text)
        counts.append(await refusals(platform.client, len(counts) + 1))

    assert [1, 2] == counts
    assert () == platform.cluster.rights(platform.server.home, "agents-webhook").denied


async def refusals(client: kube.Client, expected: int) -> int:
    """How often the Event was seen that reports a refused certificate, once that is expected."""
    async with asyncio.timeout(SECONDS):
        while True:
            listed = await client.list(kube.EVENTS, namespace="default")
            seen = [one for one in listed.items if one["reason"] == "CertificateRefused"]
            count = sum((one.get("series") or {}).get("count", 1) for one in seen)
            if count >= expected:
                return int(count)
            await asyncio.sleep(0.2)
