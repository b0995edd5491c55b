"""All interleavings of replicas that rotate an authority: a model around ``rotation.decide``.

Two replicas, two configurations, one rotation. At any moment a replica may look (read the state,
the configurations, the leases), act on what it saw however old that is, take one of the steps of an
injection or of serving, crash and start again; and time may pass. What is decided is decided by the
code that runs in production; what is modelled is its shell: which reads and writes happen in which
order, and which of them fail because something changed (compare-and-swap).

Time is counted in ticks. A bundle that a configuration showed counts as remembered until the hold
time is over; a lease that was not renewed for a tick is no replica's any more, and a replica whose
lease ran out serves nothing until it has announced itself again.
"""

import collections
import dataclasses
from collections.abc import Callable, Iterator

from certs import rotation

REPLICAS = 2
CONFIGURATIONS = ("crd", "webhook")
HOLD_TICKS = 1
LEASE_TICKS = 1
MAX_ROTATIONS = 1

Bundle = tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Replica:
    """One process.

    Attributes:
        state: As it read it last.
        step: What it decided by what it saw then, and has not done.
        confirmed: Ticks since all configurations show what is published, as far as it saw.
        leaf: The generation that it serves.
        announced: The generation that it announced and has not yet read the state after.
        injecting: A configuration that it has read to write it, whether it has read the state
            again after that, and whether another has written meanwhile.
    """

    state: rotation.State | None = None
    step: rotation.Step = None
    confirmed: int = 0
    leaf: int | None = None
    announced: int | None = None
    injecting: tuple[int, bool, bool] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class World:
    """Everything.

    Attributes:
        shown: The bundle of each configuration.
        leases: Of each replica: the generation, and ticks since it was renewed; None without one.
        remembered: Bundles that were replaced, and ticks since then.
    """

    state: rotation.State
    shown: tuple[Bundle, ...]
    leases: tuple[tuple[int, int] | None, ...]
    replicas: tuple[Replica, ...]
    remembered: frozenset[tuple[Bundle, int]] = frozenset()


@dataclasses.dataclass(frozen=True)
class Shell:
    """How the shell goes about it; each switch turned off is a mistake that the model must find.

    Attributes:
        decide: The state machine.
        is_fenced: The state is read again before a configuration is written.
        announces_first: A new replica announces what it will serve before it reads what signs.
        serves_before_announcing: A replica says that it serves a leaf only when it does.
    """

    decide: Callable[[rotation.State, rotation.View, float], rotation.Step] = rotation.decide
    is_fenced: bool = True
    announces_first: bool = True
    serves_before_announcing: bool = True


@dataclasses.dataclass
class Explored:
    """What was explored.

    Attributes:
        violation: The actions that led to a leaf that some remembered bundle does not verify.
        rotations: The most that were completed.
    """

    states: int = 0
    transitions: int = 0
    rotations: int = 0
    violation: tuple[str, ...] = ()


def start() -> World:
    """The first authority exists; nobody serves, nothing is injected."""
    return World(
        rotation.FIRST,
        ((),) * len(CONFIGURATIONS),
        (None,) * REPLICAS,
        (Replica(),) * REPLICAS,
    )


def explore(shell: Shell, *, most_states: int = 50_000_000) -> Explored:
    """Breadth first, until everything was seen or the invariant is broken."""
    first = start()
    found = Explored(states=1)
    came_from: dict[World, tuple[World, str] | None] = {first: None}
    waiting = collections.deque([first])
    while waiting and found.states < most_states:
        world = waiting.popleft()
        for action, unsorted in actions(world, shell):
            found.transitions += 1
            after = _sorted(unsorted)
            if after in came_from:
                continue
            came_from[after] = world, action
            found.states += 1
            if not after.state.is_rotating:
                found.rotations = max(found.rotations, after.state.active - 1)
            if broken(after):
                found.violation = _path(came_from, after)
                return found
            waiting.append(after)
    return found


