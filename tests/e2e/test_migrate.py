"""`schemagen migrate` on a real API server: any CRD, its objects, and what stands in the way."""

import asyncio
import json
import pathlib
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from controllers import devcluster, kube
from controllers.agentctl.api_servers import clusters as api_servers
from schemagen.compat import clusters
from schemagen.migrate.requests import failures
from schemagen.migrate.requests.failures import Failure
from schemagen.migrate.storage import rewriting
from tests.support import migration_proof, migration_world
from tests.support.conversion_webhook import NEW, OLD
from tests.support.migration_world import GROUP, NAME, World

pytestmark = pytest.mark.e2e


@pytest.fixture
def world(api_server: devcluster.Cluster, tmp_path: pathlib.Path) -> Iterator[World]:
    with migration_world.opened(api_server, tmp_path) as found:
        yield found


def listed(world: World, version: str) -> dict[str, Any]:
    path = f"/apis/{GROUP}/{version}/widgets"
    items = json.loads(world.cluster.kubectl("get", "--raw", path).stdout)["items"]
    return {one["metadata"]["name"]: one for one in items}


def crd(world: World) -> Any:
    return json.loads(world.cluster.kubectl("get", "crd", NAME, "-o", "json").stdout)


def without(value: dict[str, Any], *names: str) -> dict[str, Any]:
    metadata = {name: one for name, one in value["metadata"].items() if name not in names}
    return {**value, "metadata": metadata}


def test_a_version_is_dropped_and_every_object_stays_as_it_was(world: World) -> None:
    asyncio.run(world.create([migration_world.widget(index) for index in range(60)]))
    before = listed(world, NEW)

    code, done, said = world.migrate("run", NAME, "--to", NEW, "--until", "prune")

    assert 0 == code, said
    assert ["check", "switch", "rewrite", "prune"] == [one["step"] for one in done["executed"]]
    assert 60 == done["executed"][2]["rewritten"], done
    assert [NEW] == crd(world)["status"]["storedVersions"]
    after = listed(world, NEW)
    for name, value in before.items():
        assert without(value, "resourceVersion") == without(after[name], "resourceVersion")

    code, done, said = world.migrate("run", NAME, "--to", NEW, "--drop", OLD)

    assert 0 == code, said
    assert ["clean", "unserve", "remove"] == [one["step"] for one in done["executed"]]
    assert [NEW] == [one["name"] for one in crd(world)["spec"]["versions"]]
    dropped = listed(world, NEW)
    for name, value in after.items():
        changing = ("resourceVersion", "managedFields")
        assert without(value, *changing) == without(dropped[name], *changing)
        owners = {(one["manager"], one["operation"]) for one in value["metadata"]["managedFields"]}
        entries = dropped[name]["metadata"]["managedFields"]
        assert owners == {(one["manager"], one["operation"]) for one in entries}
        assert {f"{GROUP}/{NEW}"} == {one["apiVersion"] for one in entries}
    assert 0 == world.migrate("verify", NAME, "--to", NEW, "--drop", OLD)[0]


def test_the_owner_of_a_renamed_field_owns_it_after_its_version_is_gone(world: World) -> None:
    def body(version: str, **spec: Any) -> dict[str, Any]:
        value = {**migration_world.widget(0, version), "spec": spec}
        return {**value, "metadata": {"name": "widget", "namespace": "default"}}

    def apply(manager: str, value: dict[str, Any]) -> Any:
        version = value["apiVersion"].rpartition("/")[2]
        return asyncio.run(applied(world, manager, value, version))

    apply("gitops", body(OLD, size=3, note="x"))
    apply("scaler", body(OLD, size=3))
    apply("counter", body(NEW, count=1))

    code, done, said = world.migrate("run", NAME, "--to", NEW, "--drop", OLD)

    assert (0, []) == (code, done["findings"]), said
    owners = '"gitops":\n- .spec.replicas\nconflicts with "scaler":\n- .spec.replicas'
    with pytest.raises(kube.ConflictError, match=re.escape(owners)):
        apply("other", body(NEW, replicas=4))
    assert 3 == apply("scaler", body(NEW))["spec"]["replicas"], "gitops applies it as well"
    assert {"replicas": 3, "note": "y", "count": 1} == apply(
        "gitops", body(NEW, replicas=3, note="y")
    )["spec"]
    assert {"note": "y", "count": 1} == apply("gitops", body(NEW, note="y"))["spec"]


