"""Implements ``agentctl explain``: reads a run and what it waits for. Shell: the cluster."""

import dataclasses
import json
from collections.abc import Awaitable
from typing import Literal, TypeAlias, TypeVar

from controllers import kube, manager
from controllers.agentctl import session
from controllers.agentctl.exits import Exit
from controllers.agentctl.explain import explanation, explanation_output
from controllers.agentctl.run.logs import workspace_logs
from controllers.ledger import Candidate, CorruptError, encoding
from controllers.runs import projections
from controllers.runs.api_constants import Phase

Output: TypeAlias = Literal["table", "json"]
T = TypeVar("T")
_PENDING = f"status.phase={Phase.PENDING}"


def run(cluster: session.Cluster, namespace: str, name: str, home: str, output: Output) -> Exit:
    """Explain a run; return the exit code."""

    async def work(client: kube.Client) -> Exit:
        value = await client.get(projections.RUNS, name, namespace=namespace)
        folders = workspace_logs.workspaces_of(
            projections.of(projections.Run, value), cluster.workspaces()
        )
        seen = await _Reading(client, home).of(value)
        seen = dataclasses.replace(seen, workspaces=[str(folder) for folder in folders])
        explained = explanation.explain(seen)
        if output == "json":
            text = json.dumps(explanation_output.as_json(explained), indent=2, ensure_ascii=False)
        else:
            text = explanation_output.as_text(explained, seen.now)
        session.show(text)
        return Exit.OK

    return session.run(cluster, work)


class _Reading:
    """Reads what the user has access to, and notes the rest."""

    def __init__(self, client: kube.Client, home: str) -> None:
        self._client, self._home = client, home
        self._notes: list[str] = []

    async def of(self, run: kube.JSON) -> explanation.Observed:
        namespace = run["metadata"]["namespace"]
        book = await self._book()
        waiting, is_everywhere = await self._waiting(namespace)
        events = await self._events(run)
        lease = await self._or_none(
            "leader",
            self._client.get(kube.LEASES, manager.LEASE, namespace=self._home),
        )
        return explanation.Observed(
            run=run,
            now=kube.utc_now(),
            book=None if book is None else encoding.read(book),
            limits=None if book is None else encoding.limits(book),
            waiting=waiting,
            is_everywhere=is_everywhere,
            events=events,
            lease=lease,
            notes=tuple(self._notes),
        )

    async def _book(self) -> kube.JSON | None:
        """Return the ledger's ConfigMap, or None if it is missing or corrupt."""
        config_map = await self._or_none(
            "slots",
            self._client.get(kube.CONFIG_MAPS, manager.LEDGER, namespace=self._home),
        )
        if config_map is None:
            return None
        try:
            encoding.read(config_map)
        except CorruptError as error:
            self._notes.append(f"slots: {error}")
            return None
        return config_map

    async def _waiting(self, namespace: str) -> tuple[list[Candidate], bool]:
        """Return the queued runs, and whether they cover all namespaces."""
        try:
            listed = await self._client.list(projections.RUNS, fields=_PENDING)
        except kube.ForbiddenError as error:
            self._notes.append(f"queued runs of other namespaces: {error}")
            listed = await self._client.list(projections.RUNS, namespace=namespace, fields=_PENDING)
            return _candidates(listed), False
        return _candidates(listed), True

    async def _events(self, run: kube.JSON) -> tuple[kube.JSON, ...]:
        metadata = run["metadata"]
        fields = f"regarding.kind={projections.RUNS.kind},regarding.uid={metadata['uid']}"
        listed = await self._or_none(
            "events",
            self._client.list(kube.EVENTS, namespace=metadata["namespace"], fields=fields),
        )
        return () if listed is None else listed.items

    async def _or_none(self, what: str, reading: Awaitable[T]) -> T | None:
        try:
            return await reading
        except (kube.ForbiddenError, kube.NotFoundError) as error:
            self._notes.append(f"{what}: {error}")
            return None


def _candidates(listed: kube.Listing) -> list[Candidate]:
    candidates = (
        explanation.candidate(run) for run in projections.each(projections.Run, listed.items)
    )
    return [candidate for candidate in candidates if candidate is not None]
