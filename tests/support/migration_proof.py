"""A storage migration disturbed in every way, and whether all objects are what they were."""

import asyncio
import contextlib
import copy
import dataclasses
import itertools
import random
import subprocess
import time
from collections.abc import Callable
from typing import Any

from controllers import kube
from schemagen import canonical
from schemagen.migrate.storage import state
from tests.support import migration_world
from tests.support.conversion_webhook import NEW, OLD
from tests.support.migration_world import NAME, World

_WRITERS = 4
_POLL_SECONDS = 0.2
_SHARE_WRITTEN = 10
"""One object in so many is written by others meanwhile."""
TIMEOUT_SECONDS = 3600.0


@dataclasses.dataclass(frozen=True)
class Trial:
    """What happens.

    Attributes:
        number: Objects.
        bad: Further ones, whose rewrite fails.
        kills: How often the command is killed.
        away_seconds: How long the webhook is away.
        is_restarted: Whether the API server is restarted.
        seed: Of all that is drawn.
    """

    number: int
    bad: int
    kills: int
    away_seconds: float
    is_restarted: bool
    seed: int


@dataclasses.dataclass
class Result:
    """What was found."""

    objects: int = 0
    killed: int = 0
    named: int = 0
    bad: int = 0
    writes_of_others: int = 0
    seconds: float = 0.0
    problems: list[str] = dataclasses.field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.objects} objects, killed {self.killed} times, {self.writes_of_others} writes "
            f"of others, {self.named} of {self.bad} bad objects named, {self.seconds:.0f} s: "
            f"{len(self.problems)} problems"
        )


class Writers:
    """Others that write some of the objects all the time, each a field of its own."""

    def __init__(self, world: World, names: list[str]) -> None:
        self._world, self._names = world, names
        self.done: dict[str, int] = {}
        self.attempted: dict[str, int] = {}
        self.count = 0
        self._is_over = asyncio.Event()

    async def run(self) -> None:
        """Write until ``end``."""
        numbers = itertools.count(1)
        client = kube.Client.from_kubeconfig(self._world.cluster.admin_kubeconfig)
        async with client as opened, asyncio.TaskGroup() as group:
            for index in range(_WRITERS):
                group.create_task(self._write(opened, self._names[index::_WRITERS], numbers))

    def end(self) -> None:
        """Write no more."""
        self._is_over.set()

    async def _write(
        self, client: kube.Client, names: list[str], numbers: "itertools.count[int]"
    ) -> None:
        for name in itertools.cycle(names):
            if self._is_over.is_set():
                return
            number = next(numbers)
            self.attempted[name] = number
            # As a user who watches them would: in either version.
            resource = migration_world.resource(OLD if number % 2 else NEW)
            body = {"metadata": {"name": name, "namespace": "default"}, "spec": {"count": number}}
            with contextlib.suppress(kube.KubeError):
                await client.apply(resource, body, field_manager="writer", force=True)
                self.done[name] = number
                self.count += 1
            await asyncio.sleep(0.05)


def run(world: World, trial: Trial, tell: Callable[[str], None]) -> Result:
    """Create the objects, migrate them under disturbance, and compare."""
    return asyncio.run(_run(world, trial, tell))


async def _run(world: World, trial: Trial, tell: Callable[[str], None]) -> Result:
    result = Result(objects=trial.number, bad=trial.bad)
    values = [migration_world.widget(index) for index in range(trial.number)]
    bad = migration_world.bad(900_000, trial.bad)
    await world.create([*values, *bad], trial.seed)
    await asyncio.to_thread(world.tighten)
    tell(f"{trial.number} objects created, and {trial.bad} whose rewrite fails")
    await _named(world, bad, result)
    await _repair(world, bad)
    tell(f"{result.named} of {trial.bad} were named before anything was written")
    before = await _listed(world)
    written = [value["metadata"]["name"] for value in values[::_SHARE_WRITTEN]]
    writers = Writers(world, written)
    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        group.create_task(writers.run())
        await _migrate(world, trial, result, tell)
        writers.end()
    result.seconds = time.monotonic() - started
    result.writes_of_others = writers.count
    result.problems += compared(before, await _listed(world), writers)
    return result


async def _named(world: World, bad: list[dict[str, Any]], result: Result) -> None:
    code, done, said = await asyncio.to_thread(
        world.migrate, "run", NAME, "--to", NEW, timeout_seconds=TIMEOUT_SECONDS
    )
    subjects = {one["subject"] for one in done["findings"]} if done else set()
    expected = {f"Widget default/{value['metadata']['name']}" for value in bad}
    result.named = len(subjects & expected)
    result.problems += [f"{name}: not named" for name in sorted(expected - subjects)]
    result.problems += [f"{name}: named, but fine" for name in sorted(subjects - expected)]
    if code != 1:
        result.problems.append(f"expected exit code 1 with bad objects, got {code}: {said}")


async def _repair(world: World, bad: list[dict[str, Any]]) -> None:
    """Do what the messages ask for: repair the webhook, and delete the objects that it names."""
    world.webhook.repair()
    client = kube.Client.from_kubeconfig(world.cluster.admin_kubeconfig)
    async with client as opened:
        for value in bad:
            name = value["metadata"]["name"]
            await opened.delete(migration_world.resource(OLD), name, namespace="default")


