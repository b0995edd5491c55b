"""Which faults the requests to a Kubernetes API get: drawn by a seed, or written down. Pure.

A request is known by its turn: which one of its verb and resource it is. So a request more of one
kind shifts no fault of another, and a run that is repeated a little faster gets the same faults.
"""

import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, Self, TypeAlias, get_args

from tests.support.kube_calls import ALL, UPDATES, WATCHES, WRITES, Verb

When: TypeAlias = Literal["before", "after"]


@dataclasses.dataclass(frozen=True, slots=True)
class Drop:
    """The connection ends before the request is forwarded, or after it was and before the answer.

    Many clients send what may be repeated (GET, PUT, DELETE) once more, at once and untold.
    """

    when: When


@dataclasses.dataclass(frozen=True, slots=True)
class Fail:
    """A write is carried out, and answered with 500."""


@dataclasses.dataclass(frozen=True, slots=True)
class Refuse:
    """The request is not forwarded, but answered with an error."""

    code: int
    retry_after_seconds: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Delay:
    """The request or its answer is on the way for longer."""

    when: When
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class Past:
    """A list is answered as it was so many changes ago, and a watch that lists goes on from there.

    Never from before the resourceVersion that is asked for; and no fault where no earlier one is
    known. API servers do so for lists from their cache (``resourceVersion=0``); for those that ask
    for none, which are linearizable, it is harder than life.
    """

    changes: int


@dataclasses.dataclass(frozen=True, slots=True)
class Cut:
    """After so many events, the next is cut, and the connection ends.

    Attributes:
        at: Where, as a share of the line.
        is_clean: Whether HTTP ends as it should, which proxies make of a broken connection.
    """

    after: int
    at: float = 0.5
    is_clean: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Silence:
    """After so many events nothing comes any more; after some seconds the connection ends."""

    after: int
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class Expire:
    """After so many events the resourceVersion is too old: an ERROR event of 410, and the end."""

    after: int


@dataclasses.dataclass(frozen=True, slots=True)
class Duplicate:
    """After so many events the last comes again."""

    after: int


@dataclasses.dataclass(frozen=True, slots=True)
class Hold:
    """After so many events nothing comes for some seconds, and then all that was due, in order."""

    after: int
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class Pass:
    """So many events without a fault."""

    after: int


@dataclasses.dataclass(frozen=True, slots=True)
class CrashAt:
    """The controller ends at its n-th write.

    Attributes:
        n: From 1; see ``Call.is_counted``.
        when: The write never lands, it lands and no answer comes back, or the answer has gone back.
    """

    n: int
    when: Literal["before", "after_commit", "after_ack"]


WatchFault: TypeAlias = Cut | Silence | Expire | Duplicate | Hold | Pass
Fault: TypeAlias = Drop | Fail | Refuse | Delay | Past | WatchFault


class Turn(NamedTuple):
    """Which request it is, and in a watch, which of its faults.

    Attributes:
        resource: ``PLURAL[.GROUP][/SUBRESOURCE]``; the path where it is none.
        ordinal: Among the requests of that verb and resource, from 1.
        step: In a watch, which meets one fault after the other, from 0.
    """

    verb: Verb
    resource: str
    ordinal: int
    step: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Rates:
    """How probable each fault is for a request that it can happen to, and for a watch at each step.

    Attributes:
        conflict: 409 for updates and patches.
        overload: 429, to come back at once or after a second.
        error: 500.
        unavailable: 503.
        timeout: 504.
        expire: Of a watch; and 410 for a further page of a list.
    """

    drop_before: float = 0.0
    drop_after: float = 0.0
    fail: float = 0.0
    conflict: float = 0.0
    overload: float = 0.0
    error: float = 0.0
    unavailable: float = 0.0
    timeout: float = 0.0
    delay_before: float = 0.0
    delay_after: float = 0.0
    expire: float = 0.0
    past: float = 0.0
    cut: float = 0.0
    silence: float = 0.0
    duplicate: float = 0.0
    hold: float = 0.0

    @classmethod
    def even(cls, rate: float) -> Self:
        """The same rate for every fault."""
        return cls(**{field.name: rate for field in dataclasses.fields(cls)})

    def __repr__(self) -> str:
        return _brief(self)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Bounds:
    """The least and the most of what is drawn; both are included."""

    delay_seconds: tuple[float, float] = (0.01, 2.0)
    silence_seconds: tuple[float, float] = (1.0, 5.0)
    hold_seconds: tuple[float, float] = (1.0, 5.0)
    events: tuple[int, int] = (0, 5)
    """Between two faults of a watch."""
    past_changes: tuple[int, int] = (1, 10)

    def __repr__(self) -> str:
        return _brief(self)


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """What happens to each request of a controller.

    Its ``repr`` is Python that makes it again.

    Attributes:
        seed: Draws the faults.
        rates: How often.
        bounds: How much.
        script: Faults for certain turns, whatever is drawn.
        crash: When the controller ends.
        spared: Resources without drawn faults.
    """

    seed: int = 0
    rates: Rates = Rates()
    bounds: Bounds = Bounds()
    script: Mapping[Turn, Fault] = dataclasses.field(default_factory=dict)
    crash: CrashAt | None = None
    spared: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for verb in get_args(Verb):
            total = sum(rate for rate, _ in _chances(self.rates, Turn(verb, "", 1)))
            if total > 1:
                raise ValueError(f"expected rates of at most 1 for {verb} in all, got {total:g}")

    def fault(self, turn: Turn) -> Fault | None:
        """What happens to a request; for a watch it is at least so many events without a fault."""
        if turn in self.script:
            return self.script[turn]
        rng = random.Random(f"{self.seed} {turn}")  # noqa: S311 - a choice of faults
        calm = Pass(max(1, rng.randint(*self.bounds.events))) if turn.verb in WATCHES else None
        if turn.resource in self.spared:
            return calm
        drawn = rng.random()
        for rate, make in _chances(self.rates, turn):
            drawn -= rate
            if drawn < 0:
                return make(_Dice(rng, self.bounds))
        return calm

    def __repr__(self) -> str:
        return _brief(self)


