"""What must hold at every revision, of runs, Jobs and the ledger. Pure; ``Witness`` gathers.

An etcd counts all revisions as one: events of several watches, sorted by it, are what was true.
"""

import asyncio
import collections
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Final, Self, TypeAlias

from controllers import kube, ledger
from controllers.kube import requests
from controllers.kube.client import WATCH_SECONDS
from controllers.kube.requests import Selection
from controllers.kube.watch.projections import Decoder
from controllers.ledger import encoding
from controllers.runs import naming, projections

ENDED = frozenset({"Succeeded", "Failed", "Cancelled"})


class ConfigMap(kube.Projection, frozen=True):
    """The ledger as it is stored."""

    data: Mapping[str, str] = {}


View: TypeAlias = ConfigMap | projections.Run | projections.Job
VIEWS: Final[Mapping[kube.Resource, type[View]]] = {
    kube.CONFIG_MAPS: ConfigMap,
    projections.RUNS: projections.Run,
    projections.JOBS: projections.Job,
}


@dataclasses.dataclass(frozen=True)
class Event:
    """One revision of one object; of a deletion, the last state."""

    revision: int
    is_gone: bool
    object: View

    @classmethod
    def of(
        cls, revision: int, resource: kube.Resource, body: kube.JSON, *, is_gone: bool = False
    ) -> Self:
        """Of an object as the API server shows it."""
        return cls(revision, is_gone, projections.of(VIEWS[resource], body))


@dataclasses.dataclass
class Count:
    """What was seen, for the report."""

    revisions: int = 0
    most_in_flight: int = 0
    admissions: int = 0


def violations(events: list[Event], limits: ledger.Limits, count: Count) -> Iterator[str]:
    """What did not hold, at which revision."""
    slots: Mapping[str, ledger.Slot] = {}
    working: dict[str, str] = {}  # the run of each Job that may work
    phases: dict[str, str] = {}
    for event in sorted(events, key=lambda one: one.revision):
        count.revisions += 1
        at = f"revision {event.revision}"
        uid = event.object.metadata.uid
        match event.object:
            case ConfigMap(data=data):
                before, slots = slots, {} if event.is_gone else encoding.read({"data": data}).slots
                count.admissions += len(slots.keys() - before.keys())
                count.most_in_flight = max(count.most_in_flight, len(slots))
                yield from (f"{at}: {one}" for one in _over(slots, limits))
            case projections.Run(metadata=metadata, status=status):
                phase, known = status.phase, phases.get(uid, "")
                if known in ENDED and phase != known and not event.is_gone:
                    yield f"{at}: run {metadata.name} was {known}, and then {phase}"
                phases[uid] = phase
            case projections.Job() as job:
                working.pop(uid, None)
                if not event.is_gone and (run := _working_for(job)):
                    working[uid] = run
        yield from (f"{at}: {one}" for one in _unheld(working, slots))


def _over(slots: Mapping[str, ledger.Slot], limits: ledger.Limits) -> Iterator[str]:
    """Limits that a ledger exceeds."""
    namespaces = collections.Counter(slot.namespace for slot in slots.values())
    agents = collections.Counter((slot.namespace, slot.agent) for slot in slots.values())
    if len(slots) > limits.cluster:
        yield f"{len(slots)} slots of {limits.cluster}"
    for limit, counted in ((limits.namespace, namespaces), (limits.agent, agents)):
        for name, number in counted.items():
            if limit and number > limit:
                yield f"{number} slots of {limit} in {name}"


def _unheld(working: Mapping[str, str], slots: Mapping[str, ledger.Slot]) -> Iterator[str]:
    """Jobs that may work though their run has no slot; and runs with two of them."""
    for uid, number in collections.Counter(working.values()).items():
        if uid not in slots:
            yield f"run {uid} has a Job and no slot"
        if number > 1:
            yield f"run {uid} has {number} Jobs at work"


def _working_for(job: projections.Job) -> str:
    """The run of a Job that may work and is its only one at a time; empty for others."""
    labels = job.metadata.labels
    is_step = naming.STEP_LABEL in labels
    return labels[naming.RUN_LABEL] if not is_step and _may_work(job) else ""


def _may_work(job: projections.Job) -> bool:
    """Whether a Job has pods, or may get some."""
    if naming.TOMBSTONE_LABEL in job.metadata.labels:
        return False
    if job.spec.suspend and not job.status.active and not job.status.terminating:
        return False
    return job.ending is None


class Witness:
    """Watches all that the invariants are about, past every proxy."""

    def __init__(self, client: kube.Client, home: str, namespaces: list[str]) -> None:
        self._client, self._home, self._namespaces = client, home, namespaces
        self.events: list[Event] = []
        self._revision = 0

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator["Witness"]:
        """Gather until the block ends, and a little longer."""
        started = (await self._client.list(kube.NAMESPACES)).resource_version
        of_ledger = Selection(namespace=self._home, fields="metadata.name=run-ledger")
        wanted = [(kube.CONFIG_MAPS, of_ledger)]
        for name in self._namespaces:
            wanted.append((projections.RUNS, Selection(namespace=name)))
            wanted.append((projections.JOBS, Selection(namespace=name, labels=naming.RUN_LABEL)))
        tasks = [asyncio.create_task(self._follow(*one, started)) for one in wanted]
        try:
            yield self
            await asyncio.sleep(0.5)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        broken = [one for one in ended if isinstance(one, Exception)]
        assert not broken, broken

    async def _follow(self, resource: kube.Resource, selection: Selection, revision: str) -> None:
        """Keep of each event what is looked at: decoded whole, thousands of runs take a core."""
        decoder = Decoder(VIEWS[resource])
        while True:
            request = requests.watch(
                resource, selection, resource_version=revision, timeout_seconds=WATCH_SECONDS
            )
            async with contextlib.aclosing(self._client.lines(request)) as lines:
                async for line in lines:
                    seen = decoder.event(line, str(request))
                    if seen is None:
                        continue
                    revision = seen.resource_version
                    if seen.object is not None:
                        is_gone = seen.type == "DELETED"
                        self.events.append(Event(int(revision), is_gone, seen.object))
