"""Situations tried: to their end, cancelled and deleted at every point, and unattended. Shell."""

import asyncio
import collections
import contextlib
import dataclasses
import json
import logging
import pathlib
import random
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, Final, Literal

from controllers import devcluster, kube
from controllers.devcluster import jobs
from controllers.runs import naming, projections
from controllers.runs.runtimes.base import HELD_SECONDS
from tests.support import accounts
from tests.support.situations import world as worlds
from tests.support.situations.given import RUN, RuntimeName
from tests.support.situations.happenings import Told, contradictions, state
from tests.support.situations.situation import OF_A_CANCEL, Situation
from tests.support.situations.world import BESIDE, ENDED, UnmetError, World

Kind = Literal["ends", "cancelled", "deleted", "away"]
# The most that is drawn to pass before a run is cancelled or deleted.
MAX_PAUSE_SECONDS: Final = 0.6


@dataclasses.dataclass(frozen=True)
class Trial:
    """One situation on one runtime, disturbed or not.

    Attributes:
        situation: Which.
        runtime: What carries the run out.
        kind: Whether it goes to its end, or is cancelled or deleted, or the controller is away
            while something happens.
        at: After so many steps; while that one happens, where the controller is away.
    """

    situation: Situation
    runtime: RuntimeName
    kind: Kind = "ends"
    at: int = 0

    def __str__(self) -> str:
        where = "" if self.kind == "ends" else f" at {self.at}"
        return f"{self.situation.name} ({self.runtime}, {self.kind}{where})"


def trials(situations: Iterable[Situation]) -> Iterator[Trial]:
    """All trials of situations."""
    for situation in situations:
        for runtime in situation.runtimes:
            yield Trial(situation, runtime)
            if situation.expected.refused:
                continue
            for at in range(len(situation.happens) + 1):
                yield Trial(situation, runtime, "cancelled", at)
                yield Trial(situation, runtime, "deleted", at)
            for at, step in enumerate(situation.happens):
                if not step.is_seen:
                    yield Trial(situation, runtime, "away", at)


# ------------------------------------------------------------------------------- the platform


@dataclasses.dataclass
class Bench:
    """Where situations are tried.

    Attributes:
        cluster: Runs Jobs, and serves the API.
        client: Of it.
        folder: For workspaces.
        raised: What controllers raised about runs, by namespace.
    """

    cluster: devcluster.Cluster
    client: accounts.Admin
    folder: pathlib.Path
    raised: dict[str, list[str]] = dataclasses.field(
        default_factory=lambda: collections.defaultdict(list)
    )

    async def attempt(self, trial: Trial, seed: int = 0) -> list[str]:
        """What is wrong about a trial; empty where nothing is."""
        situation = trial.situation
        rng = random.Random(f"{seed} {trial}")  # noqa: S311 - a choice of moments
        opened = worlds.opened(
            self.cluster, self.client, situation.given, trial.runtime, self.folder
        )
        try:
            async with opened as world:
                await _tried(trial, world, rng)
                return self._wrong_of(world)
        except UnmetError as error:
            return [str(error)]
        except kube.KubeError as error:
            return [f"expected the cluster to take what happens, got {error}"]

    def _wrong_of(self, world: World) -> list[str]:
        return [f"the controller raised {one}" for one in self.raised.pop(world.namespace, [])[:3]]


class _Raised(logging.Handler):
    """Gathers what controllers log that they raised about runs, if no API server said it."""

    def __init__(self, raised: Mapping[str, list[str]]) -> None:
        super().__init__()
        self._raised = raised

    def emit(self, record: logging.LogRecord) -> None:
        """Keep an error of our own."""
        match record.args:
            case (kube.Key() as key, float(), Exception() as error):
                if not isinstance(error, kube.KubeError):
                    self._raised[key.namespace].append(repr(error))


