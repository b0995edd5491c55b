"""``schemagen roundtrip``: run trials with a progress bar, and print their results. Shell."""

import contextlib
import dataclasses
import functools
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence

import rich.console
import rich.progress

from schemagen.differential import report, servers
from schemagen.model import registry
from schemagen.problems import JSON, UserError
from schemagen.roundtrip import differences, real_server
from schemagen.roundtrip.cases import Case, Loss, Tally
from schemagen.roundtrip.simulated_server import Convert, Value
from schemagen.roundtrip.trial import Trial, converting
from schemagen.versions.steps import ABSENT

# Each chunk draws by a seed of its own, so that a run can be divided, and gone on with.
CHUNK = 1000
_MAX_CHARACTERS = 2000
_BEYOND_SHOWN = 3
_QUANTILE = 0.99


@dataclasses.dataclass(frozen=True)
class Part:
    """A share of a run: the ``number``-th of ``of``, from one."""

    number: int = 1
    of: int = 1

    def has(self, index: int) -> bool:
        """Whether a chunk belongs to it."""
        return index % self.of == self.number - 1


@dataclasses.dataclass(frozen=True)
class Chunk:
    """So many looks at objects of one kind."""

    api: registry.Api
    kind: registry.Kind
    seed: str
    count: int


@dataclasses.dataclass(frozen=True)
class Opener:
    """Opener of a real API server that calls the webhooks of the Apis.

    Attributes:
        name: As on the command line.
        opens: Its value is a context manager of a ``real_server.Server``.
    """

    name: str
    opens: Callable[[Sequence[registry.Api]], contextlib.AbstractContextManager[real_server.Server]]


class PartError(UserError):
    """A part that there is not; the message says what was expected."""


class NoKindError(UserError):
    """No kind of that name, or none with two versions."""


def opener(name: str) -> Opener | None:
    """Return the opener of an API server by name; None for ``none``.

    Raises:
        servers.NoServerError: if nobody does.
    """
    return None if name == "none" else Opener(name, servers.opener(real_server.SERVERS, name))


def part(text: str) -> Part:
    """``2/4``: the second of four parts.

    Raises:
        PartError: if it is something else.
    """
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise PartError(f"expected --part NUMBER/OF such as 2/4, got {text!r}")
    return Part(int(number), int(of))


def chunks(
    apis: Sequence[registry.Api], count: int, seed: int, share: Part, name: str | None = None
) -> list[Chunk]:
    """Return the chunks of a part of a run: ``count`` round trips over all kinds and parts.

    Raises:
        NoKindError: if no kind has two versions, or none of that name.
    """
    kinds = [(api, kind) for api in apis for kind in api if name in {None, kind.name}]
    kinds = [
        (api, kind)
        for api, kind in kinds
        if len(kind.versions) > 1 and kind.external_conversion is None
    ]
    if not kinds:
        named = f" {name}" if name else ""
        raise NoKindError(f"expected a kind{named} with two versions, got none")
    found = []
    for (api, kind), mine in zip(kinds, _shares(count, len(kinds)), strict=True):
        for start in range(0, mine, CHUNK):
            size = min(CHUNK, mine - start)
            found.append(Chunk(api, kind, f"{seed}/{start // CHUNK}", size))
    return [chunk for index, chunk in enumerate(found) if share.has(index)]


def run(todo: Sequence[Chunk], *, title: str) -> bool:
    """Do all chunks, and print what was lost.

    Returns:
        Whether anything was.
    """
    return _print(_tallies(todo, None), title)


def run_served(
    apis: Sequence[registry.Api], todo: Sequence[Chunk], server: Opener, *, title: str
) -> bool:
    """Do all chunks in a real API server, and print what was lost.

    Returns:
        Whether anything was.

    Raises:
        servers.NoServerError: if it cannot be opened.
    """
    with contextlib.ExitStack() as stack:
        try:
            opened = stack.enter_context(server.opens(apis))
        except Exception as error:
            raise servers.not_opened(server.name, error) from error
        tallies = _tallies(todo, opened)
    return _print(tallies, f"{title}, in the API server of --server {server.name}")


def _print(tallies: dict[str, Tally], title: str) -> bool:
    output = rich.console.Console(soft_wrap=True, highlight=False)
    for line in lines(tallies, title):
        output.print(line, markup=False)
    return any(tally.losses for tally in tallies.values())


