"""Reports whether the objects that runs and issues need are usable. Shell: writes.

Changes of what an object refers to are watched, except of Secrets and ConfigMaps: the controller
may not list Secrets, so it reads those that are named again after a while.
"""

import asyncio
import collections
import dataclasses
import datetime as dt
import functools
import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from controllers import kube
from controllers.readiness import findings, kinds
from controllers.readiness.findings import Effect, Report, Type
from controllers.readiness.memory import health, monitor
from controllers.readiness.memory.monitor import Monitor
from controllers.readiness.references import SECRET, Keys, Observed, Presence, key_references
from controllers.readiness.value_reader import ValueReader, Values
from controllers.runs import json_access, naming, projections
from controllers.runs.caches import Caches
from controllers.runs.retries import Backoff
from crds.admission.settings import Settings
from schemagen.problems import JSON

FIELD_MANAGER: Final = f"{naming.MANAGER}-readiness"
"""Not that of runs: what one manager applies and the next time omits is removed."""
WORKERS: Final = 4
PROBE_WORKERS: Final = 64
SETTINGS_SECONDS: Final = 5.0
_MISSING: Final = Backoff()
_STEADY: Final = Backoff(base_seconds=_MISSING.max_seconds)
"""Secrets that are as expected are read again as often as those missing for long."""
_OBSERVED_SECONDS: Final = 2.0
_log = logging.getLogger(__name__)


