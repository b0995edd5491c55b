"""`schemagen preflight` of many live objects on a real API server: time and memory.

Objects of 3 KB in two versions; an upgrade that concerns one in a hundred, and one that breaks all.
"""

import argparse
import asyncio
import copy
import functools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

import crds
from controllers import devcluster, kube
from schemagen import yaml
from schemagen.crd import definitions

ROOT = pathlib.Path(__file__).parents[2]
SAMPLE = ROOT / "crds/samples/v1beta1/agentrun.yaml"
RUNS = kube.Resource(crds.api.group, "v1beta1", "agentruns", "AgentRun")
CLIENTS, WORKERS = 4, 64
_IS_EVEN = "self.parameters.all(p, p.value != 'odd')"
TARGET_SECONDS, TARGET_MIB = 60, 300


def definition() -> dict[str, Any]:
    """The CRD of AgentRuns with two versions of one schema, without a webhook."""
    kind = next(kind for kind in crds.api if kind.name == "AgentRun")
    made = definitions.crd(crds.api, kind)
    made["spec"].pop("conversion", None)
    (version,) = [one for one in made["spec"]["versions"] if one["name"] == "v1beta1"]
    newer = {**copy.deepcopy(version), "name": "v1", "storage": False}
    made["spec"]["versions"] = [{**version, "storage": True, "served": True}, newer]
    return made


def loose(made: dict[str, Any]) -> dict[str, Any]:
    """The CRD without its schema, with which objects are created in a fraction of the time."""
    (version, _) = made["spec"]["versions"]
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    only = {**version, "schema": {"openAPIV3Schema": schema}, "additionalPrinterColumns": []}
    only.pop("selectableFields", None)
    return {**made, "spec": {**made["spec"], "versions": [only]}}


def changed(made: dict[str, Any], rule: str) -> dict[str, Any]:
    """The CRD with a rule more, and without a field of the spec."""
    new = copy.deepcopy(made)
    for version in new["spec"]["versions"]:
        spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        rules = spec.setdefault("x-kubernetes-validations", [])
        rules.append({"rule": rule, "message": "expected another size"})
    return new


def run(index: int) -> dict[str, Any]:
    """An AgentRun of 3 KB; one in a hundred is odd."""
    sample = _sample()
    spec = sample["spec"] | {
        "parameters": [{"name": f"p{n}", "value": "x" * 60} for n in range(20)]
    }
    if index % 100 == 0:
        spec["parameters"][0]["value"] = "odd"
    metadata = {"name": f"run-{index}", "namespace": "default", "labels": {"team": "a"}}
    return sample | {"metadata": metadata, "spec": spec}


@functools.cache
def _sample() -> dict[str, Any]:
    documents: list[dict[str, Any]] = yaml.load_all(SAMPLE.read_bytes())
    (sample,) = [one for one in documents if one["kind"] == "AgentRun"]
    return sample


async def load(cluster: devcluster.Cluster, number: int) -> None:
    """Create the objects, over several connections."""
    todo = iter(range(number))

    async def create(client: kube.Client) -> None:
        for index in todo:
            await client.create(RUNS, run(index))

    async with asyncio.TaskGroup() as group:
        clients = [
            await kube.Client.from_kubeconfig(cluster.admin_kubeconfig).__aenter__()
            for _ in range(CLIENTS)
        ]
        for index in range(WORKERS):
            group.create_task(create(clients[index % CLIENTS]))
    for client in clients:
        await client.__aexit__(None, None, None)


def measured(cluster: devcluster.Cluster, path: pathlib.Path) -> tuple[float, float, int, int, str]:
    """Run the command; seconds, those of CPU, MiB at most, exit code, and its last words."""
    command = [sys.executable, "-m", "schemagen", "preflight", str(path), "-o", "json"]
    environment = {**os.environ, "KUBECONFIG": str(cluster.admin_kubeconfig)}
    started = time.monotonic()
    with path.with_suffix(".out").open("w") as output:
        done = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.PIPE, text=True
        )
        assert done.stderr is not None
        said = done.stderr.read()
        _, status, usage = os.wait4(done.pid, 0)
    seconds = time.monotonic() - started
    cpu_seconds = usage.ru_utime + usage.ru_stime
    code = os.waitstatus_to_exitcode(status)
    return seconds, cpu_seconds, usage.ru_maxrss // 1024, code, said.strip()


def _await_version(cluster: devcluster.Cluster, version: str) -> None:
    """Wait until a version is served with its watch cache."""
    path = f"/apis/{RUNS.group}/{version}/{RUNS.plural}?limit=1"
    deadline = time.monotonic() + 120
    while cluster.kubectl("get", "--raw", path, check=False).returncode:
        if time.monotonic() > deadline:
            raise TimeoutError(f"expected {version} to be served, got none in 120 s")
        time.sleep(0.5)


def main() -> None:
    """Print what was measured, and whether it is within the target."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--number", type=int, default=20_000)
    number = parser.parse_args().number
    rules = {
        "one in a hundred is refused": f"{_IS_EVEN} || self != oldSelf",
        "all are refused": "self != oldSelf",
    }
    is_within = True
    with tempfile.TemporaryDirectory() as folder, devcluster.Cluster() as cluster:
        made = definition()
        cluster.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(loose(made)))
        cluster.kubectl("wait", "--for=condition=Established", f"crd/{made['metadata']['name']}")
        started = time.monotonic()
        asyncio.run(load(cluster, number))
        cluster.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(made))
        _await_version(cluster, "v1")
        print(f"{number} objects created in {time.monotonic() - started:.0f} s", flush=True)  # noqa: T201 - the output
        for title, rule in rules.items():
            path = pathlib.Path(folder) / "new.json"
            path.write_text(json.dumps(changed(made, rule)))
            seconds, cpu_seconds, size, code, said = measured(cluster, path)
            taken = f"{seconds:.1f} s ({cpu_seconds:.1f} s of CPU), {size} MiB"
            print(f"{title}: {taken}, exit code {code}: {said}", flush=True)  # noqa: T201 - the output
            is_within &= code == 1 and seconds < TARGET_SECONDS and size < TARGET_MIB
    met = "met" if is_within else "not met"
    print(f"target: under {TARGET_SECONDS} s and {TARGET_MIB} MiB: {met}")  # noqa: T201 - the output
    sys.exit(not is_within)


if __name__ == "__main__":
    main()
