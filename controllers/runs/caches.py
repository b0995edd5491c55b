"""The controller's caches, and the mapping from changes to runs. Shell: reflectors."""

import functools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from controllers import kube
from controllers.runs import naming, projections
from controllers.runs.api_constants import ENDED
from controllers.runs.runtimes.jobs import pod_states

# A run that has ended leaves the cache as if deleted; it is not reconciled any more.
LIVE_RUNS: Final = ",".join(f"status.phase!={phase}" for phase in sorted(ENDED))
# Deleted pods whose state is remembered: their Jobs report only that they failed.
MAX_DELETED: Final = 1000


class Caches:
    """Stores of all relevant kinds, maintained by reflectors.

    Args:
        client: May list and watch them.
        queue: Receives the keys of affected runs.
        namespace: One namespace, or None for all.
        on_unreadable: Called with each unreadable object and its kind.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        client: kube.Client,
        queue: kube.Queue[kube.Key],
        namespace: str | None = None,
        *,
        on_unreadable: Callable[[kube.Resource, kube.Unreadable], None] = lambda _, __: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._queue, self._namespace = client, queue, namespace
        self._on_unreadable, self._clock = on_unreadable, clock
        self.runs: kube.Store[projections.Run] = kube.Store(
            {
                "uid": lambda run: [run.metadata.uid],
                "agent": lambda run: _named(run, run.spec.agent_ref.name),
                "implementation": lambda run: _named(run, run.spec.implementation.spec_ref.name),
            }
        )
        self.agents: kube.Store[projections.Whole] = kube.Store(
            {"provider": _provider_of, "memory": _memory_of, "vcs": _vcs_of}
        )
        self.providers: kube.Store[projections.Whole] = kube.Store()
        self.implementations: kube.Store[projections.Task] = kube.Store({"vcs": _task_vcs_of})
        self.memories: kube.Store[projections.Whole] = kube.Store({"namespace": _namespace_of})
        self.version_control: kube.Store[projections.Whole] = kube.Store()
        self.sources: kube.Store[projections.Whole] = kube.Store()
        self.on_observable: Callable[[kube.Resource, kube.Change[Any]], None] = lambda _, __: None
        """Called with each change of an object that has a Ready condition."""
        self.jobs: kube.Store[projections.Job] = kube.Store()
        self.pods: kube.Store[projections.Pod] = kube.Store({"job": _job_of})
        self.deleted_pods: dict[str, projections.Pod] = {}
        """Last deleted pod of a Job, by the Job's namespace and name."""
        self.deleted_jobs: dict[str, projections.Job] = {}
        """Jobs deleted after their end, by namespace and name: their outcome is still needed."""

    def reflectors(self, *, with_jobs: bool = True) -> Iterator[kube.Reflector[Any]]:
        """Yield the reflectors that maintain the stores; each has to be run."""
        live = kube.Selection(namespace=self._namespace, fields=LIVE_RUNS)
        every = kube.Selection(namespace=self._namespace)
        yield self._reflector(projections.RUNS, projections.Run, self.runs, live, self._run_changed)
        for resource, store, on_change in (
            (projections.AGENTS, self.agents, self._agent_changed),
            (projections.PROVIDERS, self.providers, self._provider_changed),
            (projections.MEMORIES, self.memories, self._memory_changed),
            (projections.VERSION_CONTROL, self.version_control, lambda _: None),
            (projections.SOURCES, self.sources, lambda _: None),
        ):
            wake = self._observed(resource, on_change)
            yield self._reflector(resource, projections.Whole, store, every, wake)
        # Texts are large: they are read with the run.
        yield self._reflector(
            projections.IMPLEMENTATIONS,
            projections.Task,
            self.implementations,
            every,
            self._observed(projections.IMPLEMENTATIONS, self._implementation_changed),
        )
        if with_jobs:
            mine = kube.Selection(namespace=self._namespace, labels=naming.RUN_LABEL)
            yield self._reflector(
                projections.JOBS, projections.Job, self.jobs, mine, self._job_changed
            )
            yield self._reflector(
                projections.PODS, projections.Pod, self.pods, mine, self._pod_changed
            )

    def _reflector(
        self,
        resource: kube.Resource,
        view: type[projections.V],
        store: kube.Store[projections.V],
        selection: kube.Selection,
        on_change: Callable[[kube.Change[projections.V]], None] = lambda _: None,
    ) -> kube.Reflector[projections.V]:
        return kube.Reflector(
            self._client,
            resource,
            view,
            store,
            on_change,
            on_unreadable=functools.partial(self._on_unreadable, resource),
            selection=selection,
            clock=self._clock,
        )

    def _observed(
        self, resource: kube.Resource, on_change: Callable[[kube.Change[Any]], None]
    ) -> Callable[[kube.Change[Any]], None]:
        def observe(change: kube.Change[Any]) -> None:
            self.on_observable(resource, change)
            if _version(change.before) != _version(change.after):
                on_change(change)

        return observe

    def default_memory(self, namespace: str) -> projections.Whole | None:
        """Return the default Memory of a namespace: the oldest of those that claim to be."""
        defaults = [
            memory for memory in self.memories.by("namespace", namespace) if memory.named.is_default
        ]
        return min(
            defaults,
            key=lambda one: (one.metadata.creation_timestamp, one.metadata.name),
            default=None,
        )

    def by_uid(self, uid: str) -> projections.Run | None:
        """Return the live run with a UID."""
        return next(iter(self.runs.by("uid", uid)), None)

    def _run_changed(self, change: kube.Change[projections.Run]) -> None:
        if (
            change.before is None
            or change.after is None
            or _is_user_change(change.before, change.after)
        ):
            self._queue.add(change.key, priority=kube.CHANGED)
        else:
            self._queue.add(change.key, priority=kube.FOLLOWED)

    def _agent_changed(self, change: kube.Change[projections.Whole]) -> None:
        self._wake(self.runs.by("agent", str(change.key)))

    def _provider_changed(self, change: kube.Change[projections.Whole]) -> None:
        for agent in self.agents.by("provider", str(change.key)):
            self._wake(self.runs.by("agent", str(agent.key)))

    def _implementation_changed(self, change: kube.Change[projections.Task]) -> None:
        if change.before is None:
            self._wake(self.runs.by("implementation", str(change.key)))

    def _memory_changed(self, change: kube.Change[projections.Whole]) -> None:
        # A run may also use it as the default of its namespace.
        self._wake(run for run in self.runs if run.metadata.namespace == change.key.namespace)

    def _job_changed(self, change: kube.Change[projections.Job]) -> None:
        job = change.after or change.before
        if job is None:
            return
        if change.after is None and job.ending is not None:
            _remember(self.deleted_jobs, str(change.key), job)
        for owner in job.metadata.owner_references:
            if owner.controller and owner.is_of(projections.RUNS):
                key = kube.Key(job.metadata.namespace, owner.name)
                self._queue.add(key, priority=kube.FOLLOWED)

    def _pod_changed(self, change: kube.Change[projections.Pod]) -> None:
        if change.before is not None and change.after is None:
            self._remember_deleted(change.before)
        elif change.after is not None and _has_news(change.before, change.after):
            run = self.by_uid(change.after.metadata.labels.get(naming.RUN_LABEL, ""))
            self._wake([] if run is None else [run])

    def _remember_deleted(self, pod: projections.Pod) -> None:
        for job in _job_of(pod):
            _remember(self.deleted_pods, job, pod)

    def _wake(self, runs: Iterable[projections.Run]) -> None:
        for run in runs:
            self._queue.add(run.key, priority=kube.FOLLOWED)


