"""``agentctl diagnose`` on a real control plane: healthy, with planted faults, and without one."""

import asyncio
import contextlib
import copy
import dataclasses
import functools
import io
import json
import pathlib
import socket
import tarfile
from collections.abc import AsyncIterator, Callable
from importlib import metadata
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import pytest_asyncio

import crds
from controllers import kube, manager
from controllers.agentctl.dev import local_platform
from controllers.agentctl.diagnose import bundle, output, report
from controllers.agentctl.diagnose.check import IGNORE
from controllers.agentctl.diagnose.checks import registry
from controllers.agentctl.diagnose.observation import Reading, Snapshot
from controllers.agentctl.diagnose.report import Status
from controllers.agentctl.status import model
from controllers.agentctl.status.model import State
from controllers.devcluster import pytest_plugin
from tests.support import forked_commands
from tests.support.diagnosis import world as worlds
from tests.support.diagnosis.faults import FAULTS
from tests.support.diagnosis.plants import CRD, Planted
from tests.support.diagnosis.world import World

pytestmark = pytest.mark.e2e

GROUP = crds.api.group
HOME = local_platform.HOME
MEMORIES = f"memories.{GROUP}"


@pytest_asyncio.fixture(scope="module")
async def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    with pytest_plugin.running(request, "diagnose") as cluster:
        async with worlds.installed(cluster, tmp_path_factory.mktemp("platform")) as found:
            yield found


