"""Executes a migration step by step, until it is done or a step is refused. Shell."""

import asyncio
import contextlib
import dataclasses
import functools
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from schemagen.compat import findings, progress
from schemagen.compat.findings import Finding, Level
from schemagen.migrate.requests.attempts import Attempts
from schemagen.migrate.requests.sweep import Progress, Sweep
from schemagen.migrate.storage import crd, native, objects, plan, state
from schemagen.migrate.storage.installed import ChangedError, Installed
from schemagen.migrate.storage.objects import Objects
from schemagen.migrate.storage.plan import Goal, Plan, Step, StepName
from schemagen.problems import JSON

RULES: Final = {
    **objects.RULES,
    "not-migrated": "The CRD is not as it is after the migration.",
    "native-failed": "StorageVersionMigration gave up.",
    "step-refused": "A step is impossible or unsafe.",
    "crd-changed": "Someone else keeps changing the CRD.",
}
Counts: TypeAlias = dict[str, float]
"""Number of objects by outcome, and seconds."""

_SAVE_SECONDS: Final = 5.0
_CLEANINGS: Final = 3
_CHANGES: Final = 20


@dataclasses.dataclass(frozen=True)
class Options:
    """How a migration is executed.

    Attributes:
        parallel: How many objects are written at a time.
        is_dry_run: Whether nothing is to be written.
        keeps_going: Whether objects are rewritten although some would be refused.
        is_native: Whether the cluster's own StorageVersionMigration rewrites.
    """

    parallel: int = 16
    is_dry_run: bool = False
    keeps_going: bool = False
    is_native: bool = False


@dataclasses.dataclass
class Report:
    """The result of a run.

    Attributes:
        findings: What is wrong.
        executed: The steps that were executed, with what they did.
        plan: The steps as they are now.
    """

    findings: list[Finding] = dataclasses.field(default_factory=list)
    executed: list[tuple[str, Counts]] = dataclasses.field(default_factory=list)
    plan: Plan | None = None

    @property
    def is_failed(self) -> bool:
        """Return whether an error was found."""
        return findings.has_errors(self.findings)


class _StopError(Exception):
    """A step cannot be completed; the findings say why."""