def _sorted(world: World) -> World:
    """Replicas are alike: worlds that differ in their numbers are one."""
    pairs = sorted(zip(world.replicas, world.leases, strict=True), key=hash)
    replicas, leases = zip(*pairs, strict=True)
    return dataclasses.replace(world, replicas=replicas, leases=leases)


def _path(came_from: dict[World, tuple[World, str] | None], world: World) -> tuple[str, ...]:
    path = []
    while (step := came_from[world]) is not None:
        world, action = step
        path.append(action)
    return tuple(reversed(path))


def broken(world: World) -> bool:
    """Whether a leaf is served that a bundle does not verify which somebody may still believe."""
    bundles = {*world.shown} | {bundle for bundle, _ in world.remembered}
    return any(
        one.leaf is not None and bundle and one.leaf not in bundle
        for one in world.replicas
        for bundle in bundles
    )


# --- actions ------------------------------------------------------------------------------------


def actions(world: World, shell: Shell) -> Iterator[tuple[str, World]]:
    """Everything that may happen next."""
    yield "tick", _tick(world)
    for at, one in enumerate(world.replicas):
        yield f"{at} looks", _look(world, at, shell)
        if one != Replica():
            yield f"{at} crashes", _with(world, at, Replica())
        if world.leases[at] is not None and one.leaf is not None:
            yield f"{at} renews", _renewed(world, at)
        if one.state is not None:
            yield from _serving(world, at, one, shell)
            yield from _acting(world, at, one, shell)
            yield from _injecting(world, at, one, shell)


def _look(world: World, at: int, shell: Shell) -> World:
    """Read the state, the configurations and the leases, and decide."""
    one, published = world.replicas[at], world.state.published
    is_confirmed = one.state == world.state and all(shown == published for shown in world.shown)
    confirmed = one.confirmed if is_confirmed else 0
    leases = enumerate(world.leases)
    view = rotation.View(
        shown={
            name: shown == published
            for name, shown in zip(CONFIGURATIONS, world.shown, strict=True)
        },
        serving={str(number): lease[0] for number, lease in leases if lease is not None},
        confirmed_seconds=confirmed,
        is_due=world.state.active <= MAX_ROTATIONS,
    )
    # A count of n + 1 ticks means that at least n whole ones have passed.
    step = shell.decide(world.state, view, HOLD_TICKS + 1)
    return _with(
        world, at, dataclasses.replace(one, state=world.state, step=step, confirmed=confirmed)
    )


def _serving(world: World, at: int, one: Replica, shell: Shell) -> Iterator[tuple[str, World]]:
    """A new replica announces, reads, serves; one that serves changes its leaf, then says so."""
    assert one.state is not None
    active = one.state.active
    if one.leaf is None and one.announced is None:
        if shell.announces_first:
            announced = dataclasses.replace(one, announced=active)
            yield f"{at} announces {active}", _leased(_with(world, at, announced), at, active)
        else:
            served = dataclasses.replace(one, leaf=active)
            yield f"{at} serves {active}", _leased(_with(world, at, served), at, active)
    elif one.announced is not None:
        # It reads the state again: what it announced must still be what signs.
        leaf = one.announced if world.state.active == one.announced else None
        read = dataclasses.replace(
            one, state=world.state, step=None, announced=None, leaf=leaf, confirmed=0
        )
        if world.leases[at] is not None:
            yield f"{at} reads, serves {leaf}", _with(world, at, read)
    elif one.leaf != active:
        changed = _with(world, at, dataclasses.replace(one, leaf=active))
        if shell.serves_before_announcing:
            yield f"{at} changes to {active}", changed
        else:
            yield f"{at} says it changed to {active}", _leased(world, at, active)
            yield f"{at} changes to {active}", changed
    else:
        lease = world.leases[at]
        if lease is not None and lease[0] != one.leaf:
            yield f"{at} says it serves {active}", _leased(world, at, active)


