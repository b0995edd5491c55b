"""What must hold at every revision, of runs, Jobs and the ledger. Pure; ``Witness`` gathers.

An etcd counts all revisions as one: events of several watches, sorted by it, are what was true.
"""

import asyncio
import collections
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from controllers import kube, ledger
from controllers.ledger import stored
from controllers.runs import naming, views

ENDED = frozenset({"Succeeded", "Failed", "Cancelled"})


@dataclasses.dataclass(frozen=True)
class Event:
    """One revision of one object; of a deletion, the last state."""

    revision: int
    kind: str
    is_gone: bool
    object: kube.JSON


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
        uid = event.object["metadata"]["uid"]
        match event.kind:
            case "ConfigMap":
                before, slots = slots, {} if event.is_gone else stored.read(event.object).slots
                count.admissions += len(slots.keys() - before.keys())
                count.most_in_flight = max(count.most_in_flight, len(slots))
                yield from (f"{at}: {one}" for one in _over(slots, limits))
            case "AgentRun":
                phase = (event.object.get("status") or {}).get("phase") or ""
                known = phases.get(uid, "")
                if known in ENDED and phase != known and not event.is_gone:
                    name = event.object["metadata"]["name"]
                    yield f"{at}: run {name} was {known}, and then {phase}"
                phases[uid] = phase
            case _:
                working.pop(uid, None)
                if not event.is_gone and (run := _working_for(event.object)):
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


def _working_for(job: kube.JSON) -> str:
    """The run of a Job that may work and is its only one at a time; empty for others."""
    labels = job["metadata"].get("labels") or {}
    is_step = naming.STEP_LABEL in labels
    return labels[naming.RUN_LABEL] if not is_step and may_work(job) else ""


def may_work(job: kube.JSON) -> bool:
    """Whether a Job has pods, or may get some."""
    view = views.of(views.Job, job)
    if naming.TOMBSTONE_LABEL in view.metadata.labels:
        return False
    if view.spec.suspend and not view.status.active and not view.status.terminating:
        return False
    return not any(
        one.type in {"Complete", "Failed"} and one.status == "True"
        for one in view.status.conditions
    )


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
        wanted = [
            (kube.CONFIG_MAPS, self._home, {"fields": "metadata.name=run-ledger"}),
            *((views.RUNS, name, {}) for name in self._namespaces),
            *((views.JOBS, name, {"labels": naming.RUN_LABEL}) for name in self._namespaces),
        ]
        tasks = [
            asyncio.create_task(self._follow(resource, namespace, started, options))
            for resource, namespace, options in wanted
        ]
        try:
            yield self
            await asyncio.sleep(0.5)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        broken = [one for one in ended if isinstance(one, Exception)]
        assert not broken, broken

    async def _follow(
        self, resource: kube.Resource, namespace: str, revision: str, options: dict[str, Any]
    ) -> None:
        while True:
            watch = self._client.watch(
                resource, namespace=namespace, resource_version=revision, **options
            )
            async with contextlib.aclosing(watch):
                async for event in watch:
                    revision = event.object["metadata"]["resourceVersion"]
                    if event.type != "BOOKMARK":
                        gone = event.type == "DELETED"
                        self.events.append(Event(int(revision), resource.kind, gone, event.object))