@contextlib.asynccontextmanager
async def opened(cluster: devcluster.Cluster, folder: pathlib.Path) -> AsyncIterator[Bench]:
    """A bench on a cluster in which Jobs run and the platform's API is served."""
    async with accounts.Admin.from_kubeconfig(
        cluster.admin_kubeconfig, on_warning=lambda _: None
    ) as client:
        bench = Bench(cluster, client, folder)
        handler, log = _Raised(bench.raised), logging.getLogger("controllers.kube.controller")
        log.addHandler(handler)
        try:
            yield bench
        finally:
            log.removeHandler(handler)


# ----------------------------------------------------------------------------------- a trial


async def _tried(trial: Trial, world: World, rng: random.Random) -> None:
    expected = trial.situation.expected
    if expected.refused:
        await _refused(world, expected.refused)
        return
    await world.submit()
    await _happened(trial, world)
    if trial.kind in {"ends", "away"}:
        await _ended(trial, world)
    else:
        await asyncio.sleep(rng.uniform(0, MAX_PAUSE_SECONDS))
        await (_cancelled if trial.kind == "cancelled" else _deleted)(trial, world)
    await _nothing_left(world)


async def _happened(trial: Trial, world: World) -> None:
    """Have happen what is to happen."""
    steps = trial.situation.happens
    is_whole = trial.kind in {"ends", "away"}
    for at, step in enumerate(steps if is_whole else steps[: trial.at]):
        is_away = trial.kind == "away" and at == trial.at
        if is_away:
            # Nobody would make what it happens to.
            await step.ready(world)
            await world.stop()
        try:
            await step.take(world)
        except UnmetError as error:
            raise UnmetError(f"step {at}: {error}") from error
        if is_away:
            await world.start()


async def _refused(world: World, says: str) -> None:
    try:
        await world.submit()
    except kube.ApiError as error:
        if says not in str(error):
            raise UnmetError(f"expected a refusal that names {says}, got {error}") from error
        return
    raise UnmetError(f"expected a refusal that names {says}, got none")


async def _ended(trial: Trial, world: World) -> None:
    """Wait for the end, and compare it with what was expected."""
    expected = trial.situation.expected
    if expected.is_gone:
        await _until_gone(world)
        return
    status = await _until_ended(world)
    if wrong := contradictions(status):
        raise UnmetError(wrong)
    is_right = (status["phase"], status.get("reason")) in expected.endings
    # With what exit code a process ended, only its parent is told.
    is_unseen = trial.kind == "away" and trial.runtime == "local"
    says = "" if is_unseen else expected.says
    if not is_right or says not in str(status.get("message") or ""):
        wanted = f"{expected.phase} ({expected.reason}): ...{says}..."
        raise UnmetError(f"expected {wanted}, got {state(status)}")
    if difference := different(expected.status, status, "status"):
        raise UnmetError(difference)
    if expected.attempts not in {None, status.get("attempt")}:
        raise UnmetError(f"expected {expected.attempts} attempts, got {status.get('attempt')}")
    await _counted(world, expected.jobs)
    # An Event that was not sent yet goes with its controller.
    for reason, note in expected.events if trial.kind == "ends" else ():
        await Told(reason, note).take(world)
    if trial.situation.given.has_room_beside:
        await _beside(world)


async def _until_ended(world: World) -> kube.JSON:
    status: kube.JSON = {}

    async def has_ended() -> bool:
        found = await world.status()
        status.clear()
        status.update(found)
        return status.get("phase") in ENDED

    try:
        await world.until(has_ended, "an end")
    except UnmetError as error:
        raise UnmetError(f"expected an end, got {state(status)}") from error
    return status


async def _until_gone(world: World) -> None:
    async def is_gone() -> bool:
        try:
            await world.read()
        except kube.NotFoundError:
            return True
        return False

    await world.until(is_gone, "the deleted run to be gone")