def _acting(world: World, at: int, one: Replica, shell: Shell) -> Iterator[tuple[str, World]]:
    """Do what was decided, however old that is."""
    assert one.state is not None
    done = dataclasses.replace(one, step=None)
    match one.step:
        case rotation.Advance(state, reason) if world.state.revision == one.state.revision:
            # Whoever wrote it knows it; confirmation begins anew.
            after = dataclasses.replace(done, state=state, confirmed=0)
            yield f"{at}: {reason}", dataclasses.replace(_with(world, at, after), state=state)
        case rotation.Advance():
            yield f"{at} is too late to advance", _with(world, at, done)
        case rotation.Inject(targets) if one.injecting is None:
            for target in targets:
                reading = (CONFIGURATIONS.index(target), not shell.is_fenced, False)
                after = dataclasses.replace(done, injecting=reading)
                yield f"{at} reads {target}", _with(world, at, after)


def _injecting(world: World, at: int, one: Replica, shell: Shell) -> Iterator[tuple[str, World]]:
    if one.injecting is None or one.state is None:
        return
    del shell
    index, is_fenced, is_late = one.injecting
    name = CONFIGURATIONS[index]
    if not is_fenced:
        is_current = world.state.revision == one.state.revision
        pending = (index, True, is_late) if is_current else None
        yield (
            f"{at} reads the state again",
            _with(world, at, dataclasses.replace(one, injecting=pending)),
        )
        return
    if is_late:
        yield (
            f"{at} is too late for {name}",
            _with(world, at, dataclasses.replace(one, injecting=None)),
        )
        return
    old, new = world.shown[index], one.state.published
    replicas = tuple(
        dataclasses.replace(other, injecting=_overtaken(other.injecting, index))
        for other in world.replicas
    )
    written = dataclasses.replace(
        world,
        shown=(*world.shown[:index], new, *world.shown[index + 1 :]),
        remembered=world.remembered | ({(old, 0)} if old and old != new else frozenset()),
        replicas=replicas,
    )
    done = dataclasses.replace(replicas[at], injecting=None)
    yield f"{at} writes {new} to {name}", _with(written, at, done)


def _overtaken(
    injecting: tuple[int, bool, bool] | None, index: int
) -> tuple[int, bool, bool] | None:
    """Compare-and-swap: who has read before another wrote will be told so."""
    if injecting is None or injecting[0] != index:
        return injecting
    return (index, injecting[1], True)


def _tick(world: World) -> World:
    """Time passes: memories fade, leases run out, and who has seen nothing else confirms."""
    remembered = frozenset(
        (bundle, age + 1) for bundle, age in world.remembered if age < HOLD_TICKS
    )
    leases = tuple(
        None if lease is None or lease[1] >= LEASE_TICKS else (lease[0], lease[1] + 1)
        for lease in world.leases
    )
    replicas = tuple(
        _older(one, world, is_replica=lease is not None)
        for one, lease in zip(world.replicas, leases, strict=True)
    )
    return dataclasses.replace(world, remembered=remembered, leases=leases, replicas=replicas)


def _older(one: Replica, world: World, *, is_replica: bool) -> Replica:
    # It looks at least as often as time is counted: what it has not seen does not confirm.
    published = world.state.published
    is_shown = one.state == world.state and all(shown == published for shown in world.shown)
    return dataclasses.replace(
        one,
        confirmed=min(one.confirmed + 1, HOLD_TICKS + 1) if is_shown else 0,
        leaf=one.leaf if is_replica else None,
        announced=one.announced if is_replica else None,
    )


def _with(world: World, at: int, one: Replica) -> World:
    replicas = (*world.replicas[:at], one, *world.replicas[at + 1 :])
    return dataclasses.replace(world, replicas=replicas)


def _leased(world: World, at: int, generation: int) -> World:
    leases = (*world.leases[:at], (generation, 0), *world.leases[at + 1 :])
    return dataclasses.replace(world, leases=leases)


def _renewed(world: World, at: int) -> World:
    lease = world.leases[at]
    return world if lease is None else _leased(world, at, lease[0])
