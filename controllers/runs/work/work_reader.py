"""Reads the work of runs, and caches what fits. Shell: reads of runs and their references."""

import collections
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

from controllers import kube
from controllers.runs import projections
from controllers.runs.api_constants import IN_FLIGHT, Reason
from controllers.runs.caches import Caches
from controllers.runs.planner import observation
from controllers.runs.runtimes.base import JSON, Work
from controllers.runs.work import related_objects, work
from crds.admission.settings import Pods, Settings

# Work is cached up to this size, first come first served, and otherwise read again when needed.
# Users decide how large it is.
MAX_WORK_BYTES: Final = 64 * 1024 * 1024
# Their later creation changes a version; other references are not tracked by version.
_TRACKED_BY_VERSION: Final = frozenset(
    {
        *(Reason.MISSING_AGENT, Reason.MISSING_PROVIDER),
        *(Reason.MISSING_MEMORY, Reason.MEMORY_NOT_READY),
    }
)


class RecreatedError(Exception):
    """A run of the same name but another UID exists."""


@dataclasses.dataclass(slots=True)
class _Memory:
    """The cached inputs of a run.

    Attributes:
        inputs: If ready with work_bytes 0, without the work.
        inputs_of: The versions that they were read at.
    """

    inputs: work.Inputs | None = None
    inputs_of: tuple[Any, ...] = ()
    spec: Mapping[str, JSON] = dataclasses.field(default_factory=dict)
    work_bytes: int = 0


class WorkReader:
    """Reads runs and the objects that they refer to, and prepares their work.

    Args:
        client: Reads them.
        caches: Synced caches of agents and providers.
        settings: Returns the operator's current settings.
    """

    def __init__(
        self, client: kube.Client, caches: Caches, settings: Callable[[], Settings]
    ) -> None:
        self._client, self._caches, self._settings = client, caches, settings
        self._memories: collections.defaultdict[str, _Memory] = collections.defaultdict(_Memory)
        self.cached_bytes = 0

    async def inputs(self, run: projections.Run, *, needs_work: bool) -> work.Inputs:
        """Return the prepared work; read again only if an input changed."""
        memory, agent, provider = self._memories[run.metadata.uid], *self._agent(run)
        store = self._memory(run, agent)
        settings = self._settings()
        versions = (
            settings,
            run.metadata.generation,
            observation.attempt(run),
            agent and agent.version,
            provider and provider.version,
            store and store.version,
        )
        known = memory.inputs if memory.inputs_of == versions else None
        match known:
            case work.Ready() if memory.work_bytes or not needs_work:
                return known
            case work.Waiting(reason=reason) if reason in _TRACKED_BY_VERSION and not needs_work:
                return known
        namespace, name = run.key
        whole = await self._client.get(
            projections.RUNS,
            name,
            namespace=namespace,
            not_older_than=run.metadata.resource_version,
        )
        if whole["metadata"]["uid"] != run.metadata.uid:
            raise RecreatedError
        related = await self._related(whole, agent, provider, store)
        if store is not None and store.is_unusable and run.status.phase not in IN_FLIGHT:
            # A run in flight is left alone: its agent may do without for a while.
            related = dataclasses.replace(related, memory_problem=_problem(store))
        inputs = work.prepare(whole, related, observation.attempt(run), settings)
        self._remember(memory, whole["spec"], inputs)
        memory.inputs_of = versions
        if isinstance(inputs, work.Ready) and not memory.work_bytes:
            memory.inputs = dataclasses.replace(inputs, work=_bare(run, {}, inputs.work.pods))
        return inputs

    def _remember(self, memory: _Memory, spec: Mapping[str, JSON], inputs: work.Inputs) -> None:
        """Cache the work if there is room for it."""
        self.cached_bytes -= memory.work_bytes
        known: list[JSON] = [spec]
        if isinstance(inputs, work.Ready):
            known += [inputs.work.run_json, inputs.work.provider]
        size = kube.memory_bytes(known)
        has_room = self.cached_bytes + size <= MAX_WORK_BYTES
        memory.work_bytes = size if has_room else 0
        memory.inputs, memory.spec = inputs, spec if has_room else {}
        self.cached_bytes += memory.work_bytes

    def _agent(
        self, run: projections.Run
    ) -> tuple[projections.Whole | None, projections.Whole | None]:
        namespace = run.metadata.namespace
        agent = self._caches.agents.get(kube.Key(namespace, run.spec.agent_ref.name))
        if agent is None:
            return None, None
        return agent, self._caches.providers.get(kube.Key(namespace, agent.provider))

    def _memory(
        self, run: projections.Run, agent: projections.Whole | None
    ) -> projections.Whole | None:
        """Return the Memory of the run, its agent or its namespace; None if there is none."""
        namespace = run.metadata.namespace
        name = run.spec.memory_ref.name or (agent.named.memory_ref.name if agent else "")
        if name:
            return self._caches.memories.get(kube.Key(namespace, name))
        return self._caches.default_memory(namespace)

    async def _related(
        self,
        whole: JSON,
        agent: projections.Whole | None,
        provider: projections.Whole | None,
        memory: projections.Whole | None,
    ) -> related_objects.Related:
        namespace = whole["metadata"]["namespace"]
        return related_objects.Related(
            agent=_object(agent),
            provider=_object(provider),
            implementations={
                name: await self._get(projections.IMPLEMENTATIONS, namespace, name)
                for name in related_objects.implementation_names(whole)
            },
            memory=_object(memory),
        )

    async def _get(self, resource: kube.Resource, namespace: str, name: str) -> JSON:
        try:
            return await self._client.get(resource, name, namespace=namespace)
        except kube.NotFoundError:
            return None

    def bare(self, run: projections.Run) -> Work:
        """Return the part of a run's work that is known without references, to find it again."""
        return _bare(run, self._memories[run.metadata.uid].spec, self._settings().pods)

    def forget(self, uid: str) -> None:
        """Drop the cached inputs of a run."""
        self.cached_bytes -= self._memories.pop(uid, _Memory()).work_bytes


def _object(cached: projections.Whole | None) -> JSON:
    return {"spec": cached.decoded()} if cached else None


def _problem(memory: projections.Whole) -> str:
    ready = memory.ready
    return f"Memory {memory.metadata.name!r} is not ready" + (f": {ready.message}" if ready else "")


def _bare(run: projections.Run, spec: Mapping[str, JSON], pods: Pods) -> Work:
    metadata = run.metadata
    return Work(
        namespace=metadata.namespace,
        run=metadata.name,
        uid=metadata.uid,
        attempt=observation.attempt(run),
        spec={"agentRef": {"name": run.spec.agent_ref.name}, **spec},
        provider={},
        run_json={},
        runner_json={},
        pods=pods,
    )
