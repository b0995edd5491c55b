"""Which queued runs get a slot, and which limit blocks the others. Pure.

Limits are checked against the same value that is replaced by compare-and-swap, so they hold even if
another replica believes that it leads (a Lease with counts from a cache is not enough: two leaders
admit to the same slot in five steps). Namespaces take turns by deficit round robin (Shreedhar and
Varghese, 1995) with a run as the unit; within one, the agent with the fewest runs in flight comes
first, then priority, then age; overdue runs come before all others of the namespace.
"""

import collections
import dataclasses
import enum
import heapq
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

Uid: TypeAlias = str
"""A run's ``metadata.uid``."""

MAX_SLOTS: Final = 5_000  # 100 bytes each; etcd limits an object to 1.5 MiB
OVERDUE_SECONDS: Final = 600.0


class Limit(enum.StrEnum):
    """The limit that blocks a run, as in ``status.queue.blockedBy``."""

    NAMESPACE = "Namespace"
    AGENT = "Agent"
    CLUSTER = "Cluster"


@dataclasses.dataclass(frozen=True)
class Limits:
    """Maximum numbers of runs in flight; 0 means no limit, except for the cluster.

    Raises:
        ValueError: The cluster limit is not 1 to 5,000, or another one is negative.
    """

    namespace: int = 10
    agent: int = 5
    cluster: int = 100

    def __post_init__(self) -> None:
        if not 1 <= self.cluster <= MAX_SLOTS:
            raise ValueError(
                f"expected a cluster limit of 1 to {MAX_SLOTS} runs, got {self.cluster}"
            )
        for name, value in (("namespace", self.namespace), ("agent", self.agent)):
            if value < 0:
                raise ValueError(
                    f"expected a limit of 0 (off) or more runs per {name}, got {value}"
                )


@dataclasses.dataclass(frozen=True, slots=True)
class Slot:
    """The slot of a run in flight.

    Attributes:
        agent: Name of the agent in the namespace.
        epoch: Of the leader that admitted the run.
        since: Unix time in seconds.
        run: Name of the run.
        attempt: Number of the admitted attempt.
    """

    namespace: str
    agent: str
    epoch: int
    since: float
    run: str = ""
    attempt: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """A queued run.

    Attributes:
        priority: Higher values first, among runs of an agent.
        created: Unix time in seconds.
        run: Name of the run.
        attempt: Number of the attempt to start.
    """

    uid: Uid
    namespace: str
    agent: str
    priority: int = 0
    created: float = 0.0
    run: str = ""
    attempt: int = 1


@dataclasses.dataclass(frozen=True)
class Ledger:
    """The persisted state of admission.

    Attributes:
        slots: The runs in flight.
        turn: The namespace that was served last.
        deficits: Unused deficits of namespaces in the current round.
    """

    slots: Mapping[Uid, Slot] = dataclasses.field(default_factory=dict)
    turn: str = ""
    deficits: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def without(self, freed: Mapping[Uid, int]) -> "Ledger":
        """Return the ledger with slots freed, each only if it still belongs to that attempt."""
        slots = {uid: slot for uid, slot in self.slots.items() if freed.get(uid, 0) != slot.attempt}
        return dataclasses.replace(self, slots=slots)


@dataclasses.dataclass(frozen=True)
class Decision:
    """The result of an admission round.

    Attributes:
        ledger: Including the admitted runs.
        admitted: In order of admission.
        blocked: The first limit that each queued run hits: of its agent, its namespace, or the
            cluster.
    """

    ledger: Ledger
    admitted: tuple[Uid, ...]
    blocked: Mapping[Uid, Limit]


def decide(
    ledger: Ledger,
    candidates: Sequence[Candidate],
    limits: Limits,
    *,
    epoch: int,
    now: float,
    weights: Mapping[str, float] | None = None,
) -> Decision:
    """Assign the free slots.

    Args:
        ledger: The current ledger.
        candidates: The queued runs; those that have a slot are ignored.
        limits: On runs in flight.
        epoch: Of the caller.
        now: Unix time in seconds.
        weights: Runs admitted per turn, by namespace; 1 by default.
    """
    round_ = _Round(ledger, limits, epoch, now)
    waiting = [
        *{
            candidate.uid: candidate
            for candidate in candidates
            if candidate.uid not in ledger.slots
        }.values()
    ]
    round_.serve(waiting, weights or {})
    left = [candidate for candidate in waiting if candidate.uid not in round_.slots]
    met = {
        group: round_.limit_of(*group)
        for group in {(candidate.namespace, candidate.agent) for candidate in left}
    }
    limits_met = ((candidate.uid, met[candidate.namespace, candidate.agent]) for candidate in left)
    blocked = {uid: limit for uid, limit in limits_met if limit is not None}
    after = Ledger(round_.slots, round_.turn, round_.deficits)
    return Decision(after, tuple(round_.admitted), blocked)