class Item(NamedTuple):
    """An object to report on."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


class Readiness:
    """Keeps the conditions of objects current while this replica leads.

    Args:
        client: Reads Secrets and ConfigMaps, and writes statuses.
        caches: Synced caches.
        recorder: Emits Events.
        secrets: Patterns of NAMESPACE/NAME of the Secrets that may be read.
        endpoints: Destinations of probes that the operator allows besides the usual ones.
        ingests: Whether this controller ingests issues.
        leads: Whether this process may still write.
        settings: Returns the operator's current settings.
        now: Aware UTC time.
        rng: A random number from 0 to 1.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        client: kube.Client,
        caches: Caches,
        recorder: kube.Recorder,
        *,
        secrets: Sequence[str] = (),
        endpoints: Sequence[str] = (),
        ingests: bool = False,
        leads: Callable[[], bool] = lambda: True,
        settings: Callable[[], Settings] = Settings,
        now: Callable[[], dt.datetime] = kube.utc_now,
        rng: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._caches, self._recorder = client, caches, recorder
        self._leads, self._settings, self._now, self._rng = leads, settings, now, rng
        self._ingests = ingests
        self._values = ValueReader(client, secrets)
        self._monitor = Monitor(endpoints, rng=rng, clock=clock)
        self._queue: kube.Queue[Item] = kube.Queue(clock=clock, rng=rng)
        # Probes wait for stores, which nothing else should have to.
        self._probes: kube.Queue[Item] = kube.Queue(clock=clock, rng=rng)
        self._failures: collections.Counter[Item] = collections.Counter()
        self._stores: Mapping[str, kube.Store[Any]] = {
            projections.AGENTS.kind: caches.agents,
            projections.PROVIDERS.kind: caches.providers,
            projections.IMPLEMENTATIONS.kind: caches.implementations,
            projections.MEMORIES.kind: caches.memories,
            projections.VERSION_CONTROL.kind: caches.version_control,
            projections.SOURCES.kind: caches.sources,
        }

    async def run(self) -> None:
        """Reconcile until cancelled."""
        self._caches.on_observable = self._changed
        self._add_all()
        async with asyncio.TaskGroup() as group:
            for queue, workers in ((self._queue, WORKERS), (self._probes, PROBE_WORKERS)):
                group.create_task(kube.reconcile(queue, self.reconcile, workers=workers))
            group.create_task(self._follow_settings())

    async def _follow_settings(self) -> None:
        """Check everything again after a change of the operator's policy."""
        known = self._settings()
        while True:
            await asyncio.sleep(SETTINGS_SECONDS)
            current = self._settings()
            if current != known:
                self._add_all()
            known = current

    def _add_all(self) -> None:
        for kind, store in self._stores.items():
            for value in store:
                self._add(Item(kind, *value.key))

    def _add(self, item: Item, priority: int = kube.RESYNCED) -> None:
        is_probed = item.kind == projections.MEMORIES.kind
        (self._probes if is_probed else self._queue).add(item, priority=priority)

    def _changed(self, resource: kube.Resource, change: kube.Change[Any]) -> None:
        self._add(Item(resource.kind, *change.key), kube.CHANGED)
        versions = [value and value.version for value in (change.before, change.after)]
        if versions[0] != versions[1]:
            for item in self._dependents(resource.kind, change.key):
                self._add(item, kube.FOLLOWED)

    def _dependents(self, kind: str, key: kube.Key) -> Iterator[Item]:
        caches, name = self._caches, str(key)
        found: dict[str, Iterable[projections.Observable]] = {}
        if kind == projections.PROVIDERS.kind:
            found[projections.AGENTS.kind] = caches.agents.by("provider", name)
        elif kind == projections.MEMORIES.kind:
            found[projections.AGENTS.kind] = caches.agents.by("memory", name)
            # Another one may be the default now.
            found[kind] = caches.memories.by("namespace", key.namespace)
        elif kind == projections.VERSION_CONTROL.kind:
            found[projections.AGENTS.kind] = caches.agents.by("vcs", name)
            found[projections.IMPLEMENTATIONS.kind] = caches.implementations.by("vcs", name)
        for dependent, values in found.items():
            yield from (Item(dependent, *value.key) for value in values)

    async def reconcile(self, item: Item) -> float | None:
        """Report on an object; return the delay until it has to be checked again."""
        seen = self._stores[item.kind].get(kube.Key(item.namespace, item.name))
        if seen is None or seen.metadata.deletion_timestamp:
            self._failures.pop(item, None)
            self._monitor.forget(kube.Key(item.namespace, item.name))
            return None
        spec = seen.decoded()
        observed, values = await self._observe(item, spec)
        report = kinds.RULES[item.kind](spec, observed, self._settings())
        if item.kind == projections.MEMORIES.kind:
            return await self._reconcile_memory(item, seen, report, values)
        await self._write(item, seen, report)
        return self._delay(item, observed, report)

    async def _reconcile_memory(
        self, item: Item, seen: projections.Whole, report: Report, values: Mapping[str, Values]
    ) -> float | None:
        """Probe the store of a Memory whose Secret is as expected, and report on it."""
        default = self._caches.default_memory(item.namespace)
        named = functools.partial(
            kinds.with_default, name=item.name, default=default.metadata.name if default else None
        )
        spec = seen.decoded()
        secret = values.get(str(json_access.at(spec, "connection", "secretKeyRef", "name")))
        if report.findings or not isinstance(secret, Mapping):
            self._monitor.forget(seen.key)
            await self._write(item, seen, named(report))
            return self._backoff(item)
        self._failures.pop(item, None)
        checked = await self._monitor.check(seen, spec, secret)
        report, now = monitor.with_outcome(report, checked.outcome), self._now()
        is_due = health.is_stale(seen, checked.outcome, now)
        if not is_due and seen.ready is not None and checked.outcome.is_ready:
            report = dataclasses.replace(report, message=seen.ready.message)
        latency = {"latencyMilliseconds": checked.outcome.latency_ms}
        await self._write(item, seen, named(report), json_access.present(latency), is_due=is_due)
        return checked.delay_seconds

    async def _observe(self, item: Item, spec: JSON) -> tuple[Observed, Mapping[str, Values]]:
        """Return what an object refers to, and the values of Secrets by name."""
        objects = {
            (kind, name): self._presence(kind, kube.Key(item.namespace, name))
            for kind, name in kinds.object_names(item.kind, spec)
        }
        named = {(reference.kind, reference.name) for reference in key_references(spec)}
        values = {
            (kind, name): await self._values.values(item.namespace, kind, name)
            for kind, name in sorted(named)
        }
        keys: dict[tuple[str, str], Keys] = {
            place: frozenset(found) if isinstance(found, Mapping) else found
            for place, found in values.items()
        }
        secrets = {name: found for (kind, name), found in values.items() if kind == SECRET}
        return Observed(objects, keys, self._ingests), secrets

    def _presence(self, kind: str, key: kube.Key) -> Presence:
        found = self._stores[kind].get(key)
        if found is None:
            return Presence.MISSING
        return Presence.NOT_READY if found.is_unusable else Presence.USABLE

    def _delay(self, item: Item, observed: Observed, report: Report) -> float | None:
        """Return when Secrets and ConfigMaps are read again, because they are not watched."""
        if not observed.keys:
            return None
        is_missing = any(
            finding.effect is Effect.BLOCKS
            and finding.type in {Type.UNREACHABLE, Type.INVALID_SPEC}
            for finding in report.findings
        )
        if is_missing:
            return self._backoff(item)
        self._failures.pop(item, None)
        return _STEADY.seconds(1, self._rng())

    def _backoff(self, item: Item) -> float:
        self._failures[item] += 1
        return _MISSING.seconds(self._failures[item], self._rng())

    async def _write(
        self,
        item: Item,
        seen: projections.Observable,
        report: Report,
        more: Mapping[str, JSON] | None = None,
        *,
        is_due: bool = False,
    ) -> None:
        """Write a status with further fields, if it changed or is due."""
        status = findings.status(report, seen, self._now(), is_due=is_due)
        if status is None or not self._leads():
            return
        status |= more or {}
        if item.kind in _CHECKED:
            status[_CHECKED[item.kind]] = status["lastUpdateTime"]
        resource = _RESOURCES[item.kind]
        body = {
            "metadata": {
                "name": item.name,
                "namespace": item.namespace,
                "uid": seen.metadata.uid,
            },
            "status": status,
        }
        try:
            written = await self._client.apply(
                resource,
                body,
                field_manager=FIELD_MANAGER,
                subresource="status",
                force=True,
                answers_metadata=True,
            )
        except (kube.NotFoundError, kube.ConflictError):
            return  # deleted or recreated meanwhile; the watch will report it
        await self._until_observed(item, written["metadata"]["resourceVersion"])
        if findings.is_transition(status, seen):
            self._emit(seen, resource, findings.ready_of(status["conditions"]))

    async def _until_observed(self, item: Item, resource_version: str) -> None:
        """Wait until the own write is cached: the next decision starts from it."""
        try:
            async with asyncio.timeout(_OBSERVED_SECONDS):
                await self._stores[item.kind].wait_for(resource_version)
        except TimeoutError:
            _log.warning("%s: own write not observed within %.0f s", item, _OBSERVED_SECONDS)

    def _emit(self, seen: projections.Observable, resource: kube.Resource, ready: JSON) -> None:
        self._recorder.event(
            kube.regarding_of(seen, resource),
            type="Normal" if ready["status"] == "True" else "Warning",
            reason=ready["reason"],
            action="Reconcile",
            note=ready["message"] or f"{resource.kind} is ready.",
        )


_RESOURCES: Final = {
    resource.kind: resource
    for resource in (
        *(projections.AGENTS, projections.PROVIDERS, projections.IMPLEMENTATIONS),
        *(projections.MEMORIES, projections.VERSION_CONTROL, projections.SOURCES),
    )
}
_CHECKED: Final = {
    projections.MEMORIES.kind: "lastCheckTime",
    projections.VERSION_CONTROL.kind: "lastValidationTime",
}
"""The field with the time of the last check, by kind."""