class Migration:
    """A storage migration.

    Args:
        attempts: Sends the requests.
        name: The CRD's name.
        goal: What to reach.
        options: How.
        new: A CRD that has the target version, if the cluster's lacks it.
        tell: Receives a line for each step.
        advance: Receives progress.
    """

    def __init__(
        self,
        attempts: Attempts,
        name: str,
        goal: Goal,
        options: Options,
        *,
        new: JSON | None = None,
        tell: Callable[[str], None],
        advance: progress.Advance,
    ) -> None:
        self._attempts, self._name, self._goal, self._options = attempts, name, goal, options
        self._new, self._tell, self._show = new, tell, advance
        self._installed = Installed(attempts, name)
        self._saving = asyncio.Lock()
        self.report = Report()

    async def run(self) -> Report:
        """Execute the steps that are left."""
        changes = 0
        while True:
            live = await self._installed.read()
            self.report.plan = plan.plan(live, self._goal, self._new)
            step = self.report.plan.next
            if step is None:
                return self.report
            refusals = self.report.plan.refusals
            if refusals:
                self._refuse(step.name, *map(str, refusals))
                return self.report
            try:
                if not await self._execute(step, live, self.report.plan.through):
                    return self.report
            except ChangedError as error:
                changes += 1
                if changes > _CHANGES:
                    self._add("crd-changed", str(error))
                    return self.report
            except _StopError:
                return self.report

    async def verify(self) -> Report:
        """Look for what is left of other versions; nothing is written."""
        live = await self._installed.read()
        target, dropped = self._goal.target, self._goal.drop
        self.report.plan = plan.plan(live, self._goal, self._new)
        if target not in crd.served(live):
            self._add("not-migrated", f"expected {target} to be served, got no such version")
            return self.report
        if crd.storage(live) != target:
            message = f"expected new writes to be stored as {target}, got {crd.storage(live)}"
            self._add("not-migrated", message)
        elif crd.stored(live) != [target]:
            message = f"expected status.storedVersions {target}, got {', '.join(crd.stored(live))}"
            self._add("not-migrated", message)
        for version in dropped:
            if version in crd.names(live):
                self._add("not-migrated", f"expected a CRD without {version}, got one with it")
        with contextlib.suppress(_StopError):
            counts = await self._verified(live, dropped)
            self.report.executed.append(("verify", counts))
        return self.report

    async def _execute(self, step: Step, live: JSON, through: str) -> bool:
        """Execute a step; return whether to go on."""
        if self._options.is_dry_run and step.name is not StepName.CHECK:
            return False
        self._tell(f"{step.name}: {step.title}")
        started = time.monotonic()
        execute = {
            StepName.SERVE: self._serve,
            StepName.CHECK: self._check,
            StepName.SWITCH: self._switch,
            StepName.REWRITE: self._rewrite,
            StepName.PRUNE: self._prune,
            StepName.CLEAN: self._clean,
            StepName.UNSERVE: self._unserve,
            StepName.REMOVE: self._remove,
        }[step.name]
        counts = await execute(live, through)
        seconds = round(time.monotonic() - started, 3)
        self.report.executed.append((step.name, {**counts, "seconds": seconds}))
        return not self._options.is_dry_run

    # -------------------------------------------------------------------------------- the steps

    async def _serve(self, live: JSON, _: str) -> Counts:
        target = self._goal.target
        served = crd.with_version(live, target, self._new)
        known = self._state(live)
        await self._write(live, served, known.restarted(_generation(live) + 1))
        await self._installed.follow(served, target)
        return {}

    async def _check(self, live: JSON, through: str) -> Counts:
        target = self._goal.target
        tried = Objects(self._attempts, live, through, target)
        await self._sweep(live, through, "check").run(tried.check)
        self.report.findings += tried.tally.findings
        if self.report.is_failed and not self._options.keeps_going:
            raise _StopError
        if not self._options.is_dry_run:
            known = self._state(live).restarted(_generation(live))
            await self._installed.save(live, dataclasses.replace(known, is_checked=True))
        return dict(tried.tally.counts)

    async def _switch(self, live: JSON, _: str) -> Counts:
        target = self._goal.target
        known = dataclasses.replace(
            self._state(live),
            generation=_generation(live) + 1,
            # The switch is later, so that this is still true if the exact one is not saved below.
            switched_at=str(live["metadata"]["resourceVersion"]),
        )
        switched = await self._write(live, crd.stored_as(live, target), known)
        exact = str(switched["metadata"]["resourceVersion"])
        await self._installed.save(switched, dataclasses.replace(known, switched_at=exact))
        await self._installed.follow(switched, target)
        return {}

    async def _rewrite(self, live: JSON, through: str) -> Counts:
        target = self._goal.target
        known = self._state(live)
        await self._installed.follow(live, target)
        if self._options.is_native:
            return await self._rewrite_natively(live, through, known)
        rewritten = Objects(self._attempts, live, through, target)
        saved = time.monotonic()

        async def save(value: Progress) -> None:
            nonlocal known, saved
            known = dataclasses.replace(
                known,
                position=value.position,
                visited=value.done,
                is_failing=known.is_failing or findings.has_errors(rewritten.tally.findings),
            )
            if time.monotonic() - saved > _SAVE_SECONDS and value.position:
                saved = time.monotonic()
                await self._save(known)

        sweep = self._sweep(live, through, "rewrite", save)
        await sweep.run(
            lambda value: rewritten.rewrite(value, known.switched_at), known.position, known.visited
        )
        self.report.findings += rewritten.tally.findings
        is_done = not (known.is_failing or findings.has_errors(rewritten.tally.findings))
        await self._save(
            dataclasses.replace(
                known, position="", visited=0, is_failing=False, is_rewritten=is_done
            )
        )
        counts: Counts = dict(rewritten.tally.counts)
        if not is_done:
            self.report.executed.append((StepName.REWRITE, counts))
            raise _StopError
        return counts

    async def _rewrite_natively(self, live: JSON, through: str, known: state.State) -> Counts:
        """Let the cluster rewrite; if it gives up, find every object on which it would have."""
        message = await native.rewrite(self._attempts, live, self._show)
        if message:
            tried = Objects(self._attempts, live, through, self._goal.target)
            await self._sweep(live, through, "explain").run(tried.check)
            self._add(
                "native-failed", f"expected StorageVersionMigration to succeed, got: {message}"
            )
            self.report.findings += tried.tally.findings
            raise _StopError
        await self._save(dataclasses.replace(known, is_rewritten=True))
        return {}

    async def _prune(self, live: JSON, _: str) -> Counts:
        counts = await self._verified(live, ())
        current = await self._installed.read()
        if not self._state(current).holds_for(current, self._goal.target):
            raise ChangedError(f"expected {self._name} as it was rewritten, got a changed CRD")
        await self._installed.prune(current, self._goal.target)
        return counts

    async def _clean(self, live: JSON, _: str) -> Counts:
        counts = await self._cleaned(live)
        await self._save(dataclasses.replace(self._state(live), is_cleaned=True))
        return counts

    async def _unserve(self, live: JSON, _: str) -> Counts:
        await self._without(live, crd.unserved(live, self._goal.drop))
        return {}

    async def _remove(self, live: JSON, _: str) -> Counts:
        # Between the cleaning and the end of serving, a manager may have written the old version.
        counts = await self._cleaned(live)
        current = await self._installed.read()
        await self._without(current, crd.without(current, self._goal.drop))
        return counts

    async def _without(self, live: JSON, definition: JSON) -> None:
        target = self._goal.target
        if crd.stored(live) != [target]:
            self._refuse(
                StepName.UNSERVE,
                f"expected objects stored as {target} only, got status.storedVersions "
                f"{', '.join(crd.stored(live))}: let the steps before run first",
            )
            raise _StopError
        known = dataclasses.replace(self._state(live), generation=_generation(live) + 1)
        await self._write(live, definition, known)
        await self._installed.follow(definition, target)

    # ------------------------------------------------------------------------------- of objects

    async def _verified(self, live: JSON, dropped: tuple[str, ...]) -> Counts:
        """List all objects; stop if one may be stored in an older version."""
        seen = Objects(self._attempts, live, self._goal.target, self._goal.target)
        known = state.of(live)
        is_known = known is not None and known.target == self._goal.target
        switched_at = known.switched_at if known is not None and is_known else ""
        await self._sweep(live, self._goal.target, "verify").run(
            lambda value: seen.verify(value, switched_at, dropped)
        )
        self.report.findings += seen.tally.findings
        if findings.has_errors(seen.tally.findings):
            raise _StopError
        return dict(seen.tally.counts)

    async def _cleaned(self, live: JSON) -> Counts:
        """Carry managedFields of the dropped versions over until a pass finds none."""
        target, dropped = self._goal.target, self._goal.drop
        total: Counts = {}
        for _ in range(_CLEANINGS):
            cleaned = Objects(self._attempts, live, target, target)
            clean = functools.partial(cleaned.clean, dropped=dropped)
            await self._sweep(live, target, "clean").run(clean)
            self.report.findings += cleaned.tally.findings
            if findings.has_errors(cleaned.tally.findings):
                raise _StopError
            count = cleaned.tally.counts["cleaned"]
            total["cleaned"] = total.get("cleaned", 0) + count
            if not count:
                return total
        self._refuse(
            StepName.CLEAN,
            f"expected no field manager to write {', '.join(dropped)}, got new entries in "
            f"managedFields after {_CLEANINGS} passes: let the manager write {target} first "
            f"(schemagen preflight names it)",
        )
        raise _StopError

    def _sweep(
        self,
        live: JSON,
        version: str,
        title: str,
        save: Callable[[Progress], Awaitable[None]] | None = None,
    ) -> Sweep:
        before = 0

        async def advance(value: Progress) -> None:
            nonlocal before
            self._show(f"{title} {self._name}", value.done - before, value.remaining)
            before = value.done
            if save is not None:
                await save(value)

        path = crd.collection(live, version)
        return Sweep(self._attempts, path, parallel=self._options.parallel, advance=advance)

    # ------------------------------------------------------------------------------------------

    def _state(self, live: JSON) -> state.State:
        known = state.of(live)
        if known is not None and known.target == self._goal.target:
            return known
        origin = crd.storage(live)
        if origin == self._goal.target:
            origin = next((v for v in crd.stored(live) if v != origin), origin)
        return state.State(origin, self._goal.target, _generation(live))

    async def _write(self, live: JSON, definition: JSON, known: state.State) -> JSON:
        return await self._installed.write(live, crd.with_state(definition, known))

    async def _save(self, known: state.State) -> None:
        """Save the state, unless the CRD has changed so that it no longer holds."""
        async with self._saving:
            current = await self._installed.read()
            if known.holds_for(current, self._goal.target):
                await self._installed.save(current, known)
            else:
                raise ChangedError(
                    f"expected {self._name} of generation {known.generation}, got "
                    f"{_generation(current)}"
                )

    def _refuse(self, name: StepName, *messages: str) -> None:
        for message in messages:
            self._add("step-refused", message, name)

    def _add(self, rule: str, message: str, path: str = "") -> None:
        found = Finding(rule, Level.ERROR, message, subject=self._name, path=path)
        self.report.findings.append(found)


def _generation(definition: JSON) -> int:
    return int(definition["metadata"]["generation"])
