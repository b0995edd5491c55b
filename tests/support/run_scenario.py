"""A few runs with all that may become of runs, and what must come of it however it is disturbed."""

import asyncio
import contextlib
import dataclasses

from controllers import kube, ledger
from controllers.runs import projections
from tests.support import run_invariants
from tests.support.run_invariants import Count, Witness
from tests.support.run_platform import Place

LIMITS = ledger.Limits(namespace=2, agent=1, cluster=2)
SECONDS = 120.0
# The name of each run, and how it ends.
EXPECTED = {
    "cancelled": ("Cancelled", "CancelRequested"),
    "keyed": ("Succeeded", "Completed"),
    "late": ("Succeeded", "Completed"),
    "plain": ("Succeeded", "Completed"),
    "steps": ("Succeeded", "Completed"),
}
# Jobs that carried something out, by run.
JOBS = {"keyed": 1, "late": 1, "plain": 1, "steps": 2}


@dataclasses.dataclass
class Found:
    """What came of it."""

    endings: dict[str, tuple[str, str]]
    jobs: dict[str, int]
    slots: int
    violations: list[str]
    count: Count

    def wrong(self) -> list[str]:
        """What is not as it must be."""
        found = list(self.violations)
        if self.endings != EXPECTED:
            found.append(f"expected {EXPECTED}, got {self.endings}")
        if self.jobs != JOBS:
            found.append(f"expected Jobs {JOBS}, got {self.jobs}")
        if self.slots:
            found.append(f"expected no slot to be left, got {self.slots}")
        return found


async def make(place: Place) -> None:
    """Create the agents and the runs; one waits for an agent that comes later."""
    await place.agent("one")
    await place.agent("two")
    steps = {"steps": [{"name": "implement"}, {"name": "review"}]}
    await place.run("plain", agentRef={"name": "one"})
    await place.run("keyed", agentRef={"name": "one"}, idempotencyKey="deploy-1")
    await place.run(
        "steps", agentRef={"name": "two"}, runtime={"type": "Workflow", "workflow": steps}
    )
    await place.run("cancelled", agentRef={"name": "two"}, cancel=True)
    await place.run("late", agentRef={"name": "three"})


async def settle(place: Place, witness: Witness) -> Found:
    """Wait until all runs have ended and nobody has a slot; what came of it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            while not await _is_settled(place):  # noqa: ASYNC110 - it is the cluster's
                await asyncio.sleep(0.2)
    runs = await place.client.list(projections.RUNS, namespace=place.namespace)
    endings = {
        run["metadata"]["name"]: (
            str((run.get("status") or {}).get("phase")),
            str((run.get("status") or {}).get("reason")),
        )
        for run in runs.items
    }
    jobs = {}
    for name in endings:
        done = [job for job in await place.jobs(name) if not job["spec"].get("suspend")]
        if done:
            jobs[name] = len(done)
    count = Count()
    await asyncio.sleep(0.3)
    found = [*run_invariants.violations(witness.events, LIMITS, count)]
    return Found(endings, jobs, len(await _slots(place)), found, count)


async def _is_settled(place: Place) -> bool:
    runs = await place.client.list(projections.RUNS, namespace=place.namespace)
    phases = [(run.get("status") or {}).get("phase") for run in runs.items]
    return set(phases) <= run_invariants.ENDED and not await _slots(place)


async def _slots(place: Place) -> list[str]:
    try:
        return [*await place.slots()]
    except kube.NotFoundError:
        return ["the ledger is not there"]
