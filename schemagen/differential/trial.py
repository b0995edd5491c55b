"""Compare three judges: the model, the API server's code in process, and a real API server.

Objects at the schema's boundaries are generated for each version of each kind; a verdict, message
or field path on which two judges differ is a split, reported with a minimal object that shows it.
"""

import asyncio
import contextlib
import copy
import dataclasses
import itertools
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import pydantic

from schemagen import checking, judge
from schemagen.crd import definitions
from schemagen.differential import generation
from schemagen.differential.questions import Question, Said, Server, Subject
from schemagen.differential.shrinking import smallest
from schemagen.model import base, registry
from schemagen.problems import JSON, Cause

# Concurrent requests: enough to keep an API server busy.
_TOGETHER = 32
# Number of updates tried on each stored object.
_MAX_UPDATES = 24
# Splits reported for a kind and version; the rest are counted.
_SHOWN = 3
_META = ("apiVersion", "kind", "metadata")
# Maximum number of repairs before a generated object is used as it is.
_MAX_REPAIRS = 5


@dataclasses.dataclass(frozen=True)
class Split:
    """A request on which judges differ.

    Attributes:
        subject: Kind and version.
        question: The request, with the smallest object found.
        said: The verdict of each judge.
    """

    subject: Subject
    question: Question
    said: dict[str, Said]

    @property
    def is_verdict(self) -> bool:
        """Return whether the verdicts differ, not only the messages."""
        return len({verdict.allowed for verdict in self.said.values()}) > 1


@dataclasses.dataclass
class Tally:
    """Running totals of requests.

    Attributes:
        asked: Requests.
        allowed: Requests allowed by the in-process judge.
        undecided: Requests that the model could not fully decide.
        verdicts: Requests with different verdicts.
        words: Requests with the same verdict but different messages or fields.
        splits: The first differences, minimized.
    """

    asked: int = 0
    allowed: int = 0
    undecided: int = 0
    verdicts: int = 0
    words: int = 0
    splits: list[Split] = dataclasses.field(default_factory=list)


def subjects(api: registry.Api) -> Iterator[Subject]:
    """Return every version of every kind, each alone."""
    for kind in api:
        for version in kind.versions:
            alone = dataclasses.replace(version, storage=True, served=True, conversion=None)
            lone = dataclasses.replace(kind, versions=(alone,))
            lone_api = registry.Api(f"{version.name}.judged.example.com", (lone,))
            yield Subject(lone_api, definitions.crd(lone_api, lone))


