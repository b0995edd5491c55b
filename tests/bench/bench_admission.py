"""What admission and conversion add to calls of a real API server.

``python -m tests.bench.bench_admission --number 5000``: AgentRuns of 3 KB are created by turns in
two clusters with the same CRDs, one without webhooks, in both versions; then both are listed. Exit
code 1: the 99th percentile grew by 5 ms or more. Shell: processes.
"""

import argparse
import asyncio
import contextlib
import copy
import dataclasses
import json
import pathlib
import random
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Mapping
from typing import Any

import rich.box
import rich.console
import rich.progress
import rich.table
from prometheus_client import parser

import crds
from controllers import devcluster, kube
from controllers.agentctl.dev import local_platform
from schemagen.crd import definitions
from schemagen.versions import graph
from tests.bench import bench_conversion
from webhooks.server import worker

WANTED_MS = 5.0
VERSIONS = ("v1alpha1", "v1beta1")
KIND = next(one for one in crds.api if one.name == "AgentRun")
# The API server's own histograms of what webhooks took, in seconds.
HISTOGRAMS = {
    "admission": "apiserver_admission_webhook_admission_duration_seconds",
    "conversion": "apiserver_crd_conversion_webhook_duration_seconds",
}
OWN_HISTOGRAM = "controller_runtime_webhook_latency_seconds"


@dataclasses.dataclass(frozen=True)
class Side:
    """A cluster, and what its calls took in milliseconds, by what was done."""

    client: kube.Client
    taken: dict[str, list[float]] = dataclasses.field(default_factory=dict)

    async def create(self, version: str, body: dict[str, Any]) -> None:
        """Create an object."""
        started = time.perf_counter()
        await self.client.create(_resource(version), body, namespace="default")
        self._note(f"create in {version}", started)

    async def list(self, version: str) -> int:
        """List all objects; how many there are."""
        started = time.perf_counter()
        found = await self.client.list(_resource(version), namespace="default")
        self._note(f"list in {version}", started)
        return len(found.items)

    def _note(self, what: str, started: float) -> None:
        self.taken.setdefault(what, []).append((time.perf_counter() - started) * 1e3)

    def p99(self, what: str) -> float:
        """The 99th percentile."""
        return statistics.quantiles(self.taken[what], n=100)[98]


def _resource(version: str) -> kube.Resource:
    return kube.Resource(crds.api.group, version, KIND.plural, KIND.name)


def bodies() -> Mapping[str, dict[str, Any]]:
    """A run of 3 KB in each version."""
    old = bench_conversion.run()
    old.pop("status", None)
    new = graph.convert(crds.api, KIND, old, source="v1alpha1", target="v1beta1").object
    return {"v1alpha1": old, "v1beta1": new}


@contextlib.asynccontextmanager
async def plain(cluster: devcluster.Cluster) -> AsyncIterator[Side]:
    """A cluster with the CRD, and nothing that is called."""
    async with kube.Client.from_kubeconfig(
        cluster.admin_kubeconfig, on_warning=lambda _: None
    ) as client:
        manifest = definitions.crd(crds.api, KIND)
        await client.create(kube.CUSTOM_RESOURCE_DEFINITIONS, manifest)
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(kube.NotFoundError):
                    await client.list(_resource("v1beta1"))
                    break
                await asyncio.sleep(0.1)
        yield Side(client)


async def measured(
    without: devcluster.Cluster, with_webhooks: devcluster.Cluster, number: int
) -> tuple[Side, Side]:
    """The same calls of both, by turns."""
    async with (
        plain(without) as base,
        kube.Client.from_kubeconfig(
            with_webhooks.admin_kubeconfig, on_warning=lambda _: None
        ) as client,
    ):
        ours, rng = Side(client), random.Random(0)  # noqa: S311 - an order
        console = rich.console.Console(stderr=True)
        with rich.progress.Progress(console=console, transient=True) as progress:
            bar = progress.add_task("created", total=number)
            for at in range(number):
                version = rng.choice(VERSIONS)
                body = copy.deepcopy(bodies()[version])
                body["metadata"] = {"name": f"run-{at}", "labels": {"team": "web"}}
                # What a cluster still does after a call must not always meet the same other one.
                for side in rng.sample((base, ours), 2):
                    await side.create(version, copy.deepcopy(body))
                progress.advance(bar)
        for version in VERSIONS:
            for side in (base, ours):
                found = await side.list(version)
                if found != number:
                    raise SystemExit(f"expected {number} in {version}, got {found}")
        return base, ours