async def applied(world: World, manager: str, value: dict[str, Any], version: str) -> Any:
    async with kube.Client.from_kubeconfig(world.cluster.admin_kubeconfig) as client:
        resource = migration_world.resource(version)
        return await client.apply(resource, value, field_manager=manager)


def test_every_object_that_would_fail_is_named_before_anything_is_written(world: World) -> None:
    fine = [migration_world.widget(index) for index in range(20)]
    bad = migration_world.bad(100, 9)
    asyncio.run(world.create([*fine, *bad]))
    world.tighten()
    before = listed(world, OLD)

    code, done, said = world.migrate("run", NAME, "--to", NEW)

    assert 1 == code, said
    subjects = {one["subject"] for one in done["findings"]}
    assert {f"Widget default/{one['metadata']['name']}" for one in bad} == subjects, said
    assert OLD == done["plan"]["through"]
    assert before == listed(world, OLD)
    assert [OLD] == crd(world)["status"]["storedVersions"]

    code, done, said = world.migrate("run", NAME, "--to", NEW, "--keep-going")

    assert 1 == code, said
    assert 20 == done["executed"][-1]["rewritten"], done
    assert [OLD, NEW] == crd(world)["status"]["storedVersions"]
    world.webhook.repair()
    for value in bad:
        world.cluster.kubectl("delete", NAME, value["metadata"]["name"])

    code, done, said = world.migrate("run", NAME, "--to", NEW)

    assert 0 == code, said
    assert [NEW] == crd(world)["status"]["storedVersions"]


def test_rollback_returns_to_the_version_before(world: World) -> None:
    asyncio.run(world.create([migration_world.widget(index) for index in range(20)]))
    before = listed(world, OLD)
    assert 0 == world.migrate("run", NAME, "--to", NEW)[0]

    code, _, said = world.migrate("rollback", NAME)

    assert 0 == code, said
    assert [OLD] == crd(world)["status"]["storedVersions"]
    after = listed(world, OLD)
    for name, value in before.items():
        assert without(value, "resourceVersion") == without(after[name], "resourceVersion")


def test_a_migration_that_is_killed_and_loses_its_webhook_loses_nothing(world: World) -> None:
    trial = migration_proof.Trial(
        number=60, bad=6, kills=1, away_seconds=3, is_restarted=False, seed=1
    )

    result = migration_proof.run(world, trial, lambda _: None)

    assert [] == result.problems, result
    assert 6 == result.named
    assert result.writes_of_others


def test_a_rewrite_is_refused_while_the_webhook_that_managed_fields_need_is_away(
    world: World,
) -> None:
    asyncio.run(world.create([migration_world.widget(0)]))
    assert 0 == world.migrate("run", NAME, "--to", NEW)[0]
    (before,) = listed(world, NEW).values()
    assert f"{GROUP}/{OLD}" in {one["apiVersion"] for one in before["metadata"]["managedFields"]}
    path = f"/apis/{GROUP}/{NEW}/namespaces/default/widgets/{before['metadata']['name']}"
    write = rewriting.rewrite(before, path)

    world.webhook.stop()
    try:
        with pytest.raises(clusters.ClusterError) as caught:
            asyncio.run(sent(world, write))
    finally:
        world.webhook.start()

    assert Failure.WEBHOOK_AWAY is failures.of(caught.value)
    assert before == next(iter(listed(world, NEW).values()))


async def sent(world: World, write: clusters.Write) -> Any:
    async with kube.Client.from_kubeconfig(world.cluster.admin_kubeconfig) as client:
        return await api_servers.Cluster(client, "the test's cluster").send(write)


def test_commands_of_the_document_run_in_its_order(world: World) -> None:
    asyncio.run(world.create([migration_world.widget(index) for index in range(5)]))
    text = (migration_world.ROOT / "docs/migrate.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]

    for line in lines:
        program, command, *arguments = shlex.split(line.replace("widgets.example.com", NAME))
        assert ("schemagen", "migrate") == (program, command)
        code, _, said = world.migrate(*arguments)
        assert 0 == code, f"{line}: {said}"

    assert 6 == len(lines)
    assert [NEW] == [one["name"] for one in crd(world)["spec"]["versions"]]
