"""``agentctl run``, ``get``, ``explain``, ``controller`` as users run them, on a real cluster."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import inspect
import json
import pathlib
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from certs import authority
from controllers import devcluster, kube
from controllers.devcluster import jobs
from controllers.runs import naming, projections
from tests.support import accounts, bare
from tests.support.forked_commands import Commands
from tests.support.run_platform import Place, new_place

pytestmark = pytest.mark.e2e

AGENTCTL = str(pathlib.Path(sys.executable).with_name("agentctl"))
SECONDS = 120.0
HURRIED = ("--lease-seconds", "3", "--renew-seconds", "2", "--retry-seconds", "0.3")
NODES = kube.Resource("", "v1", "nodes", "Node", namespaced=False)


@dataclasses.dataclass
class Controller:
    """``agentctl controller`` that runs."""

    process: asyncio.subprocess.Process
    log: pathlib.Path

    @property
    def health(self) -> str:
        """Where its health is, as its log says."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line[0] == "{"]
        (url,) = [one["url"] for one in lines if one["event"] == "health and metrics"]
        return str(url)

    async def ask(self, path: str) -> tuple[int, str]:
        """Status and body of its health listener."""
        async with aiohttp.ClientSession() as session, session.get(self.health + path) as answer:
            return answer.status, await answer.text()

    async def leads(self) -> bool:
        """Whether its metrics say so."""
        _, text = await self.ask("/metrics")
        return 'leader_election_master_status{name="agents-controller"} 1.0' in text

    async def stop(self) -> tuple[int, float]:
        """SIGTERM; the exit code, and the seconds it took."""
        started = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        async with asyncio.timeout(SECONDS):
            code = await self.process.wait()
        return code, time.monotonic() - started


@dataclasses.dataclass
class World:
    """A namespace, its home, and the program."""

    place: Place
    folder: pathlib.Path
    commands: Commands

    async def start(self, name: str, *options: str) -> Controller:
        """Start a controller, and wait until it says that it follows everything."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *(AGENTCTL, "controller", "--kubeconfig", str(self.place.kubeconfig)),
                *("--home", self.place.home, "--namespace", self.place.namespace),
                *("--identity", name, "--image", "runner", *HURRIED, *options),
                stdout=asyncio.subprocess.PIPE,
                stderr=file,
            )
        assert process.stdout is not None
        async with asyncio.timeout(SECONDS):
            line = await process.stdout.readline()
        expected = f"following namespace {self.place.namespace} as {name}\n"
        assert expected == line.decode(), log.read_text()
        return Controller(process, log)

    def arguments(self, *words: str, kubeconfig: pathlib.Path | None = None) -> list[str]:
        """Of ``agentctl`` in the namespace."""
        return [
            *words,
            *("--kubeconfig", str(kubeconfig or self.place.cluster.admin_kubeconfig)),
            *(() if "-A" in words else ("-n", self.place.namespace)),
        ]

    async def begin(self, *words: str) -> asyncio.subprocess.Process:
        """Start ``agentctl`` in a process of its own."""
        return await asyncio.create_subprocess_exec(
            *(AGENTCTL, *self.arguments(*words)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *words: str, **options: Any) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of ``agentctl``."""
        given = self.arguments(*words, **options)
        done = await asyncio.to_thread(self.commands.run, "agentctl", *given, cwd=self.folder)
        assert "Traceback" not in done.err, done.err
        return done.code, done.out, done.err

    async def submit(self, *words: str) -> tuple[int, str, str]:
        """``agentctl run submit`` for the agent and a text."""
        return await self.run("run", "submit", "--agent", "coder", "--text", "Mend it.", *words)


def behaving(**behaviour: str) -> str:
    """The setting by which a run's pods behave: ``seconds``, ``exit_code``, ``message``."""
    notes = {jobs.ANNOTATIONS + name.replace("_", "-"): text for name, text in behaviour.items()}
    return f"extraConfig={json.dumps({'podAnnotations': notes})}"


async def eventually(check: Callable[[], Any], *, is_so: bool = True) -> None:
    """Wait until a check, which may have to be awaited, is as wished."""
    async with asyncio.timeout(SECONDS):
        while True:
            found = check()
            if bool(await found if inspect.isawaitable(found) else found) is is_so:
                return
            await asyncio.sleep(0.1)


async def is_told(place: Place, name: str) -> bool:
    """Events are sent on the side."""
    return "Blocked" in await place.events(name)


async def is_blocked(place: Place, name: str) -> bool:
    """Whether a run's status says what keeps it."""
    return bool(((await place.read(name)).get("status") or {}).get("queue"))


ENDLESS = ("--runtime-config", behaving(seconds="never"))


@pytest_asyncio.fixture(scope="module")
async def client(served_cluster: devcluster.Cluster) -> AsyncIterator[accounts.Admin]:
    async with accounts.Admin.from_kubeconfig(served_cluster.admin_kubeconfig) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module")
async def world(
    commands: Commands,
    served_cluster: devcluster.Cluster,
    client: accounts.Admin,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """With a controller that lets each agent have one run in flight."""
    place = await new_place(served_cluster, client, seconds="0.3")
    await place.agent()
    found = World(place, tmp_path_factory.mktemp("controller"), commands)
    audit = str(found.folder / "audit.jsonl")
    controller = await found.start("only", "--limit-agent", "1", "--audit", audit)
    yield found
    code, _ = await controller.stop()
    assert 0 == code, controller.log.read_text()


# -------------------------------------------------------------------------------------- submit


async def test_run_is_submitted_waited_for_and_shown(world: World) -> None:
    code, out, err = await world.submit("--name", "plain", "--wait", "--timeout", "4m")

    assert 0 == code, err
    head, row = out.splitlines()
    assert ["NAME", "PHASE", "AGENT", "RUNTIME", "STARTED", "COMPLETED", "AGE"] == head.split()
    assert ["plain", "Succeeded", "coder", "Job"] == row.split()[:4]
    said = err.splitlines()
    assert ("plain: submitted", "plain: Succeeded (Completed)") == (said[0], said[-1])


async def test_same_submission_is_one_run_and_another_payload_a_conflict(world: World) -> None:
    keyed = ("--idempotency-key", "issue-7", "-o", "name")
    name = naming.of_submission("coder", "issue-7")
    reference = f"agentrun.agents.proompteng.ai/{name}\n"

    first = await world.submit(*keyed, "--param", "a=1", "--param", "b=2")
    await world.place.until(name)
    again = await world.submit(*keyed, "--param", "a=1", "--param", "b=2", "--priority", "3")
    # The same, said otherwise: only a dry run shows that.
    reordered = await world.submit(*keyed, "--param", "b=2", "--param", "a=1")
    other = await world.submit(*keyed, "--param", "a=1", "--param", "b=3")
    named = await world.submit(*keyed, "--name", "second")

    assert (0, reference, "") == first
    there = f"{reference.strip()} already exists with the same key; it is Succeeded\n"
    assert (0, reference, there) == again
    assert (0, reference, there) == reordered
    assert (2, "") == other[:2]
    assert f"expected run {reference.strip()} of idempotency key 'issue-7'" in other[2]
    assert "it differs at spec.parameters[name=b].value" in other[2]
    # Refused at admission, which names the holder.
    assert (2, "") == named[:2]
    refused = "  spec.idempotencyKey: expected a key that no other run of agent 'coder' uses"
    assert f"{refused}, got 'issue-7', used by run '{name}'" in named[2]
    runs = await world.place.client.list(projections.RUNS, namespace=world.place.namespace)
    assert 1 == len([one for one in runs.items if one["spec"].get("idempotencyKey")])


async def test_dry_run_shows_what_would_be_and_stores_nothing(world: World) -> None:
    code, out, err = await world.submit(
        *("--name", "dry", "--dry-run", "-o", "json", "--runtime", "workflow"),
        *("--runtime-config", "ttlSecondsAfterFinished=3600", "--vcs", "github"),
    )
    table = await world.submit("--name", "dry", "--dry-run")

    spec = json.loads(out)["spec"]
    assert (0, "") == (code, err)
    assert {"parallelism": 1, "steps": [{"name": "implement"}]} == spec["runtime"]["workflow"]
    assert ("1h", "ReadWrite") == (spec["runtime"]["jobTTL"], spec["vcs"]["mode"])
    assert ["dry", "<none>", "coder"] == table[1].splitlines()[1].split()[:3]
    with pytest.raises(kube.NotFoundError):
        await world.place.read("dry")


async def test_refusal_names_every_field(world: World) -> None:
    code, out, err = await world.submit(
        *("--runtime-config", "jobTTL=soon", "--param", "prompt=x", "--runtime", "custom")
    )

    assert (2, "") == (code, out)
    for field in ("spec.runtime", "spec.runtime.jobTTL", "spec.parameters[0].name"):
        assert f"\n  {field}: " in err


# --------------------------------------------------------------------------------- wait, cancel


async def test_wait_says_how_it_ended_by_its_exit_code(world: World) -> None:
    report = json.dumps({"status": "failed", "exitCode": 3, "error": "It broke."})
    failing = ("--runtime-config", behaving(exit_code="3", message=report))
    await world.submit("--name", "failing", *failing)

    failed = await world.run("run", "wait", "failing", "--timeout", "4m")
    ended = await world.run("run", "wait", "failing", "--for", "ended")
    missing = await world.run("run", "wait", "nobody")

    line = "agentrun.agents.proompteng.ai/failing Failed (RunnerFailed): It broke.\n"
    assert (1, line) == failed[:2]
    assert (0, line, "") == ended
    assert (3, "") == missing[:2]
    assert 'agentctl: agentruns.agents.proompteng.ai "nobody" not found\n' == missing[2]


async def test_run_is_waited_for_until_it_runs_and_cancelled(world: World) -> None:
    await world.submit("--name", "endless", *ENDLESS)

    runs = await world.run("run", "wait", "endless", "--for", "running", "--timeout", "4m")
    late = await world.run("run", "wait", "endless", "--timeout", "1s")
    cancelled = await world.run("run", "cancel", "endless", "--wait", "--timeout", "4m")
    again = await world.run("run", "cancel", "endless")
    over = await world.run("run", "wait", "endless")

    name = "agentrun.agents.proompteng.ai/endless"
    assert 0 == runs[0]
    assert (4, "") == late[:2]
    assert "agentctl: expected endless to succeed within 1 s, but it is Running" in late[2]
    assert (0, f"{name} Cancelled (CancelRequested): The run was cancelled.\n") == cancelled[:2]
    assert (
        0,
        f"{name} has already ended: Cancelled (CancelRequested): The run was cancelled.\n",
    ) == again[:2]
    assert 1 == over[0]


async def test_run_that_has_ended_is_made_anew_once(world: World) -> None:
    report = json.dumps({"status": "failed", "exitCode": 3, "error": "It broke."})
    failing = ("--runtime-config", behaving(exit_code="3", message=report))
    await world.submit("--name", "broken", "--idempotency-key", "issue-8", *failing)
    await world.place.run("unstarted", agentRef={"name": "nobody"})
    await world.place.until("broken")

    early = await world.run("run", "retry", "unstarted")
    tried = await world.run("run", "retry", "broken", "--dry-run", "-o", "name")
    first = await world.run("run", "retry", "broken", "-o", "name", "--wait")
    again = await world.run("run", "retry", "broken", "-o", "name")
    taken = await world.run("run", "retry", "broken", "--name", "broken")
    missing = await world.run("run", "retry", "nobody")
    history = await world.run("run", "history", first[1].strip().rpartition("/")[2])
    as_yaml = await world.run("run", "history", "broken", "-o", "yaml")

    old = "agentrun.agents.proompteng.ai/broken"
    assert (2, "") == early[:2]
    assert "expected run unstarted to have ended, but it is Pending" in early[2]
    assert (0, "") == (tried[0], tried[2])
    assert (1, tried[1]) == first[:2]
    name = first[1].strip()
    made = f"created {name} as a retry of {old}: Failed (RunnerFailed): It broke."
    assert made == first[2].splitlines()[0]
    assert "without idempotency key 'issue-8'" in first[2]
    assert (0, first[1]) == again[:2]
    there = f"{name} already exists as a retry of {old}; it is Failed (RunnerFailed): It broke."
    assert again[2].startswith(there)
    assert (2, "") == taken[:2]
    assert f"got that of run {old}, which is not a retry of {old}" in taken[2]
    assert 3 == missing[0]
    (job,) = await world.place.jobs(name.rpartition("/")[2])
    row = history[1].splitlines()[1].split()
    assert ["1", "Failed", "RunnerFailed", "3", job["metadata"]["name"]] == row[:5]
    assert "  exitCode: 3\n" in as_yaml[1]


async def test_wait_ends_when_the_run_is_deleted(world: World) -> None:
    await world.submit("--name", "short-lived", *ENDLESS)
    waiting = await world.begin("run", "wait", "short-lived")
    assert waiting.stderr is not None
    async with asyncio.timeout(SECONDS):
        await waiting.stderr.readline()

    await world.place.client.delete(
        projections.RUNS, "short-lived", namespace=world.place.namespace
    )
    async with asyncio.timeout(SECONDS):
        out, _ = await waiting.communicate()

    assert 1 == waiting.returncode
    assert "agentrun.agents.proompteng.ai/short-lived was deleted\n" == out.decode()


# ----------------------------------------------------------------------------------- get, explain


async def test_objects_are_shown_in_every_form(world: World) -> None:
    await world.place.run("shown", agentRef={"name": "nobody"})
    await world.place.until("shown", "Pending")

    async def is_ready() -> bool:
        table = await world.run("get", "agent")
        return ["coder", "True", "coder-provider"] == table[1].splitlines()[1].split()[:3]

    await eventually(is_ready)
    wide = await world.run("get", "runs", "shown", "-o", "wide")
    pending = await world.run("get", "run", "--phase", "pending", "-o", "name")
    one = await world.run("get", "arun", "shown", "-o", "json")
    many = await world.run("get", "providers", "-o", "yaml")
    lines = await world.run("get", "runs", "-o", "ndjson")
    named = await world.run(
        *("get", "runs", "-o", "name", "--phase", "pending"),
        *("--field-selector", "metadata.name=shown"),
    )
    nothing = await world.run("get", "memories", "-o", "ndjson")
    everywhere = await world.run("get", "agents", "-A")
    none = await world.run("get", "mem")
    missing = await world.run("get", "vcs", "github")

    assert "MissingAgent" in wide[1]
    assert (0, "") == (pending[0], pending[2])
    assert "agentrun.agents.proompteng.ai/shown" in pending[1].splitlines()
    assert "nobody" == json.loads(one[1])["spec"]["agentRef"]["name"]
    assert "managedFields" not in one[1]
    assert many[1].startswith("apiVersion: v1\nkind: List\nitems:\n")
    names = [json.loads(line)["metadata"]["name"] for line in lines[1].splitlines()]
    assert "shown" in names
    assert (0, "agentrun.agents.proompteng.ai/shown\n", "") == named
    assert (0, "", "") == nothing
    assert world.place.namespace in everywhere[1]
    assert "NAMESPACE" == everywhere[1].split()[0]
    assert (0, "", f"no memories found in namespace {world.place.namespace}\n") == none
    assert 3 == missing[0]


async def test_objects_are_deleted_by_name_and_failures_are_counted(world: World) -> None:
    for name in ("gone", "also"):
        await world.place.agent(name)

    client = await world.run("delete", "agents", "gone", "--dry-run", "client")
    server = await world.run("delete", "agents", "gone", "--dry-run", "server")
    kept = await world.run("get", "agents", "gone", "-o", "name")
    partly = await world.run("delete", "agents", "gone", "missing", "also")
    again = await world.run("delete", "agents", "gone", "-y")

    reference = "agent.agents.proompteng.ai"
    assert (0, f"{reference}/gone would be deleted (client dry run)\n", "") == client
    assert (0, f"{reference}/gone would be deleted (server dry run)\n", "") == server
    assert (0, f"{reference}/gone\n") == kept[:2]
    assert (3, f"{reference}/gone deleted\n{reference}/also deleted\n") == partly[:2]
    not_found, summary = partly[2].splitlines()
    assert '"missing" not found' in not_found
    assert (
        "agentctl: expected to delete 3 agents, 1 of them failed: repeat the command with missing"
    ) == summary
    assert (3, "") == again[:2]


async def test_explain_says_who_is_before_a_run_and_who_has_its_slot(world: World) -> None:
    await world.place.agent("busy")
    notes = {f"{jobs.ANNOTATIONS}seconds": "never"}
    runtime = {"type": "Job", "extraConfig": {"podAnnotations": notes}}
    # Runs of one second are in no order but that of their priorities.
    for name, priority in (("holder", 0), ("first", 1), ("second", 0)):
        agent = {"name": "busy"}
        await world.place.run(name, agentRef=agent, runtime=runtime, priority=priority)
        await world.place.until(name, "Running" if name == "holder" else "Pending")
    await eventually(lambda: is_blocked(world.place, "second"))
    await eventually(lambda: is_told(world.place, "second"))

    code, out, _ = await world.run("explain", "second", "--home", world.place.home, "-o", "json")
    text = await world.run("explain", "second", "--home", world.place.home)
    blind = await world.run("explain", "second", "--home", "nowhere")

    found = json.loads(out)
    place = {"at": 2, "of": 2}
    assert (0, "Agent", "controller") == (code, found["blockedBy"], found["limitsFrom"])
    position = found["position"]
    assert [place, place] == [position["agent"], position["namespace"]]
    # The runs that other tests left in this cluster wait, and end, in between.
    assert 2 <= position["cluster"]["at"] <= position["cluster"]["of"]
    assert position["ends"] >= 2
    assert {"inFlight": 1, "limit": 1} == found["uses"]["agent"]
    assert [("busy", "holder")] == [(one["agent"], one["run"]) for one in found["holders"]]
    assert "only" == found["leader"]
    assert "Blocked" in {one["reason"] for one in found["events"]}
    assert "2 of 2 waiting for agent busy" in text[1]
    assert f"{world.place.namespace}/holder   busy" in text[1]
    assert 0 == blind[0]
    assert "unknown: slots: configmaps" in blind[1]
    for name in ("second", "first", "holder"):
        await world.place.change(name, cancel=True)


async def test_user_without_rights_gets_the_api_servers_words(world: World) -> None:
    least = world.place.cluster.least_kubeconfig

    code, out, err = await world.run("get", "runs", kubeconfig=least)

    assert (3, "") == (code, out)
    assert "is forbidden: User " in err


# -------------------------------------------------------------------------------------------- logs


LOG = [
    b"2026-01-02T03:04:05.000000001Z begin",
    b"2026-01-02T03:04:05.000000002Z ",
    b"2026-01-02T03:04:06.000000000Z middle",
    b"2026-01-02T03:04:07.000000000Z the end",
]


@dataclasses.dataclass
class Kubelet:
    """Gives every container the same log; breaks the first stream off, and ends every other."""

    streams: list[dict[str, str]] = dataclasses.field(default_factory=list)

    async def logs(self, request: web.Request) -> web.StreamResponse:
        """What a kubelet answers: from the second asked for, without a line end at the end."""
        query = dict(request.query)
        since = query.get("sinceTime", "")[:19]
        lines = [line for line in LOG if line[:19].decode() >= since]
        if "timestamps" not in query:
            lines = [line.partition(b" ")[2] for line in lines]
        answer = web.StreamResponse()
        await answer.prepare(request)
        if "follow" not in query:
            await answer.write(b"\n".join(lines))
            return answer
        self.streams.append(query)
        if len(self.streams) == 1:
            await answer.write(b"\n".join(lines[:3])[:-3])
            await asyncio.sleep(0.3)
            assert request.transport is not None
            request.transport.abort()
            return answer
        await answer.write(b"\n".join(lines))
        return answer


@pytest_asyncio.fixture(scope="module")
async def kubelet(
    served_cluster: devcluster.Cluster,
    client: accounts.Admin,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Kubelet]:
    """Logs of pods on the node that is not there."""
    del served_cluster
    now = dt.datetime.now(dt.UTC)
    pair = authority.issue_server(
        authority.new_authority("kubelets", now=now), ["127.0.0.1"], now=now
    )
    folder = tmp_path_factory.mktemp("kubelet")
    (folder / "tls.crt").write_bytes(pair.certificate_pem)
    (folder / "tls.key").write_bytes(pair.key_pem)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    found, app = Kubelet(), web.Application()
    app.router.add_get("/containerLogs/{namespace}/{pod}/agent-runner", found.logs)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": runner.addresses[0][1]}},
    }
    await client.patch(NODES, jobs.NODE, {"status": status}, subresource="status")
    yield found
    await runner.cleanup()


async def test_logs_are_followed_across_a_broken_stream(world: World, kubelet: Kubelet) -> None:
    place = world.place
    await world.submit("--name", "talking", *ENDLESS)
    await place.until("talking", "Running")

    following = await world.begin("run", "logs", "talking", "-f")
    await eventually(lambda: len(kubelet.streams) >= 2)
    await end_pods(place, "talking")
    async with asyncio.timeout(SECONDS):
        out, err = await following.communicate()
    plain = await world.run("run", "logs", "talking", "--attempt", "1")
    other = await world.run("run", "logs", "talking", "--attempt", "2")

    assert (0, b"begin\n\nmiddle\nthe end\n") == (following.returncode, out), err
    assert (0, "begin\n\nmiddle\nthe end\n", "") == plain
    assert 1 == other[0]
    assert "2026-01-02T03:04:05Z" == kubelet.streams[1]["sinceTime"]


async def end_pods(place: Place, name: str) -> None:
    """Let the pods of a run end that would not."""
    uid = (await place.read(name))["metadata"]["uid"]
    selector = f"{naming.RUN_LABEL}={uid}"
    found = await place.client.list(projections.PODS, namespace=place.namespace, labels=selector)
    changes = {"metadata": {"annotations": {f"{jobs.ANNOTATIONS}seconds": "0"}}}
    for pod in found.items:
        pod_name = pod["metadata"]["name"]
        await place.client.patch(projections.PODS, pod_name, changes, namespace=place.namespace)


async def test_logs_of_steps_begin_with_their_names(world: World, kubelet: Kubelet) -> None:
    del kubelet
    steps = "workflow.steps=[{name: plan}, {name: build}]"
    await world.submit("--name", "steps", "--runtime", "workflow", "--runtime-config", steps)
    await world.place.until("steps", "Succeeded")

    every = await world.run("run", "logs", "steps")
    one = await world.run("run", "logs", "steps", "--step", "build")

    def lines(step: str) -> str:
        return f"[{step}] begin\n[{step}] \n[{step}] middle\n[{step}] the end\n"

    assert (0, lines("plan") + lines("build"), "") == every
    assert (0, "begin\n\nmiddle\nthe end\n", "") == one


async def test_run_without_pods_shows_what_is_known(world: World) -> None:
    report = json.dumps({"status": "failed", "exitCode": 3, "error": "It broke."})
    failing = ("--runtime-config", behaving(exit_code="3", message=report))
    await world.submit("--name", "gone", *failing)
    await world.place.until("gone", "Failed")
    (job,) = await world.place.jobs("gone")
    await world.place.client.delete(
        projections.JOBS,
        job["metadata"]["name"],
        namespace=world.place.namespace,
        propagation="Foreground",
    )
    await eventually(lambda: world.place.jobs("gone"), is_so=False)

    code, out, err = await world.run("run", "logs", "gone")

    assert (1, "") == (code, out)
    assert [
        f"agentctl: expected logs of run {world.place.namespace}/gone in its pods, got none:",
        "  phase: Failed (RunnerFailed): It broke.",
        "  runner report: status Failed, exitCode 3, error It broke.",
    ] == err.splitlines()


async def test_local_runs_have_their_logs_in_workspaces(
    commands: Commands,
    served_cluster: devcluster.Cluster,
    client: accounts.Admin,
    tmp_path: pathlib.Path,
) -> None:
    place = await new_place(served_cluster, client)
    script = {"binary": "/bin/sh", "args": ["-c", "echo begin; sleep 2; printf 'the end'"]}
    await place.make(
        projections.PROVIDERS,
        "shell",
        {
            "runner": {"command": "agent-runner"},
            "adapter": {"type": "Exec", "exec": script},
        },
    )
    await place.make(projections.AGENTS, "coder", {"providerRef": {"name": "shell"}})
    world, workspaces = World(place, tmp_path, commands), tmp_path / "workspaces"
    options = ("--workspaces", str(workspaces))
    workspaces.mkdir()
    controller = await world.start("local", "--runtime", "local", *options)
    await world.submit("--name", "here")

    followed = await world.run("run", "logs", "here", "-f", *options)
    shown = await world.run("run", "logs", "here", *options)
    waited = await world.run("run", "wait", "here", "--timeout", "4m")
    stopped, _ = await controller.stop()

    assert (0, "begin\nthe end\n", "") == followed
    assert (0, "begin\nthe end\n", "") == shown
    assert (0, 0) == (waited[0], stopped)


# -------------------------------------------------------------------------------------- controller


async def test_decisions_are_in_the_audit_log_which_is_intact(world: World) -> None:
    log = world.folder / "audit.jsonl"
    await world.submit("--name", "audited", "--wait", "--timeout", "4m")

    def decisions() -> list[str]:
        records = [json.loads(line) for line in log.read_bytes().splitlines()]
        of_run = [each for each in records if each.get("object", {}).get("name") == "audited"]
        return [each["decision"] for each in of_run]

    await eventually(lambda: "ended" in decisions())
    verified = await asyncio.to_thread(
        world.commands.run, "agentctl", "audit", "verify", str(log), cwd=world.folder
    )

    assert ["admitted", "started", "ended"] == decisions()
    assert (0, "") == (verified.code, verified.err)
    assert verified.out.startswith("intact: ")


async def test_controller_needs_no_place_to_write_and_nobody_it_knows(
    served_cluster: devcluster.Cluster, client: accounts.Admin, tmp_path: pathlib.Path
) -> None:
    place = await new_place(served_cluster, client)
    command = bare.command(
        *(AGENTCTL, "controller", "--home", place.home, "--namespace", place.namespace),
        *("--identity", "bare", "--image", "runner", *HURRIED),
        KUBECONFIG=str(place.kubeconfig),
    )

    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=log
        )
    assert process.stdout is not None
    async with asyncio.timeout(SECONDS):
        line = await process.stdout.readline()
    controller = Controller(process, tmp_path / "log")
    await eventually(controller.leads)
    stopped, _ = await controller.stop()

    assert f"following namespace {place.namespace} as bare\n" == line.decode()
    assert 0 == stopped


