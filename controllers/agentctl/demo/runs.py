"""The runs of the demo, whose agent is a shell script. Shell."""

import asyncio
import contextlib
import pathlib
from collections.abc import Iterator
from typing import Final

from controllers import devcluster, kube
from controllers.agentctl.demo.progress import Show
from controllers.agentctl.dev import local_platform
from controllers.runs import naming, projections

NAMESPACE: Final = "default"
SECONDS: Final = 60.0
ENDED: Final = ("Succeeded", "Failed", "Cancelled")
# The agent acts on its run's parameters and writes a file. User input is passed as arguments, never
# as part of the script.
SCRIPT: Final = """\
case "$1" in
  greet) echo "Hello $2, from $(basename "$PWD")" > greeting.txt ;;
  break) echo "cannot do that" >&2; exit 3 ;;
  sleep) sleep 300 ;;
esac
"""
ARGUMENTS: Final = ("-c", SCRIPT, "agent", "{{ inputs.task }}", "{{ inputs.who }}")
PROVIDER: Final = {
    "runner": {"command": "agent-runner"},
    "adapter": {"type": "Exec", "exec": {"binary": "/bin/sh", "args": [*ARGUMENTS]}},
    "outputArtifacts": [{"name": "greeting", "path": "greeting.txt"}],
}


async def run(show: Show, cluster: devcluster.Cluster, scratch: pathlib.Path) -> None:
    """Start a controller, and show runs that succeed, fail, wait and are cancelled."""
    async with kube.Client.from_kubeconfig(
        cluster.admin_kubeconfig, on_warning=lambda _: None
    ) as client:
        show.title("A shell script as an agent, and a controller that runs it locally")
        show.yaml({"adapter": PROVIDER["adapter"]})
        await _make(client, projections.PROVIDERS, "shell", PROVIDER)
        await _make(client, projections.AGENTS, "greeter", {"providerRef": {"name": "shell"}})
        with _controller(cluster, scratch) as workspaces:
            show.check("a controller leads, with a limit of one run per agent", is_true=True)
            await _succeeds(show, client, workspaces)
            await _fails(show, client)
            await _waits_and_is_cancelled(show, client)


@contextlib.contextmanager
def _controller(cluster: devcluster.Cluster, scratch: pathlib.Path) -> Iterator[pathlib.Path]:
    workspaces = scratch / "workspaces"
    with local_platform.controller(
        cluster, scratch / "controller", workspaces, "--limit-agent", "1"
    ):
        yield workspaces


async def _succeeds(show: Show, client: kube.Client, workspaces: pathlib.Path) -> None:
    show.title("A run succeeds and writes a file")
    run = await _submit(client, "greet-ada", task="greet", who="Ada")
    status = await show.call("wait until it ended", lambda: _until(client, "greet-ada", *ENDED))
    show.yaml({"status": {name: status[name] for name in ("phase", "reason", "artifacts")}})
    folder = workspaces / NAMESPACE / naming.of_key(f"{run['metadata']['uid']}/1")
    files = [*folder.rglob("greeting.txt")]
    text = files[0].read_text() if files else ""
    show.text(f"greeting.txt: {text.strip()}")
    show.check("the agent greeted the name in its run's parameters", text.startswith("Hello Ada"))


async def _fails(show: Show, client: kube.Client) -> None:
    show.title("A run fails and reports the reason")
    await _submit(client, "break", task="break")
    status = await show.call("wait until it ended", lambda: _until(client, "break", *ENDED))
    show.yaml({"status": {name: status[name] for name in ("phase", "reason", "message")}})
    show.check("the exit code is reported", status["runner"].get("exitCode") == 3)  # noqa: PLR2004


async def _waits_and_is_cancelled(show: Show, client: kube.Client) -> None:
    show.title("A run waits for a slot; the run that holds it is cancelled")
    await _submit(client, "sleep", task="sleep")
    await show.call("the first runs", lambda: _until(client, "sleep", "Running"))
    await _submit(client, "greet-bob", task="greet", who="Bob")
    waiting = await show.call("the second waits", lambda: _until(client, "greet-bob", "Pending"))
    show.yaml({"status": {name: waiting[name] for name in ("phase", "reason", "queue")}})
    show.check("blocked by its agent's limit", waiting["queue"]["blockedBy"] == "Agent")
    await client.patch(projections.RUNS, "sleep", {"spec": {"cancel": True}}, namespace=NAMESPACE)
    cancelled = await show.call(
        "wait until the first ended", lambda: _until(client, "sleep", *ENDED)
    )
    second = await show.call(
        "wait until the second ended", lambda: _until(client, "greet-bob", *ENDED)
    )
    show.check("the first was cancelled", cancelled["phase"] == "Cancelled")
    show.check("the second got a slot and succeeded", second["phase"] == "Succeeded")


async def _submit(client: kube.Client, name: str, **parameters: str) -> kube.JSON:
    spec = {
        "agentRef": {"name": "greeter"},
        "implementation": {"inline": {"text": "Do as the parameters say."}},
        "runtime": {"type": "Job"},
        "parameters": [{"name": key, "value": value} for key, value in parameters.items()],
    }
    return await _make(client, projections.RUNS, name, spec)


async def _make(
    client: kube.Client, resource: kube.Resource, name: str, spec: kube.JSON
) -> kube.JSON:
    body = {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}
    named = {"apiVersion": resource.api_version, "kind": resource.kind}
    return await client.create(resource, {**named, **body})


async def _until(client: kube.Client, name: str, *phases: str) -> kube.JSON:
    """Watch a run until it reaches one of the phases; return its status.

    Raises:
        UnreachableError: It did not within a minute.
    """
    watch = client.watch(projections.RUNS, namespace=NAMESPACE, fields=f"metadata.name={name}")
    try:
        async with asyncio.timeout(SECONDS), contextlib.aclosing(watch):
            async for event in watch:
                status = event.object.get("status") or {}
                if status.get("phase") in phases:
                    return dict(status)
    except TimeoutError:
        pass
    raise kube.UnreachableError(f"expected run {name} to be {' or '.join(phases)} within a minute")
