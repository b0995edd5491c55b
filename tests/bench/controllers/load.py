"""Runs that are created as fast as the API server takes them, and followed to their end. Shell."""

import asyncio
import collections
import contextlib
import dataclasses
import itertools
import time
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from prometheus_client import parser

from controllers import devcluster, kube
from controllers.runs import projections
from tests.bench.controllers import peers

CREATORS: Final = 8
MAX_SECONDS: Final = 600.0
SETTLE_SECONDS: Final = 3.0
WRITES: Final = frozenset({"POST", "PUT", "PATCH", "APPLY", "DELETE"})
READS: Final = frozenset({"GET", "LIST"})
_COUNTED: Final = frozenset(
    {("agentruns", ""), ("agentruns", "status"), ("jobs", ""), ("configmaps", "")}
    | {("pods", ""), ("events", "")}
)
_EVENT_CREATIONS: Final = ("POST", "events", "")
_JOB_CONTROLLER: Final = "job-controller"


@dataclasses.dataclass(frozen=True)
class Driven:
    """What became of a load.

    Attributes:
        seconds: From the first creation to the last run that has ended.
        creating_seconds: To the last creation.
    """

    seconds: float
    creating_seconds: float


async def drive(client: kube.Client, namespace: str, names: Iterable[str]) -> Driven:
    """Create runs, and wait until all have succeeded.

    Raises:
        SystemExit: One failed, or they took too long.
    """
    waiting = set(names)
    listed = await client.list(projections.RUNS, namespace=namespace)
    before = iter(sorted(waiting))
    began = time.perf_counter()

    async def create() -> None:
        for name in before:
            await client.create(projections.RUNS, peers.agent_run(name, namespace))

    async def all_created() -> float:
        await asyncio.gather(*(create() for _ in range(CREATORS)))
        return time.perf_counter() - began

    try:
        async with asyncio.timeout(MAX_SECONDS), asyncio.TaskGroup() as group:
            creating = group.create_task(all_created())
            await _until_ended(client, namespace, listed.resource_version, waiting)
            return Driven(time.perf_counter() - began, await creating)
    except TimeoutError:
        raise SystemExit(f"expected all runs to end, got {len(waiting)} that did not") from None


async def _until_ended(
    client: kube.Client, namespace: str, version: str, waiting: set[str]
) -> None:
    while waiting:
        events = client.watch(projections.RUNS, namespace=namespace, resource_version=version)
        async with contextlib.aclosing(events):
            async for event in events:
                version = event.resource_version
                phase = (event.object.get("status") or {}).get("phase")
                name = event.object["metadata"].get("name")
                if phase == "Failed":
                    raise SystemExit(f"expected {name} to succeed: {event.object['status']}")
                if phase == "Succeeded":
                    waiting.discard(name)
                if not waiting:
                    return


Counts: TypeAlias = Mapping[tuple[str, str, str], int]
"""Requests by verb, resource and subresource."""


def counted(metrics: str) -> Counts:
    """What an API server's metrics say that it was asked, of what a controller of runs asks.

    In the first half minute of a cluster the garbage collector reads runs, too, as owners of Jobs.
    """
    found: collections.Counter[tuple[str, str, str]] = collections.Counter()
    for family in parser.text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name != "apiserver_request_total":
                continue
            labels = sample.labels
            key = (labels["verb"], labels["resource"], labels["subresource"])
            if key[1:] in _COUNTED and not _is_others(*key[:2]):
                found[key] += int(sample.value)
    return found


def _is_others(verb: str, resource: str) -> bool:
    """Whether only the load, or the cluster's own controllers, ask for such a thing."""
    return (verb, resource) == ("POST", "agentruns") or (resource == "pods" and verb in WRITES)


def difference(after: Counts, before: Counts, verbs: Iterable[str]) -> dict[str, int]:
    """What was asked in between, by resource."""
    wanted = frozenset(verbs)
    grown: collections.Counter[str] = collections.Counter()
    for key in after:
        verb, resource, subresource = key
        if verb in wanted and after[key] > before.get(key, 0):
            name = "/".join(filter(None, (resource, subresource)))
            grown[name] += after[key] - before.get(key, 0)
    return dict(grown)


async def settled(cluster: devcluster.Cluster) -> Counts:
    """What the API server was asked, once no more Events come: they follow what they tell."""
    known: int | None = None
    async with asyncio.timeout(MAX_SECONDS):
        while True:
            metrics = await asyncio.to_thread(cluster.kubectl, "get", "--raw", "/metrics")
            found = counted(metrics.stdout)
            if found.get(_EVENT_CREATIONS, 0) == known:
                return found
            known = found.get(_EVENT_CREATIONS, 0)
            await asyncio.sleep(SETTLE_SECONDS)


async def cluster_events(client: kube.Client, namespace: str) -> int:
    """How many Events of a namespace the cluster's own Job controller wrote."""
    listed = await client.list(kube.EVENTS, namespace=namespace)
    return sum(_JOB_CONTROLLER in _reporters(one) for one in listed.items)


def _reporters(event: kube.JSON) -> set[str]:
    old = event.get("deprecatedSource") or {}
    return {str(event.get("reportingController")), str(old.get("component"))}


def names(prefix: str, count: int) -> list[str]:
    """Names of runs."""
    return [f"{prefix}-{number:05d}" for number in itertools.islice(itertools.count(), count)]