_Order: TypeAlias = tuple[int, int, float, Uid]
_Queues: TypeAlias = dict[str, list[tuple[_Order, Candidate]]]
"""The queued runs of a namespace by agent, as heaps: their order within an agent is fixed."""


class _Round:
    """The state of a round of admission."""

    def __init__(self, ledger: Ledger, limits: Limits, epoch: int, now: float) -> None:
        self._limits, self._epoch, self._now = limits, epoch, now
        self.slots = dict(ledger.slots)
        self.turn, self.deficits = ledger.turn, dict(ledger.deficits)
        self.admitted: list[Uid] = []
        self._namespaces = collections.Counter(slot.namespace for slot in ledger.slots.values())
        self._agents = collections.Counter(
            (slot.namespace, slot.agent) for slot in ledger.slots.values()
        )

    def limit_of(self, namespace: str, agent: str) -> Limit | None:
        """Return the limit that blocks an agent's runs."""
        limits = self._limits
        if limits.agent and self._agents[namespace, agent] >= limits.agent:
            return Limit.AGENT
        if limits.namespace and self._namespaces[namespace] >= limits.namespace:
            return Limit.NAMESPACE
        return Limit.CLUSTER if self._is_full else None

    @property
    def _is_full(self) -> bool:
        return len(self.slots) >= self._limits.cluster

    def serve(self, waiting: Sequence[Candidate], weights: Mapping[str, float]) -> None:
        """Serve the namespaces in turn until nothing more can be admitted."""
        queues = self._queued(waiting)
        # Namespaces without queued runs keep no deficit.
        self.deficits = {name: owed for name, owed in self.deficits.items() if name in queues}
        # Continue a turn that was interrupted because the cluster was full.
        is_new_turn = self.deficits.get(self.turn, 0.0) < 1
        names = _from(sorted(queues), self.turn, including=not is_new_turn)
        while not self._is_full and any(self._able(name, queues[name]) for name in names):
            for name in names:
                if self._is_full:
                    return
                if is_new_turn:
                    owed = self.deficits.get(name, 0.0) + max(weights.get(name, 1.0), 0.01)
                    self.deficits[name] = owed
                is_new_turn = True
                self._serve_one(name, queues[name])

    def _queued(self, waiting: Sequence[Candidate]) -> dict[str, _Queues]:
        queues: dict[str, _Queues] = {}
        for candidate in waiting:
            agents = queues.setdefault(candidate.namespace, {})
            agents.setdefault(candidate.agent, []).append((self._order(candidate), candidate))
        for agents in queues.values():
            for heap in agents.values():
                heapq.heapify(heap)
        return queues

    def _able(self, name: str, agents: _Queues) -> list[str]:
        """Return the agents of a namespace with queued runs that no limit blocks."""
        return [agent for agent in agents if self.limit_of(name, agent) is None]

    def _serve_one(self, name: str, agents: _Queues) -> None:
        self.turn = name
        while self.deficits[name] >= 1 and (able := self._able(name, agents)):
            chosen = min(able, key=lambda agent: self._rank(name, agent, agents[agent][0][0]))
            _, candidate = heapq.heappop(agents[chosen])
            if not agents[chosen]:
                del agents[chosen]
            self._admit(candidate)
            self.deficits[name] -= 1
        # A namespace without admissible runs keeps no deficit, unless the cluster was full.
        if not self._is_full and not self._able(name, agents):
            self.deficits.pop(name, None)

    def _admit(self, candidate: Candidate) -> None:
        self.slots[candidate.uid] = Slot(
            candidate.namespace,
            candidate.agent,
            self._epoch,
            self._now,
            candidate.run,
            candidate.attempt,
        )
        self.admitted.append(candidate.uid)
        self._namespaces[candidate.namespace] += 1
        self._agents[candidate.namespace, candidate.agent] += 1

    def _order(self, candidate: Candidate) -> _Order:
        """Sort key among the runs of an agent."""
        is_overdue = self._now - candidate.created >= OVERDUE_SECONDS
        return (
            (0, 0, candidate.created, candidate.uid)
            if is_overdue
            else (1, -candidate.priority, candidate.created, candidate.uid)
        )

    def _rank(self, namespace: str, agent: str, first: _Order) -> tuple[int, int, _Order]:
        """Sort key among the first runs of agents."""
        is_overdue = first[0] == 0
        return first[0], 0 if is_overdue else self._agents[namespace, agent], first


def _from(names: Sequence[str], turn: str, *, including: bool) -> list[str]:
    """Rotate the names to start with the one whose turn it is."""
    at = next(
        (at for at, name in enumerate(names) if name > turn or (including and name == turn)), 0
    )
    return [*names[at:], *names[:at]]
