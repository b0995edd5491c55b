"""Which waiting runs get a slot, and what the others wait for. Pure.

Limits are checked against the very value that is then replaced by compare-and-swap, so that they
hold whoever else believes to lead (a lease with counts from a cache does not: two leaders admit the
same slot in five steps). Namespaces take turns by deficit round robin (Shreedhar and Varghese,
1995) with a run as the unit; within one, the agent with the fewest runs in flight comes first, then
priority, then age; who waited long goes before all others of the namespace.
"""

import collections
import dataclasses
import enum
import heapq
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

Uid: TypeAlias = str
"""A run's ``metadata.uid``."""

MOST_SLOTS: Final = 5_000  # 100 bytes each; an object may have 1.5 MiB (etcd)
OVERDUE_SECONDS: Final = 600.0


class Limit(enum.StrEnum):
    """What a run waits for; as ``status.queue.blockedBy`` says it."""

    NAMESPACE = "Namespace"
    AGENT = "Agent"
    CLUSTER = "Cluster"


@dataclasses.dataclass(frozen=True)
class Limits:
    """How many runs may be in flight; 0 is no limit, but for the cluster.

    Raises:
        ValueError: The cluster's is not 1 to 5,000, or another is negative.
    """

    namespace: int = 10
    agent: int = 5
    cluster: int = 100

    def __post_init__(self) -> None:
        if not 1 <= self.cluster <= MOST_SLOTS:
            raise ValueError(
                f"expected a cluster limit of 1 to {MOST_SLOTS} runs, got {self.cluster}"
            )
        for name, value in (("namespace", self.namespace), ("agent", self.agent)):
            if value < 0:
                raise ValueError(
                    f"expected for {name} a limit of 0 (off) or more runs, got {value}"
                )


@dataclasses.dataclass(frozen=True, slots=True)
class Slot:
    """A run in flight.

    Attributes:
        agent: Its name within the namespace.
        epoch: Of the leader that admitted it.
        since: In seconds since 1970.
        run: The run's name, for people and for who looks whether it is still there.
        attempt: Which of the run's attempts it was given to.
    """

    namespace: str
    agent: str
    epoch: int
    since: float
    run: str = ""
    attempt: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """A run that waits.

    Attributes:
        priority: The higher the sooner, among runs of one agent.
        created: In seconds since 1970.
        run: Its name.
        attempt: Which of its attempts is to start.
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
    """All that admission remembers.

    Attributes:
        slots: The runs in flight.
        turn: The namespace that was served last.
        deficits: What namespaces are still owed of that round, where they are owed anything.
    """

    slots: Mapping[Uid, Slot] = dataclasses.field(default_factory=dict)
    turn: str = ""
    deficits: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def without(self, freed: Mapping[Uid, int]) -> "Ledger":
        """With these slots freed, each only if it is still that attempt's."""
        slots = {uid: slot for uid, slot in self.slots.items() if freed.get(uid, 0) != slot.attempt}
        return dataclasses.replace(self, slots=slots)


@dataclasses.dataclass(frozen=True)
class Decision:
    """What is to be written, and told.

    Attributes:
        ledger: With the admitted.
        admitted: In the order of admission.
        blocked: By waiting run, the limit that it meets first: its agent's, its namespace's, the
            cluster's.
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
    """Give the free slots away.

    Args:
        ledger: As it was read.
        candidates: The runs that wait; one that has a slot already is passed over.
        limits: How many may be in flight.
        epoch: Of whoever asks.
        now: In seconds since 1970.
        weights: Of namespaces, 1 where not named: so many runs are admitted in one turn.
    """
    round_ = _Round(ledger, limits, epoch, now)
    waiting = [*{one.uid: one for one in candidates if one.uid not in ledger.slots}.values()]
    round_.serve(waiting, weights or {})
    left = [one for one in waiting if one.uid not in round_.slots]
    met = {group: round_.limit_of(*group) for group in {(one.namespace, one.agent) for one in left}}
    limits_met = ((one.uid, met[one.namespace, one.agent]) for one in left)
    blocked = {uid: limit for uid, limit in limits_met if limit is not None}
    after = Ledger(round_.slots, round_.turn, round_.deficits)
    return Decision(after, tuple(round_.admitted), blocked)


_Order: TypeAlias = tuple[int, int, float, Uid]
_Queues: TypeAlias = dict[str, list[tuple[_Order, Candidate]]]
"""A namespace's waiting runs by agent, each a heap: of one agent's, the order never changes."""


class _Round:
    """The counts while slots are given away."""

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
        """The limit that keeps an agent's runs waiting."""
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
        """Let namespaces take turns until nothing more can be admitted."""
        queues = self._queued(waiting)
        # Who waits for nothing is owed nothing.
        self.deficits = {name: owed for name, owed in self.deficits.items() if name in queues}
        # A turn that was cut short by a full cluster goes on where it was.
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
        found: dict[str, _Queues] = {}
        for one in waiting:
            agents = found.setdefault(one.namespace, {})
            agents.setdefault(one.agent, []).append((self._order(one), one))
        for agents in found.values():
            for heap in agents.values():
                heapq.heapify(heap)
        return found

    def _able(self, name: str, agents: _Queues) -> list[str]:
        """The agents of a namespace of which a run waits that no limit keeps."""
        return [agent for agent in agents if self.limit_of(name, agent) is None]

    def _serve_one(self, name: str, agents: _Queues) -> None:
        self.turn = name
        while self.deficits[name] >= 1 and (able := self._able(name, agents)):
            chosen = min(able, key=lambda agent: self._rank(name, agent, agents[agent][0][0]))
            _, one = heapq.heappop(agents[chosen])
            if not agents[chosen]:
                del agents[chosen]
            self._admit(one)
            self.deficits[name] -= 1
        # A namespace that has nothing to admit saves nothing up, unless the cluster was full.
        if not self._is_full and not self._able(name, agents):
            self.deficits.pop(name, None)

    def _admit(self, one: Candidate) -> None:
        self.slots[one.uid] = Slot(
            one.namespace, one.agent, self._epoch, self._now, one.run, one.attempt
        )
        self.admitted.append(one.uid)
        self._namespaces[one.namespace] += 1
        self._agents[one.namespace, one.agent] += 1

    def _order(self, one: Candidate) -> _Order:
        """Whose turn comes first among the runs of one agent."""
        is_overdue = self._now - one.created >= OVERDUE_SECONDS
        return (
            (0, 0, one.created, one.uid) if is_overdue else (1, -one.priority, one.created, one.uid)
        )

    def _rank(self, namespace: str, agent: str, first: _Order) -> tuple[int, int, _Order]:
        """Whose turn comes first among the first runs of agents."""
        is_overdue = first[0] == 0
        return first[0], 0 if is_overdue else self._agents[namespace, agent], first


def _from(names: Sequence[str], turn: str, *, including: bool) -> list[str]:
    """The names in a circle, from the one whose turn it is."""
    at = next(
        (at for at, name in enumerate(names) if name > turn or (including and name == turn)), 0
    )
    return [*names[at:], *names[:at]]
