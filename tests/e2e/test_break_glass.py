"""docs/break-glass.md, rehearsed: its commands, in its order, on a real API server."""

import asyncio
import dataclasses
import pathlib
import re
import shlex
import ssl
from typing import Any

import pytest

import crds
from controllers import devcluster, kube
from tests.support import forked_commands, rotations
from tests.support.run_platform import eventually

pytestmark = pytest.mark.e2e

DOCUMENT = forked_commands.ROOT / "docs" / "break-glass.md"
REHEARSED = re.compile(r"<!-- rehearsed: (.+?) -->\n```text\n(.*?)```", re.DOTALL)
COMMANDS = {name: text.splitlines() for name, text in REHEARSED.findall(DOCUMENT.read_text())}
NEW, OLD = (
    kube.Resource(crds.api.group, version, "implementationspecs", "ImplementationSpec")
    for version in ("v1beta1", "v1alpha1")
)


@dataclasses.dataclass
class Rehearsal:
    """A cluster whose server comes and goes, and who follows the document."""

    deployment: rotations.Deployment
    client: kube.Client
    commands: forked_commands.Commands
    folder: pathlib.Path
    port: int
    unfollowed: set[str] = dataclasses.field(default_factory=lambda: {*COMMANDS})

    async def follow(self, section: str) -> list[str]:
        """Run the commands of a section; what each has printed."""
        self.unfollowed.remove(section)
        return [await self._run(line) for line in COMMANDS[section]]

    async def _run(self, line: str) -> str:
        # Names of the chart's release; those of this test are others.
        line = line.replace(
            "--service agents-system/agents-webhook", f"--url https://127.0.0.1:{self.port}"
        )
        line = line.replace("agents-webhook-certificate", rotations.SECRET)
        line = line.replace("agents-system", rotations.NAMESPACE)
        program: Any
        program, *words = shlex.split(line)
        if words[0] == "scale":
            await self.scale(int(words[-1]))
            return ""
        if program == "kubectl":
            done = await asyncio.to_thread(self.deployment.cluster.kubectl, *words)
            return done.stdout
        kubeconfig = ("--kubeconfig", str(self.deployment.cluster.admin_kubeconfig))
        result = await asyncio.to_thread(
            self.commands.run, program, *words, *kubeconfig, cwd=self.folder
        )
        assert 0 == result.code, result.err
        return result.out

    async def scale(self, replicas: int) -> None:
        """What the Deployment's controller does; one replica is enough here."""
        for replica in [*self.deployment.balancer.replicas]:
            self.deployment.balancer.take_out(replica)
            await replica.stop()
        if replicas:
            await self.deployment.add()
            await self.deployment.balancer.all_ready()

    async def write(self, resource: kube.Resource, name: str, **spec: object) -> str:
        """Create an object; the error, if there is one."""
        body = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": name, "namespace": "team-a"},
            "spec": spec or {"text": "Fix it."},
        }
        try:
            await self.client.create(resource, body)
        except kube.KubeError as error:
            return str(error)
        return ""

    async def read(self, resource: kube.Resource, name: str) -> str:
        """The text of an object, or the error."""
        try:
            found = await self.client.get(resource, name, namespace="team-a")
        except kube.KubeError as error:
            return str(error)
        return str(found["spec"]["text"])


async def test_every_section_leads_to_where_it_says(
    commands: forked_commands.Commands, tmp_path: pathlib.Path
) -> None:
    with devcluster.Cluster() as cluster:
        async with rotations.deployed(cluster, tmp_path, count=1) as (deployment, client):
            port, _ = await rotations.published(client) or (0, "")
            found = Rehearsal(deployment, client, commands, tmp_path, port)
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-a"}}
            await client.create(kube.NAMESPACES, body)
            assert "" == await found.write(OLD, "kept")

            await _admission_is_down(found)
            await _conversion_is_down(found)
            await _back(found)
            await _authority_is_reset(found)
            await _uninstalled(found)

            assert set() == found.unfollowed


async def _admission_is_down(found: Rehearsal) -> None:
    await found.scale(0)
    assert "failed calling webhook" in await found.write(NEW, "meanwhile")

    await found.follow("admission")

    # The API server's caches follow a moment later, here and below.
    await eventually(lambda: found.write(NEW, "meanwhile"), "")
    assert "spec.text" in await found.write(NEW, "invalid", text=1)


async def _conversion_is_down(found: Rehearsal) -> None:
    assert "conversion webhook for" in await found.read(OLD, "kept")
    (listed,) = await found.follow("storage version")
    assert "kept" in listed

    versions, _ = await found.follow("conversion")

    assert '["v1beta1"]' == versions
    assert "Fix it." == await found.read(NEW, "kept")
    assert "conversion webhook for" not in await found.read(OLD, "kept")
    assert "Fix it." != await found.read(OLD, "kept")


async def _back(found: Rehearsal) -> None:
    await found.follow("back")

    async def old() -> list[str]:
        return [await found.read(OLD, name) for name in ("kept", "meanwhile")]

    await eventually(old, ["Fix it.", "Fix it."])
    await eventually(lambda: found.write(OLD, "after"), "")


async def _authority_is_reset(found: Rehearsal) -> None:
    before = await rotations.published(found.client)
    assert before is not None

    *_, status = await found.follow("authority")

    after = await rotations.published(found.client)
    assert after is not None
    certificates = [
        set(ssl.create_default_context(cadata=bundle).get_ca_certs(binary_form=True))
        for _, bundle in (before, after)
    ]
    assert set() == certificates[0] & certificates[1]
    assert "no problems found" in status
    await eventually(lambda: found.write(OLD, "trusted"), "")


async def _uninstalled(found: Rehearsal) -> None:
    await found.write(NEW, "held")
    patch = {"metadata": {"finalizers": ["example.com/hold"]}}
    await found.client.patch(NEW, "held", patch, namespace="team-a")

    await found.follow("uninstall")

    assert "Fix it." == await found.read(NEW, "held")
    await found.follow("finalizer")
    await eventually(lambda: _crds(found.client), len([*crds.api]) - 1)


async def _crds(client: kube.Client) -> int:
    listed = await client.list(kube.CUSTOM_RESOURCE_DEFINITIONS)
    return len(listed.items)