@dataclasses.dataclass
class Diagnosed:
    """What the program printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def checks(self) -> dict[str, Any]:
        return {check["id"]: check for check in json.loads(self.out)["checks"]}

    @property
    def faulty(self) -> dict[str, str]:
        """The status of each check that did not pass."""
        return {name: one["status"] for name, one in self.checks.items() if one["status"] != "ok"}

    def objects(self, check: str) -> set[str]:
        return {
            f"{one['object']['kind']} {one['object']['name']}"
            for one in self.checks[check]["findings"]
        }


Diagnose = Callable[..., Any]


@pytest.fixture
def diagnose(world: World, commands: forked_commands.Commands, tmp_path: pathlib.Path) -> Diagnose:
    async def run(*words: str, kubeconfig: pathlib.Path | None = None) -> Diagnosed:
        given = kubeconfig or world.cluster.admin_kubeconfig
        done = await asyncio.to_thread(
            commands.run,
            "agentctl",
            *("diagnose", "--deadline", "120", "-o", "json", *words),
            *("--kubeconfig", str(given)),
            cwd=tmp_path,
        )
        return Diagnosed(done.code, done.out, done.err)

    return run


def judged(seen: Snapshot) -> report.Report:
    return report.report(seen, registry.chosen(seen.mode, (), ()))


def faulty(found: report.Report) -> dict[str, str]:
    return {
        outcome.check.id: f"{outcome.status} {outcome.findings}{outcome.unread}{outcome.crash}"
        for outcome in found.outcomes
        if outcome.status is not Status.OK
    }


# --- healthy ------------------------------------------------------------------------------------


async def test_healthy_platform_passes_every_check(diagnose: Diagnose) -> None:
    found = await diagnose()

    assert ({}, 0, "") == (found.faulty, found.code, found.err)
    assert {check.id for check in registry.chosen("installed", (), ())} == found.checks.keys()


def test_healthy_snapshots_pass_every_check_of_their_mode(world: World) -> None:
    found = [faulty(judged(seen)) for seen in (world.fresh, world.empty, world.seen)]

    assert [{}, {}, {}] == found
    assert len(world.seen.round_trips) == len([*crds.api])


# --- faults in a snapshot -----------------------------------------------------------------------


@pytest.mark.parametrize("planted", FAULTS, ids=lambda planted: planted.name.replace(" ", "-"))
def test_planted_fault_is_found_by_its_check_alone(world: World, planted: Planted) -> None:
    seen = planted.plant(world.fresh if planted.mode == "pre" else world.seen)

    found = judged(seen)

    outcomes = {outcome.check.id: outcome for outcome in found.outcomes}
    outcome = outcomes[planted.check]
    code = 0 if planted.is_warning and not planted.others else 1
    assert {planted.check, *planted.others} == faulty(found).keys(), faulty(found)
    assert (Status.WARNING if planted.is_warning else Status.FAILED) is outcome.status
    assert planted.subject in {str(one.subject) for one in outcome.findings}
    assert all(one.fix and "expected" in one.message for one in outcome.findings)
    assert code == found.exit_code
    expect_in_every_format(found, planted, code)


def expect_in_every_format(found: report.Report, planted: Planted, code: int) -> None:
    table, fields = output.table(found), json.loads(output.json_text(found))
    suite = ET.fromstring(output.junit(found))  # noqa: S314 - our own
    failed = {case.get("name") for case in suite if case.find("failure") is not None}
    told = {case.get("name"): "".join(case.itertext()) for case in suite}
    (check,) = (one for one in fields["checks"] if one["id"] == planted.check)

    assert f"{planted.check}\n" in table
    assert f"{planted.subject}: " in table
    assert check["findings"][0]["fix"] in table
    assert code == fields["exitCode"]
    assert bool(code) == bool(failed)
    assert planted.is_warning is not (planted.check in failed)
    assert planted.subject in told[planted.check]


def test_suppressed_finding_is_not_reported_and_its_reason_is(world: World) -> None:
    definitions = copy.deepcopy({**world.seen.definitions.get()})
    definitions[MEMORIES]["metadata"]["annotations"] = {IGNORE: "crds-current: a trial of ours"}
    definitions[MEMORIES]["spec"]["versions"][0]["additionalPrinterColumns"].pop()

    found = judged(dataclasses.replace(world.seen, definitions=Reading(definitions)))

    (outcome,) = (one for one in found.outcomes if one.check.id == "crds-current")
    assert {} == faulty(found)
    assert ["a trial of ours"] == [one.reason for one in outcome.suppressed]
    assert "a trial of ours" in output.table(found)


def test_archive_has_no_content_of_objects_and_no_credentials(world: World) -> None:
    hidden = "correct-horse-battery"
    objects = {kind: copy.deepcopy(world.seen.each(kind)) for kind in world.seen.objects}
    objects["AgentRun"][0]["spec"]["parameters"] = [{"name": "a", "value": hidden}]
    objects["AgentRun"][0]["spec"]["implementation"]["inline"]["text"] = hidden
    objects["Agent"][0]["spec"] |= {
        "env": [{"name": "PASSWORD", "value": hidden}],
        "config": {hidden: hidden},
    }
    objects["Memory"][0]["metadata"]["annotations"] = {"example.com/note": hidden}
    objects["Memory"][0]["status"] = {
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "Unreachable",
                "message": f"postgres://app:{hidden}@db: refused; Bearer {hidden}; token={hidden}",
            }
        ]
    }
    objects["AgentProvider"][0]["spec"]["files"] = [{"path": "/x", "content": hidden}]
    seen = dataclasses.replace(
        world.seen, objects={kind: Reading(values) for kind, values in objects.items()}
    )

    content = bundle.encoded(judged(seen))

    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        texts = {
            member.name: file.read().decode()
            for member in archive.getmembers()
            if (file := archive.extractfile(member)) is not None
        }
    assert [] == [name for name, text in texts.items() if hidden in text]
    assert "memories-ready" in texts["agentctl-diagnose/report.txt"]
    assert "Unreachable" in texts["agentctl-diagnose/snapshot/objects/Memory.json"]
    assert len(texts) > 40


@pytest.mark.parametrize(
    ("fault", "degraded"),
    [
        ("the leader died", {"leader", "controller:agents-controller"}),
        ("a CRD is missing", {"controller:agents-controller", f"webhook:{CRD}"}),
        ("a caBundle does not trust the certificate", {f"webhook:{CRD}"}),
        ("the certificate has expired", {"certificate:localhost:443"}),
        ("the ledger is damaged", {"queue"}),
        ("a memory cannot be reached", {"memory:team-memory"}),
        ("a source is not polled", {"source:shop-tickets"}),
        ("the certificate was not renewed", set()),
    ],
)
def test_status_shows_what_the_checks_find(world: World, fault: str, degraded: set[str]) -> None:
    (planted,) = (one for one in FAULTS if one.name == fault)

    status = model.of(planted.plant(world.seen))

    found = {name for name, _, state, _ in status.components() if state is State.DEGRADED}
    (default,) = (one for one in status.namespaces if one.namespace == "default")
    assert degraded == found
    assert (State.DEGRADED if degraded else State.HEALTHY) is status.state
    assert degraded - {"leader"} == {*default.degraded_components}


async def test_status_of_a_healthy_platform_is_read_through_the_api_server(
    world: World, commands: forked_commands.Commands, tmp_path: pathlib.Path
) -> None:
    given = ("--kubeconfig", str(world.cluster.admin_kubeconfig), "--deadline", "120")

    done = await asyncio.to_thread(
        commands.run, "agentctl", "status", "-o", "json", *given, cwd=tmp_path
    )

    found = json.loads(done.out)
    assert (0, "") == (done.code, done.err)
    assert "healthy" == found["leader_election"]["status"] == found["controllers"][0]["status"]
    assert {"healthy"} == {one["status"] for one in (*found["webhooks"], *found["certificates"])}
    assert 2 + len([*crds.api]) == len(found["webhooks"])
    assert [{"namespace": HOME, "status": "healthy", "degraded_components": []}] == (
        found["namespaces"]
    )


# --- faults in the cluster ----------------------------------------------------------------------


@contextlib.asynccontextmanager
async def restored(client: kube.Client, resource: kube.Resource, name: str) -> AsyncIterator[Any]:
    """An object that has its spec of before again afterwards."""
    before = await client.get(resource, name)
    yield before
    current = await client.get(resource, name)
    version = current["metadata"]["resourceVersion"]
    metadata = {**before["metadata"], "resourceVersion": version}
    await client.replace(resource, {**before, "metadata": metadata})


async def test_webhook_that_nobody_serves_is_found(world: World, diagnose: Diagnose) -> None:
    resource = kube.CUSTOM_RESOURCE_DEFINITIONS
    address = {"url": "https://127.0.0.1:1/convert"}
    changes = {"spec": {"conversion": {"webhook": {"clientConfig": address}}}}
    async with restored(world.client, resource, MEMORIES):
        await world.client.patch(resource, MEMORIES, changes)
        found = await diagnose("--check", "webhook-trusted", "--check", "crds-current")

    assert ({"webhook-trusted": "failed"}, 1) == (found.faulty, found.code)
    assert {f"CustomResourceDefinition {MEMORIES}"} == found.objects("webhook-trusted")


async def test_changed_definition_is_found_unless_suppressed(
    world: World, diagnose: Diagnose
) -> None:
    resource = kube.CUSTOM_RESOURCE_DEFINITIONS
    async with restored(world.client, resource, MEMORIES) as value:
        versions = copy.deepcopy(value["spec"]["versions"])
        versions[0]["additionalPrinterColumns"].pop()
        await world.client.patch(resource, MEMORIES, {"spec": {"versions": versions}})
        found = await diagnose()
        metadata = {"metadata": {"annotations": {IGNORE: "crds-current: a trial"}}}
        await world.client.patch(resource, MEMORIES, metadata)
        suppressed = await diagnose("--check", "crds-current")

    assert ({"crds-current": "failed"}, 1) == (found.faulty, found.code)
    assert {f"CustomResourceDefinition {MEMORIES}"} == found.objects("crds-current")
    assert ({}, 0) == (suppressed.faulty, suppressed.code)
    assert "a trial" == suppressed.checks["crds-current"]["suppressed"][0]["reason"]


async def test_deleted_webhook_configuration_is_found(world: World, diagnose: Diagnose) -> None:
    resource = kube.VALIDATING_WEBHOOK_CONFIGURATIONS
    value = await world.client.get(resource, GROUP)
    await world.client.delete(resource, GROUP)
    try:
        found = await diagnose("--skip", "events-quiet")
    finally:
        value["metadata"].pop("resourceVersion")
        await world.client.create(resource, value)

    assert ({"webhooks-registered": "failed"}, 1) == (found.faulty, found.code)
    assert {f"ValidatingWebhookConfiguration {GROUP}"} == found.objects("webhooks-registered")


async def test_missing_controller_and_damaged_ledger_are_found(
    world: World, diagnose: Diagnose
) -> None:
    patch = functools.partial(world.client.patch, kube.CONFIG_MAPS, manager.LEDGER, namespace=HOME)
    book = await world.client.get(kube.CONFIG_MAPS, manager.LEDGER, namespace=HOME)
    world.stop_controller()
    try:
        await patch({"data": {"ledger.json": "{"}})
        found = await diagnose()
    finally:
        await patch({"data": book["data"]})
        world.start_controller()

    assert ({"lease-held": "failed", "ledger-readable": "failed"}, 1) == (found.faulty, found.code)
    assert {f"Lease {manager.LEASE}"} == found.objects("lease-held")
    assert {f"ConfigMap {manager.LEDGER}"} == found.objects("ledger-readable")


async def test_component_without_rights_and_replicas_is_found(
    world: World, diagnose: Diagnose
) -> None:
    resource = kube.Resource("apps", "v1", "deployments", "Deployment")
    labels = {"app.kubernetes.io/component": "controller", "app.kubernetes.io/name": "agents"}
    pod = {"serviceAccountName": "none", "containers": [{"name": "controller", "image": "x"}]}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "agents-controller", "namespace": HOME, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    await world.client.create(resource, body)
    try:
        found = await diagnose()
    finally:
        await world.client.delete(resource, "agents-controller", namespace=HOME)

    assert {"rights-granted": "failed", "components-available": "failed"} == found.faulty
    assert {f"User system:serviceaccount:{HOME}:none"} == found.objects("rights-granted")
    assert {"Deployment agents-controller"} == found.objects("components-available")


async def test_warning_event_is_found(world: World, diagnose: Diagnose) -> None:
    body = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "diagnosed", "namespace": HOME},
        "type": "Warning",
        "reason": "FailedMount",
        "note": "no such volume",
        "action": "Mounting",
        "eventTime": kube.micro_time(kube.utc_now()),
        "reportingController": "test",
        "reportingInstance": "test",
        "regarding": {"apiVersion": "v1", "kind": "Pod", "name": "x", "namespace": HOME},
    }
    await world.client.create(kube.EVENTS, body)
    try:
        found = await diagnose()
    finally:
        await world.client.delete(kube.EVENTS, "diagnosed", namespace=HOME)

    assert ({"events-quiet": "warning"}, 0) == (found.faulty, found.code)
    assert {"Pod x"} == found.objects("events-quiet")


async def test_versions_are_those_of_program_api_server_and_components(
    world: World, commands: forked_commands.Commands, tmp_path: pathlib.Path
) -> None:
    admin = str(world.cluster.admin_kubeconfig)
    own = metadata.version("kubewright")

    def version(*words: str) -> forked_commands.Outcome:
        return commands.run("agentctl", "version", *words, cwd=tmp_path)

    short, full = version("--short"), version("--server", "--kubeconfig", admin)

    assert (0, f"{own}\n") == (short.code, short.out)
    assert f"agentctl {own}\nkube-apiserver v{world.cluster.kubernetes_version}\n" == full.out
    assert f"no Deployments of the platform found in namespace {HOME}\n" == full.err


# --- what cannot be read ------------------------------------------------------------------------


async def test_user_without_rights_gets_the_rest_and_every_reason(
    world: World, diagnose: Diagnose
) -> None:
    found = await diagnose(kubeconfig=world.cluster.least_kubeconfig)

    unread = {name: one["unread"] for name, one in found.checks.items() if "unread" in one}
    assert 3 == found.code
    assert {"unknown"} == {*found.faulty.values()}
    assert {"api-reachable", "api-version", "clock-skew"} <= found.checks.keys() - unread.keys()
    assert "forbidden" in unread["lease-held"]
    assert "forbidden" in unread["rights-granted"]


@pytest.mark.parametrize("is_silent", [False, True], ids=["refuses", "is-silent"])
async def test_api_server_that_is_down_gets_a_partial_report(
    world: World, diagnose: Diagnose, tmp_path: pathlib.Path, *, is_silent: bool
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if is_silent:
            listener.listen()
        port = listener.getsockname()[1]
        if not is_silent:
            listener.close()
        config = json.loads(world.cluster.admin_kubeconfig.read_text())
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(config))

        found = await diagnose(kubeconfig=path)

    assert 3 == found.code
    assert "failed" == found.faulty["api-reachable"]
    assert "ok" == found.checks["python-packages"]["status"]
    assert ["api-reachable"] == [
        name for name, status in found.faulty.items() if status == "failed"
    ]
    assert {"failed", "unknown"} == {*found.faulty.values()}


async def test_unknown_check_is_refused_with_the_way_to_the_names(diagnose: Diagnose) -> None:
    found = await diagnose("--check", "lease")

    assert (2, "") == (found.code, found.out)
    assert "agentctl diagnose --list" in found.err