async def _counted(world: World, wanted: int | None) -> None:
    if wanted is None:
        return
    found = await world.client.list(projections.JOBS, namespace=world.namespace)
    labels = [one["metadata"].get("labels") or {} for one in found.items]
    mine = [
        each
        for each in labels
        if each.get(naming.NAME_LABEL) == RUN and naming.TOMBSTONE_LABEL not in each
    ]
    if len(mine) != wanted:
        raise UnmetError(f"expected {wanted} Jobs, got {len(mine)}")


async def _beside(world: World) -> None:
    """Another run of the namespace goes its way."""
    steering = {"status": "", "seconds": "0", "exit-code": "0", "message": "", "node": ""}
    notes = {f"{jobs.ANNOTATIONS}{name}": value for name, value in steering.items()}
    if world.runtime == "local":
        task: dict[str, Any] = {"agentRef": {"name": BESIDE}}
        spec = {"runner": {"command": "agent-runner"}, "adapter": _TRUE}
        await world.place.make(projections.PROVIDERS, BESIDE, spec)
        await world.place.make(projections.AGENTS, BESIDE, {"providerRef": {"name": BESIDE}})
    else:
        task = {"agentRef": {"name": "coder"}}
    spec = {
        **task,
        "implementation": {"inline": {"text": "Mend it."}},
        "runtime": {"type": "Job", "extraConfig": {"podAnnotations": notes}},
    }
    await world.place.make(projections.RUNS, BESIDE, spec)
    status: kube.JSON = {}

    async def has_succeeded() -> bool:
        status.update(await world.status(BESIDE))
        return status.get("phase") == "Succeeded"

    try:
        await world.until(has_succeeded, "it")
    except UnmetError as error:
        raise UnmetError(f"expected a run beside it to succeed, got {state(status)}") from error


_TRUE: Final = {"type": "Exec", "exec": {"binary": "/bin/true"}}


async def _cancelled(trial: Trial, world: World) -> None:
    changes = {"spec": {"cancel": True}}
    try:
        await world.client.patch(projections.RUNS, RUN, changes, namespace=world.namespace)
    except kube.NotFoundError:
        if trial.situation.expected.is_gone:
            return
        raise
    await world.start()
    status = await _until_ended(world)
    if wrong := contradictions(status):
        raise UnmetError(wrong)
    right = {OF_A_CANCEL, *trial.situation.expected.endings}
    if (status["phase"], status.get("reason")) not in right:
        raise UnmetError(f"expected one of {sorted(right)}, got {state(status)}")


async def _deleted(_: Trial, world: World) -> None:
    with contextlib.suppress(kube.NotFoundError):
        await world.client.delete(projections.RUNS, RUN, namespace=world.namespace)
    await world.start()
    await _until_gone(world)


async def _nothing_left(world: World) -> None:
    found: list[str] = []

    async def is_clean() -> bool:
        found[:] = await world.remains()
        return not found

    try:
        # A slot is held for so long where the cluster refuses what would take a Job's name.
        await world.until(is_clean, "it", held_seconds=HELD_SECONDS)
    except UnmetError as error:
        raise UnmetError(f"expected nothing to be left, got {', '.join(found)}") from error


def different(wanted: Any, found: Any, path: str) -> str:
    """Where a value lacks what is wanted of it; empty where it does not."""
    if isinstance(wanted, Mapping):
        members = found if isinstance(found, Mapping) else {}
        each = (different(one, members.get(name), f"{path}.{name}") for name, one in wanted.items())
        return next((one for one in each if one), "")
    if isinstance(wanted, list):
        if not isinstance(found, list) or len(found) != len(wanted):
            return f"expected {len(wanted)} items at {path}, got {json.dumps(found)[:300]}"
        pairs = enumerate(zip(wanted, found, strict=True))
        each = (different(one, other, f"{path}[{at}]") for at, (one, other) in pairs)
        return next((one for one in each if one), "")
    return "" if wanted == found else f"expected {wanted!r} at {path}, got {found!r}"[:400]