def within(text: str, name: str, share: float) -> tuple[float, int]:
    """The bound in milliseconds below which a share of a histogram is, and how many there are."""
    counts: dict[float, float] = {}
    for family in parser.text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == f"{name}_bucket" and _is_ours(sample.labels):
                bound = float(sample.labels["le"])
                counts[bound] = counts.get(bound, 0) + sample.value
    total = max(counts.values(), default=0)
    bound = next(bound for bound in sorted(counts) if counts[bound] >= share * total)
    return bound * 1e3, int(total)


def _is_ours(labels: Mapping[str, str]) -> bool:
    """Whether a histogram's labels are of our webhooks: the server's own, or the API server's."""
    return "webhook" in labels or crds.api.group in labels.get("name", labels.get("crd_name", ""))


def own_metrics(directory: pathlib.Path) -> str:
    """The metrics of the server that logs in a directory, once it has counted all."""
    time.sleep(2 * worker.TICK_SECONDS)
    lines = (directory / "webhooks.log").read_text().splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    (url,) = [one["url"] for one in events if one.get("event") == "health and metrics"]
    with urllib.request.urlopen(f"{url}/metrics") as answer:  # noqa: S310 - ours, on loopback
        return str(answer.read().decode())


def table(base: Side, ours: Side, number: int) -> tuple[rich.table.Table, list[str]]:
    """What was measured, and what is short."""
    found = rich.table.Table(
        *("call", "median ms, plain", "with webhooks", "p99 ms, plain", "with webhooks", "added"),
        box=rich.box.SIMPLE,
    )
    short = []
    for version in VERSIONS:
        what = f"create in {version}"
        added = ours.p99(what) - base.p99(what)
        medians = [statistics.median(side.taken[what]) for side in (base, ours)]
        cells = [*medians, base.p99(what), ours.p99(what), added]
        found.add_row(what, *(f"{cell:.2f}" for cell in cells))
        short += [f"{what}: {added:.2f} ms"] if added >= WANTED_MS else []
    for version in VERSIONS:
        what = f"list in {version}"
        before, after = (side.taken[what][0] for side in (base, ours))
        each = f"{(after - before) / number:.3f} each"
        found.add_row(f"{what}, {number}", f"{before:.0f}", f"{after:.0f}", "", "", each)
    return found, short


def main() -> int:
    """Start both clusters, measure, and say what is short."""
    arguments = argparse.ArgumentParser(description="what admission and conversion add")
    arguments.add_argument("--number", type=int, default=5000)
    number = arguments.parse_args().number
    with (
        tempfile.TemporaryDirectory() as scratch,
        devcluster.Cluster(tell=_tell) as without,
        devcluster.Cluster(tell=_tell) as with_webhooks,
        local_platform.webhook_server(with_webhooks, pathlib.Path(scratch)),
    ):
        base, ours = asyncio.run(measured(without, with_webhooks, number))
        text = with_webhooks.kubectl("get", "--raw", "/metrics").stdout
        said = [(what, *within(text, name, 0.99)) for what, name in HISTOGRAMS.items()]
        own, count = within(own_metrics(pathlib.Path(scratch)), OWN_HISTOGRAM, 0.99)
    found, short = table(base, ours, number)
    rich.console.Console(width=120).print(found)
    print(f"the server's own count: 99 % of {count} answers within {own:g} ms")  # noqa: T201 - output
    for what, bound, calls in said:
        print(f"{what}, as the API server counts: 99 % of {calls} calls within {bound:g} ms")  # noqa: T201 - likewise
        short += [f"{what}: {bound:g} ms"] if bound > WANTED_MS else []
    print(f"short: {'; '.join(short) or 'nothing'}")  # noqa: T201 - likewise
    return 1 if short else 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - progress of the command


if __name__ == "__main__":
    sys.exit(main())