def _remember(known: dict[str, projections.V], name: str, value: projections.V) -> None:
    """Remember a deleted object, and drop the oldest beyond the limit."""
    known.pop(name, None)
    known[name] = value
    if len(known) > MAX_DELETED:
        del known[next(iter(known))]


def _is_user_change(before: projections.Run, after: projections.Run) -> bool:
    """Return whether a change is of the run itself, rather than a write of the controller."""
    old, new = before.metadata, after.metadata
    return (old.generation, old.deletion_timestamp) != (new.generation, new.deletion_timestamp)


def _has_news(before: projections.Pod | None, after: projections.Pod) -> bool:
    """Return whether a pod started or waits for another reason; its end is reported by its Job."""
    known = before and (pod_states.is_running(before), pod_states.waiting(before))
    now = pod_states.is_running(after), pod_states.waiting(after)
    return now != (known or (False, None))


def _named(value: kube.Projection, name: str) -> Iterator[str]:
    if name:
        yield str(kube.Key(value.metadata.namespace, name))


def _job_of(pod: projections.Pod) -> Iterator[str]:
    return _named(pod, pod.metadata.labels.get(naming.JOB_LABEL, ""))


def _version(value: projections.Observable | None) -> object:
    return value and value.version


def _namespace_of(value: projections.Whole) -> Iterator[str]:
    yield value.metadata.namespace


def _provider_of(agent: projections.Whole) -> Iterator[str]:
    return _named(agent, agent.provider)


def _memory_of(agent: projections.Whole) -> Iterator[str]:
    return _named(agent, agent.named.memory_ref.name)


def _vcs_of(agent: projections.Whole) -> Iterator[str]:
    return _named(agent, agent.named.vcs_ref.name)


def _task_vcs_of(task: projections.Task) -> Iterator[str]:
    return _named(task, task.spec.vcs_ref.name)