def _tallies(todo: Sequence[Chunk], server: real_server.Server | None) -> dict[str, Tally]:
    errors = rich.console.Console(stderr=True)
    tallies: dict[str, Tally] = {}
    with report.progress_bar(errors) as progress:
        for chunk in todo:
            name = f"{chunk.api.group} {chunk.kind.name}"
            tally = tallies.setdefault(name, Tally())
            total = sum(one.count for one in todo if one.kind is chunk.kind)
            bar = _bar(progress, name, total)
            before = tally.trips
            convert = _timed(converting(chunk.api, chunk.kind), tally)
            trial = Trial(chunk.api, chunk.kind, seed=chunk.seed, convert=convert, server=server)
            # An object that is refused makes no trip: so many of them end the chunk as well.
            for _ in itertools.islice(trial.run(chunk.count, tally), chunk.count):
                bar(tally.trips - before)
                before = tally.trips
    return tallies


def _timed(convert: Convert, tally: Tally) -> Convert:
    """The conversion, whose CPU time is counted: what else runs on the machine takes none of it."""

    def timed(value: Value, source: str, target: str) -> Value:
        began = time.thread_time_ns()
        found = convert(value, source, target)
        tally.microseconds[(time.thread_time_ns() - began) // 1000] += 1
        return found

    return timed


def _bar(progress: rich.progress.Progress, name: str, total: int) -> "functools.partial[None]":
    known = {task.description: task.id for task in progress.tasks}
    task = known[name] if name in known else progress.add_task(name, total=total)
    return functools.partial(progress.advance, task)


def _shares(count: int, parts: int) -> list[int]:
    """A number in about equal shares, none empty."""
    least, more = divmod(max(count, parts), parts)
    return [least + (index < more) for index in range(parts)]


def lines(tallies: dict[str, Tally], title: str) -> Iterator[str]:
    """The report: losses first, then what there was of each kind, then the sum."""
    for name, tally in tallies.items():
        for case, loss in tally.shown:
            yield from _loss(name, case, loss)
    for name, tally in tallies.items():
        yield from _counts(name, tally)
    trips, losses = (
        sum(getattr(tally, field) for tally in tallies.values()) for field in ("trips", "losses")
    )
    yield f"{trips} round trips, {title}: {losses} with losses"


def _counts(name: str, tally: Tally) -> Iterator[str]:
    changes = ", ".join(f"{count} of {what}" for what, count in sorted(tally.changes.items()))
    yield (
        f"{name}: {tally.objects} objects ({tally.broken} of them violating the schema), changes "
        f"{changes or 'none'}; {tally.trips} round trips, {tally.losses} with losses, "
        f"{tally.overflows} with residue overflow; refused: {tally.refused} objects, "
        f"{tally.refused_changes} changes"
    )
    sizes = sorted(tally.residue.elements())
    kept = [size for size in sizes if size]
    if kept:
        middle, high = _quantiles(kept)
        yield (
            f"  residue on {100 * len(kept) / len(sizes):.0f}% of {len(sizes)} objects: "
            f"median {middle} bytes, 99th percentile {high}, maximum {kept[-1]}"
        )
    times = sorted(tally.microseconds.elements())
    if times:
        median, late = (number / 1000 for number in _quantiles(times))
        yield (
            f"  CPU time of a conversion, {len(times)} times: median {median:.2f} ms, "
            f"99th percentile {late:.2f} ms, maximum {times[-1] / 1000:.2f} ms"
        )
    for problem, count in tally.beyond.most_common(_BEYOND_SHOWN):
        yield f"  valid in another version, but invalid in {problem} ({count} times)"


def _quantiles(numbers: Sequence[int]) -> tuple[int, int]:
    """The median of sorted numbers, and their 99th percentile."""
    return numbers[len(numbers) // 2], numbers[int(_QUANTILE * (len(numbers) - 1))]


def _loss(name: str, case: Case, loss: Loss) -> Iterator[str]:
    where = f" in {loss.version}" if loss.version else ""
    yield f"{name}: {loss.what}{where}"
    how = "found in etcd as" if case.is_broken else f"stored in {case.storage}, created in"
    yield f"  {how} {case.origin}: {_json(case.value)}"
    for change in case.changes:
        yield f"  then {change}"
    yield f"  {loss.version} expected: {_json(loss.before)}"
    for version, said in loss.now.items():
        yield f"  {version} got: {_json(said)}"
    for difference in loss.differences:
        path, before = differences.text(difference.path), _json(difference.before)
        yield f"  {path}: {before} became {_json(difference.after)}"


def _json(value: JSON) -> str:
    if value is ABSENT:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MAX_CHARACTERS else text[:_MAX_CHARACTERS] + "..."