async def test_replicas_stand_by_hand_over_and_end_when_the_lease_is_lost(
    commands: Commands,
    served_cluster: devcluster.Cluster,
    client: accounts.Admin,
    tmp_path: pathlib.Path,
) -> None:
    world = World(await new_place(served_cluster, client), tmp_path, commands)
    first = await world.start("first")
    await eventually(first.leads)
    second = await world.start("second")

    ready = [await one.ask(path) for one in (first, second) for path in ("/livez", "/readyz")]
    depth = (await first.ask("/metrics"))[1]
    stands_by = not await second.leads()
    code, seconds = await first.stop()
    lease = await client.get(kube.LEASES, "agents-controller", namespace=world.place.home)
    await eventually(second.leads)
    thief = {"spec": {"holderIdentity": "thief"}}
    await client.patch(kube.LEASES, "agents-controller", thief, namespace=world.place.home)
    async with asyncio.timeout(SECONDS):
        lost = await second.process.wait()

    assert [(200, "ok\n")] * 4 == ready
    assert 'workqueue_depth{name="agentrun"} 0.0' in depth
    assert stands_by
    assert 0 == code, first.log.read_text()
    assert seconds < 60
    assert lease["spec"]["holderIdentity"] in {"", "second"}
    assert 1 == lost
    last = second.log.read_text().splitlines()[-1]
    assert last.startswith(
        f"agentctl: Lease {world.place.home}/agents-controller was lost by second"
    )
    assert "Traceback" not in second.log.read_text()