async def _migrate(world: World, trial: Trial, result: Result, tell: Callable[[str], None]) -> None:
    """Run the command until it ends by itself, killing it and whatever it needs."""
    arguments = ("run", NAME, "--to", NEW, "--until", "prune", "--patience", "900")
    for turn in range(trial.kills):
        process = world.command(*arguments)
        await _disturb(world, trial, turn, process, tell)
        if process.poll() is None:
            result.killed += 1
        process.kill()
        await asyncio.to_thread(process.communicate)
    tell(f"killed {result.killed} times")
    if result.killed < trial.kills:
        message = f"expected to kill it {trial.kills} times, got {result.killed}: use more objects"
        result.problems.append(message)
    process = world.command(*arguments)
    output, said = await asyncio.to_thread(_ended, process)
    if process.returncode != 0:
        result.problems.append(f"expected exit code 0, got {process.returncode}: {output}{said}")
    stored = world.cluster.kubectl("get", "crd", NAME, "-o", "jsonpath={.status.storedVersions}")
    if stored.stdout != f'["{NEW}"]':
        result.problems.append(f"expected objects stored as {NEW} only, got {stored.stdout}")


async def _disturb(
    world: World,
    trial: Trial,
    turn: int,
    process: "subprocess.Popen[str]",
    tell: Callable[[str], None],
) -> None:
    """Let a run go on for a while: the first two until they check objects, the others rewrite."""
    source = random.Random(f"{trial.seed} {turn}")  # noqa: S311 - nothing secret
    of_rewrites = min(2, trial.kills - 1)
    if turn < of_rewrites:
        await asyncio.sleep(2 + source.uniform(0, 2))
    else:
        share = (turn - of_rewrites) / (trial.kills - of_rewrites)
        await _rewritten(world, process, trial.number * share)
    if turn == of_rewrites:  # at once: the run cannot end without the webhook
        await _away(world, trial, tell)
    elif turn > of_rewrites:
        await asyncio.sleep(source.uniform(0, 0.5))
    if turn == min(1, trial.kills - 1) and trial.is_restarted:
        await asyncio.to_thread(world.cluster.restart_api_server)
        tell("the API server was restarted")


async def _rewritten(world: World, process: "subprocess.Popen[str]", number: float) -> None:
    """Wait until so many objects are rewritten, or the run has ended."""
    client = kube.Client.from_kubeconfig(world.cluster.admin_kubeconfig)
    async with client as opened:
        while process.poll() is None:
            with contextlib.suppress(kube.KubeError):
                crd = await opened.get(kube.CUSTOM_RESOURCE_DEFINITIONS, NAME)
                known = state.of(crd)
                if known and known.switched_at and (known.visited >= number or known.is_rewritten):
                    return
            await asyncio.sleep(_POLL_SECONDS)


async def _away(world: World, trial: Trial, tell: Callable[[str], None]) -> None:
    world.webhook.stop()
    await asyncio.sleep(trial.away_seconds)
    await asyncio.to_thread(world.webhook.start)
    tell(f"the webhook was away for {trial.away_seconds:g} s")


def _ended(process: "subprocess.Popen[str]") -> tuple[str, str]:
    return process.communicate(timeout=TIMEOUT_SECONDS)


async def _listed(world: World) -> dict[str, dict[str, Any]]:
    client = kube.Client.from_kubeconfig(world.cluster.admin_kubeconfig)
    async with client as opened:
        found = await opened.list(migration_world.resource(OLD))
    return {one["metadata"]["name"]: one for one in found.items}


def compared(
    before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]], writers: Writers
) -> list[str]:
    """A line for each object that is not what it was, in the older version."""
    problems = [f"{name}: lost" for name in sorted(before.keys() - after.keys())]
    problems += [f"{name}: out of nowhere" for name in sorted(after.keys() - before.keys())]
    for name in sorted(before.keys() & after.keys()):
        old, new = copy.deepcopy(before[name]), copy.deepcopy(after[name])
        if name in writers.attempted:
            count = new["spec"].pop("count", None)
            old["spec"].pop("count", None)
            acknowledged = writers.done.get(name)
            if acknowledged is not None and not acknowledged <= count <= writers.attempted[name]:
                problems.append(f"{name}: expected the write {acknowledged}, got {count}")
            if _owners(old) - _owners(new) - {("counter", "Apply", "")}:
                problems.append(f"{name}: managedFields lost: {_owners(old) - _owners(new)}")
            for value in (old, new):
                for changing in ("managedFields", "generation"):
                    value["metadata"].pop(changing, None)
        for value in (old, new):
            value["metadata"].pop("resourceVersion")
        fields = [
            field
            for field in old.keys() | new.keys()
            if not canonical.identical(old.get(field), new.get(field))
        ]
        problems += [f"{name}: {field} changed" for field in sorted(fields)]
    return problems


def _owners(value: dict[str, Any]) -> set[tuple[str, str, str]]:
    entries = value["metadata"].get("managedFields") or ()
    return {(one["manager"], one["operation"], one.get("subresource", "")) for one in entries}