class Trial:
    """Sends requests, compares verdicts and minimizes differences.

    Args:
        oracle: The in-process judge.
        server: A real API server, or None to compare two judges only.
        seed: Identifies the run.
        tell: Called after each batch with its number of requests.
    """

    def __init__(
        self,
        oracle: judge.Judge,
        server: Server | None,
        *,
        seed: int,
        tell: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._judge, self._server, self._seed, self._tell = oracle, server, seed, tell

    async def run(self, subject: Subject, count: int) -> Tally:
        """Send ``count`` requests about a kind and version."""
        tally = Tally()
        async with self._opened(subject) as court:
            source = random.Random(f"{self._seed} {subject}")  # noqa: S311 - nothing secret
            questions = _Questions(subject, generation.Draw(source), source, court)
            while tally.asked < count:
                batch = await questions.batch(min(_TOGETHER, count - tally.asked))
                answers = await asyncio.gather(*map(court.ask, batch))
                for question, verdicts in zip(batch, answers, strict=True):
                    await self._count(tally, court, question, verdicts)
                self._tell(len(batch))
        return tally

    @contextlib.asynccontextmanager
    async def _opened(self, subject: Subject) -> AsyncIterator["_Oracles"]:
        if self._server is not None:
            await self._server.install(subject)
        try:
            with self._judge.load(subject.crd) as loaded:
                yield _Oracles(subject, loaded, self._server)
        finally:
            if self._server is not None:
                await self._server.remove(subject)

    async def _count(
        self, tally: Tally, court: "_Oracles", question: Question, verdicts: dict[str, Said]
    ) -> None:
        tally.asked += 1
        tally.allowed += verdicts["judge"].allowed
        tally.undecided += verdicts["model"].is_undecided
        kind = _difference(verdicts)
        if kind is None:
            return
        tally.verdicts += kind == "verdict"
        tally.words += kind == "words"
        if len(tally.splits) < _SHOWN:
            tally.splits.append(await court.smallest(question, kind))


@dataclasses.dataclass
class _Oracles:
    """The judges of one subject."""

    subject: Subject
    loaded: judge.Loaded
    server: Server | None

    async def ask(self, question: Question) -> dict[str, Said]:
        verdicts = {"model": self._model(question), "judge": self._in_process(question)}
        if self.server is not None:
            verdicts["server"] = await self.server.ask(self.subject, question)
        return verdicts

    async def smallest(self, question: Question, kind: str) -> Split:
        async def still(value: JSON) -> bool:
            smaller = dataclasses.replace(question, value=value)
            return _difference(await self.ask(smaller)) == kind

        value = await smallest(question.value, still, kept=frozenset(_META))
        small = dataclasses.replace(question, value=value)
        return Split(self.subject, small, await self.ask(small))

    def _in_process(self, question: Question) -> Said:
        match question.operation:
            case "create":
                verdict = self.loaded.create(question.value, strict=False)
            case "update":
                verdict = self.loaded.update(question.value, question.old, strict=False)
            case _:
                verdict = self.loaded.update_status(question.value, question.old, strict=False)
        return Said(verdict.allowed, verdict.causes, verdict.message)

    def _model(self, question: Question) -> Said:
        """Return the model's verdict on the part that the operation may change."""
        checker = checking.of_version(self.subject.version)
        # Even an ignored status is decoded (runtime.Decode runs before the strategies).
        decoded = checker.decode(question.value)
        if not decoded.allowed:
            return Said(allowed=False, causes=decoded.causes)
        if question.operation == "create":
            value = self._without_status(question.value)
            checked = checker.create(value)
            built = _is_built(self.subject.version.model, value)
            if built != checking.of(self.subject.version.model).create(value).allowed:
                return Said(built, [Cause("", "expected the model to be built", "")])
        elif question.operation == "update":
            kept = {"status": question.old["status"]} if "status" in question.old else {}
            value = self._without_status(question.value) | (kept if self.subject.has_status else {})
            checked = checker.update(value, question.old)
        else:
            checked = checker.update_status(question.value, question.old)
        is_undecided = bool(checked.undecided or decoded.undecided)
        return Said(checked.allowed, checked.causes, is_undecided=is_undecided)

    def _without_status(self, value: JSON) -> JSON:
        """Return the object without its status, which only the status subresource can set."""
        if not self.subject.has_status:
            return value
        return {name: member for name, member in value.items() if name != "status"}


def _is_built(model: type[base.Resource], value: JSON) -> bool:
    try:
        model.model_validate(value)
    except pydantic.ValidationError:
        return False
    return True


def _difference(verdicts: dict[str, Said]) -> str | None:
    """Return ``verdict``, ``words`` or None; an undecided model may report fewer causes.

    Where an object cannot even be decoded (code 400) there are no causes to compare.
    """
    model, judged = verdicts["model"], verdicts["judge"]
    if model.is_undecided:
        verdicts = {name: verdict for name, verdict in verdicts.items() if name != "model"}
        if not model.allowed and judged.allowed:
            return "verdict"
    if len({verdict.allowed for verdict in verdicts.values()}) > 1:
        return "verdict"
    if not judged.allowed and not judged.causes:
        return None
    return "words" if len({_words(verdict) for verdict in verdicts.values()}) > 1 else None


def _words(verdict: Said) -> tuple[tuple[str, str, str], ...]:
    return tuple(sorted((cause.field, cause.reason, cause.message) for cause in verdict.causes))


class _Questions:
    """Generator of requests: half create objects, the others update a stored object."""

    def __init__(
        self, subject: Subject, draw: generation.Draw, source: random.Random, court: _Oracles
    ) -> None:
        self._subject, self._draw, self._random, self._court = subject, draw, source, court
        self._schema = subject.crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        self._numbers = itertools.count()
        self._old: JSON = None
        self._left = 0

    async def batch(self, count: int) -> Sequence[Question]:
        if self._left <= 0:
            await self._new_old()
        self._left -= count
        return [self._question() for _ in range(count)]

    def _question(self) -> Question:
        if self._old is None or self._random.random() < 0.5:  # noqa: PLR2004 - half
            return Question("create", self._object(self._body(), self._name()))
        operations = ("update", "update", "update_status")[: 3 if self._subject.has_status else 2]
        operation = self._random.choice(operations)
        value = self._near(self._old) if self._random.random() < 0.8 else self._body()  # noqa: PLR2004
        meta = {name: self._old[name] for name in _META}
        return Question(operation, meta | _own(value), self._old)  # type: ignore[arg-type]

    def _body(self) -> dict[str, JSON]:
        """Return a whole object's fields, valid or nearly valid."""
        value = self._valid() if self._random.random() < 0.8 else self._draw.valid(self._schema)  # noqa: PLR2004
        return _own(self._near(value) if self._random.random() < 0.6 else value)  # noqa: PLR2004

    def _valid(self) -> dict[str, JSON]:
        """Return a valid object's fields, removing those that break rules while that helps."""
        checker = checking.of_version(self._subject.version)
        value = _own(self._draw.valid(self._schema))
        for _ in range(_MAX_REPAIRS):
            paths = {cause.path for cause in checker.create(self._object(value, "drawn")).causes}
            if not paths:
                break
            for path in sorted(paths, key=len, reverse=True):
                value = generation.without_nearest(value, path)
        return value

    def _near(self, value: dict[str, JSON]) -> dict[str, JSON]:
        own = {"type": "object", "properties": _own(self._schema["properties"])}
        missed = self._draw.near_miss(_own(value), own)
        return missed if isinstance(missed, dict) else {}

    def _name(self) -> str:
        return f"object-{next(self._numbers)}"

    def _object(self, body: dict[str, JSON], name: str) -> JSON:
        metadata = {"name": name}
        if self._subject.kind.scope == "Namespaced":
            metadata["namespace"] = "default"
        kind, version = self._subject.kind, self._subject.version
        api_version = self._subject.api.api_version(version)
        return {"apiVersion": api_version, "kind": kind.name, "metadata": metadata, **body}

    async def _new_old(self) -> None:
        """Store an object for updates, if one of several tries is accepted."""
        for _ in range(20):
            value = self._object(self._valid(), self._name())
            if not self._court.loaded.create(value, strict=False).allowed:
                continue
            if self._court.server is None:
                self._old = self._court.loaded.create(value, strict=False, stored=True).object
            else:
                self._old = await self._court.server.store(self._subject, value)
            self._left = _MAX_UPDATES
            return
        self._left = 10 * _MAX_UPDATES


def _own(value: dict[str, JSON]) -> dict[str, JSON]:
    """Return an object's fields except those that every object has."""
    return {name: copy.deepcopy(member) for name, member in value.items() if name not in _META}
