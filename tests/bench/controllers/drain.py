"""Many runs and few slots: how fast they drain, and how soon a run starts and is looked at. Shell.

One controller in a process of its own, a witness of every revision, and a user who creates runs.
"""

import asyncio
import contextlib
import dataclasses
import pathlib
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final

from prometheus_client import parser

from controllers import devcluster, kube, ledger
from controllers.runs import naming, projections
from tests.bench.controllers import load, peers
from tests.support import run_invariants
from tests.support.run_invariants import Count, Witness

LIMITS: Final = ledger.Limits(0, 0, 100)
POD_SECONDS: Final = 0.5
SUBMISSIONS: Final = 200
SUBMISSION_PAUSE_SECONDS: Final = 0.2
CREATORS: Final = 8
MAX_SECONDS: Final = 1200.0
DELAY: Final = "workqueue_queue_duration_seconds_bucket"


@dataclasses.dataclass(frozen=True)
class Drained:
    """What was measured.

    Attributes:
        admissions_a_second: From the controller's start to the last run's end.
        most_in_flight: Slots that were held at once.
        violations: Of the invariants, at every revision.
        writes_a_run: Of the controller, Events included.
        submit_seconds: From a run's creation to its Job's, for each.
        delay_seconds: Below which 95 % of looks began, by the histogram's buckets.
        stored: Runs that there were meanwhile.
    """

    admissions_a_second: float
    most_in_flight: int
    violations: tuple[str, ...]
    writes_a_run: float
    submit_seconds: tuple[float, ...]
    delay_seconds: float
    stored: int

    @property
    def submit_p95_seconds(self) -> float:
        """Of the submissions."""
        return statistics.quantiles(self.submit_seconds, n=20)[-1]


async def measure(
    cluster: devcluster.Cluster, number: int, submissions: int, log: pathlib.Path
) -> Drained:
    """Drain so many runs, then submit a few with twice as many stored."""
    async with kube.Client.from_kubeconfig(
        cluster.admin_kubeconfig, user_agent="load", on_warning=lambda _: None
    ) as client:
        namespace = "drain"
        await peers.prepare(client)
        await peers.prepare_namespace(client, namespace, POD_SECONDS)
        waiting = load.names("run", number)
        await _created(client, namespace, waiting)
        peers.tell(f"{number} runs wait")
        before = await load.settled(cluster)
        witness = Witness(client, namespace, [namespace])
        async with witness.watching():
            with peers.running("ours", cluster.admin_kubeconfig, namespace, log) as program:
                began = time.perf_counter()
                await _until(witness, "Succeeded", waiting)
                seconds = time.perf_counter() - began
                after = await load.settled(cluster)
                others = await load.cluster_events(client, namespace)
                writes = load.difference(after, before, load.WRITES)
                peers.tell(f"drained in {seconds:.0f} s, writes {writes} less {others} of Jobs")
                suspended = load.names("waits", number)
                await _created(client, namespace, suspended, suspend=True)
                await _until(witness, "Pending", suspended)
                await asyncio.sleep(2)
                first = await program.metrics()
                submitted = await _submissions(client, namespace, submissions)
                last = await program.metrics()
    count = Count()
    violations = tuple(run_invariants.violations(witness.events, LIMITS, count))
    return Drained(
        number / seconds,
        count.most_in_flight,
        violations,
        (sum(writes.values()) - others) / number,
        tuple(submitted),
        delay_seconds(first, last),
        2 * number + submissions,
    )


async def _created(
    client: kube.Client, namespace: str, names: Sequence[str], *, suspend: bool = False
) -> None:
    """Create runs, several at once."""
    waiting = iter(names)

    async def create() -> None:
        for name in waiting:
            body = peers.agent_run(name, namespace)
            if suspend:
                body["spec"]["suspend"] = True
            await client.create(projections.RUNS, body)

    await asyncio.gather(*(create() for _ in range(CREATORS)))


async def _until(witness: Witness, phase: str, names: Sequence[str]) -> None:
    """Wait until each of these runs has been in a phase, by what is watched anyway."""
    left, read = {*names}, 0
    async with asyncio.timeout(MAX_SECONDS):
        while left:
            await asyncio.sleep(1)
            fresh = witness.events[read:]
            read += len(fresh)
            runs = (event.object for event in fresh if isinstance(event.object, projections.Run))
            left -= {run.metadata.name for run in runs if run.status.phase == phase}


async def _submissions(client: kube.Client, namespace: str, number: int) -> list[float]:
    """How long it takes from a run's creation to its Job's, one run after the other."""
    started: dict[str, float] = {}
    found: list[float] = []
    done = asyncio.Event()

    async with _jobs(client, namespace) as events:

        async def watch() -> None:
            async for event in events:
                uid = event.object["metadata"].get("labels", {}).get(naming.RUN_LABEL)
                if event.type == "ADDED" and uid in started:
                    found.append(time.perf_counter() - started.pop(uid))
                    if len(found) == number:
                        done.set()
                        return

        watching = asyncio.create_task(watch())
        for name in load.names("submit", number):
            began = time.perf_counter()
            created = await client.create(projections.RUNS, peers.agent_run(name, namespace))
            started[created["metadata"]["uid"]] = began
            await asyncio.sleep(SUBMISSION_PAUSE_SECONDS)
        async with asyncio.timeout(MAX_SECONDS):
            await done.wait()
        await watching
    return found


@contextlib.asynccontextmanager
async def _jobs(client: kube.Client, namespace: str) -> AsyncIterator[AsyncIterator[kube.Event]]:
    listed = await client.list(projections.JOBS, namespace=namespace)
    events = client.watch(
        projections.JOBS, namespace=namespace, resource_version=listed.resource_version
    )
    async with contextlib.aclosing(events):
        yield events


def delay_seconds(before: str, after: str, share: float = 0.95) -> float:
    """The bucket's bound below which a share of the looks between two readings began."""
    first, last = _buckets(before), _buckets(after)
    grown = {bound: count - first.get(bound, 0.0) for bound, count in last.items()}
    total = grown[float("inf")]
    return min(bound for bound, count in grown.items() if count >= share * total)


def _buckets(metrics: str) -> dict[float, float]:
    return {
        float(sample.labels["le"]): sample.value
        for family in parser.text_string_to_metric_families(metrics)
        for sample in family.samples
        if sample.name == DELAY
    }