class _Dice:
    """Draws what makes up a fault."""

    def __init__(self, rng: random.Random, bounds: Bounds) -> None:
        self._rng, self._bounds = rng, bounds

    def delay(self, when: When) -> Delay:
        return Delay(when, self._seconds(self._bounds.delay_seconds))

    def past(self) -> Past:
        return Past(self._rng.randint(*self._bounds.past_changes))

    def cut(self) -> Cut:
        share = round(self._rng.random(), 3)
        return Cut(self.events(), share, is_clean=self._rng.random() < 0.5)

    def silence(self) -> Silence:
        return Silence(self.events(), self._seconds(self._bounds.silence_seconds))

    def hold(self) -> Hold:
        return Hold(self.events(), self._seconds(self._bounds.hold_seconds))

    def overload(self) -> Refuse:
        return Refuse(429, self._rng.randint(0, 1))

    def events(self) -> int:
        return self._rng.randint(*self._bounds.events)

    def _seconds(self, bounds: tuple[float, float]) -> float:
        return round(self._rng.uniform(*bounds), 3)


_Make: TypeAlias = Callable[[_Dice], Fault]
_ONCE: Final[tuple[tuple[str, frozenset[str], _Make], ...]] = (
    ("drop_before", ALL, lambda _: Drop("before")),
    ("drop_after", ALL - WATCHES, lambda _: Drop("after")),
    ("fail", WRITES, lambda _: Fail()),
    ("conflict", UPDATES, lambda _: Refuse(409)),
    ("overload", ALL, _Dice.overload),
    ("error", ALL, lambda _: Refuse(500)),
    ("unavailable", ALL, lambda _: Refuse(503)),
    ("timeout", ALL, lambda _: Refuse(504)),
    ("delay_before", ALL, lambda rng: rng.delay("before")),
    ("delay_after", ALL - WATCHES, lambda rng: rng.delay("after")),
    ("expire", frozenset({"page"}), lambda _: Refuse(410)),
    ("past", frozenset({"list", "watchlist"}), _Dice.past),
)
_AGAIN_AND_AGAIN: Final[tuple[tuple[str, frozenset[str], _Make], ...]] = (
    ("cut", WATCHES, _Dice.cut),
    ("silence", WATCHES, _Dice.silence),
    ("expire", WATCHES, lambda rng: Expire(rng.events())),
    ("duplicate", WATCHES, lambda rng: Duplicate(rng.events())),
    ("hold", WATCHES, _Dice.hold),
)


def _chances(rates: Rates, turn: Turn) -> list[tuple[float, _Make]]:
    kinds = _AGAIN_AND_AGAIN if turn.step else _ONCE + _AGAIN_AND_AGAIN
    return [(getattr(rates, name), make) for name, verbs, make in kinds if turn.verb in verbs]


def _brief(value: Any) -> str:
    """Like a dataclass' repr, without what is as by default."""
    default = type(value)()
    fields = [(one.name, getattr(value, one.name)) for one in dataclasses.fields(value)]
    said = [f"{name}={found!r}" for name, found in fields if found != getattr(default, name)]
    return f"{type(value).__name__}({', '.join(said)})"


QUIET: Final = Plan()


class Dealt(NamedTuple):
    """A fault that took effect."""

    turn: Turn
    fault: Fault


def replay(plan: Plan, dealt: Sequence[Dealt]) -> Plan:
    """The plan of exactly those faults: they can be taken out one by one."""
    return dataclasses.replace(plan, rates=Rates(), script={**plan.script, **dict(dealt)})


@dataclasses.dataclass(frozen=True, slots=True)
class Write:
    """A write, and what came of it.

    Attributes:
        ordinal: Which of the counted ones, from 1; 0 for those that are not.
        name: The object's, empty where that is not known.
        status: The API server's answer; None where it was not asked, or answered nothing.
        fault: What happened on the way.
    """

    ordinal: int
    verb: Verb
    path: str
    resource: str
    namespace: str
    name: str
    status: int | None
    fault: Fault | CrashAt | None = None

    @property
    def is_done(self) -> bool:
        """Whether the API server carried it out."""
        return self.status is not None and self.status < 300
