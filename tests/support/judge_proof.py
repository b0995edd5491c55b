"""The same questions to the judge and to a real API server, and where their answers part.

Shell: HTTP to the API server. The judge is the caller's; nothing is stored but one CRD at a time
and an object of it.
"""

import asyncio
import contextvars
import dataclasses
import functools
import http
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Self

from controllers import devcluster, kube
from controllers.kube import requests
from controllers.kube.auth import discovery
from controllers.kube.http import transport
from schemagen import canonical, judge
from schemagen.problems import JSON
from tests.support import judge_draws, judge_schemas

CRDS = kube.CUSTOM_RESOURCE_DEFINITIONS
STORED = "stored"
UPDATES_PER_CRD = 5

_DEADLINE_SECONDS = 60.0
_AT_ONCE = 6
_ATTEMPTS = 20
# endpoints/filters/warning.go cuts warnings off here.
_MAX_WARNING_CHARACTERS = 4096
# What the API server gives every object, and the judge does not.
_GIVEN = ("uid", "creationTimestamp", "managedFields", "resourceVersion", "selfLink")

_warned: contextvars.ContextVar[list[str]] = contextvars.ContextVar("warned")


@dataclasses.dataclass(frozen=True)
class Said:
    """An answer: of a refusal code, message and causes, of a success the object; and warnings."""

    code: int
    message: str = ""
    causes: tuple[tuple[str, str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    object: JSON = None

    @property
    def is_refusal(self) -> bool:
        """Whether it has no success's code."""
        return self.code >= http.HTTPStatus.BAD_REQUEST


@dataclasses.dataclass(frozen=True)
class Question:
    """A dry run of creating an object, or of changing an old one, perhaps its status only."""

    body: JSON
    strict: bool = True
    old: JSON = None
    is_of_status: bool = False


@dataclasses.dataclass(frozen=True)
class Split:
    """A question that the two answer differently."""

    crd: JSON
    question: Question
    judged: Said
    served: Said

    @property
    def size(self) -> int:
        """How much there is to read; the smallest split is the one to look at."""
        return len(canonical.dumps([self.crd, self.question.body, self.question.old]))


def said_by_judge(verdict: judge.Verdict, question: Question) -> Said:
    """A verdict, in a form that can be compared."""
    causes = tuple((cause.reason, cause.message, cause.field) for cause in verdict.causes)
    said = Said(verdict.code, verdict.message, causes, verdict.warnings, verdict.object)
    return _comparable(said, question)


def _comparable(said: Said, question: Question) -> Said:
    """An answer without what is random, which the order of Go's maps is too."""
    if said.code == http.HTTPStatus.INTERNAL_SERVER_ERROR and not said.causes:
        return Said(said.code)
    words = _without_random(question.body)
    # A message lists the causes again, in their order.
    message = said.message if len(said.causes) < 2 else said.message.partition("[")[0]
    warnings = sorted(said.warnings)
    return Said(
        said.code,
        words(message),
        tuple(sorted((reason, words(text), field) for reason, text, field in said.causes)),
        # Cut off or not.
        tuple(warnings) if sum(map(len, warnings)) < _MAX_WARNING_CHARACTERS else (),
        _without_given(said.object, words) if said.object else None,
    )


def _without_random(body: JSON) -> Callable[[str], str]:
    """What takes out of a text what is random: generated names, and types named by the clock."""
    metadata = body.get("metadata")
    base = metadata.get("generateName") if isinstance(metadata, dict) else None
    name = re.escape(base[:58]) + "[a-z0-9]{5}|" if isinstance(base, str) else ""
    pattern = re.compile(rf"{name}(?<=selfType)\d+")
    return lambda text: pattern.sub("RANDOM", text)


def _without_given(value: JSON, words: Callable[[str], str]) -> JSON:
    metadata = {name: one for name, one in value["metadata"].items() if name not in _GIVEN}
    return {**value, "metadata": {**metadata, "name": words(metadata["name"])}}


class Server:
    """A real API server to ask; ``async with Server.of(cluster) as server``."""

    def __init__(self, connection: transport.Transport) -> None:
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def of(cls, cluster: devcluster.Cluster) -> AsyncIterator[Self]:
        """Connect to a cluster as its admin."""
        access = await discovery.kubeconfig(cluster.admin_kubeconfig, None)()
        connection = transport.Transport(
            access, on_warning=lambda text: _warned.get().append(text), user_agent="prove"
        )
        try:
            yield cls(connection)
        finally:
            await connection.close()

    async def ask(self, resource: kube.Resource, question: Question) -> Said:
        """Put a question, which leaves nothing behind."""
        query = (("dryRun", "All"), ("fieldValidation", "Strict" if question.strict else "Warn"))
        request = _request(resource, question, query)
        warned: list[str] = []
        _warned.set(warned)
        try:
            found = await self._connection.call(request, _DEADLINE_SECONDS)
        except kube.ApiError as error:
            causes = tuple((cause.reason, cause.message, cause.field) for cause in error.causes)
            said = Said(error.code, error.message, causes, tuple(warned))
        except kube.UnreachableError as error:
            if "closed the connection" not in str(error):
                raise
            said = Said(int(http.HTTPStatus.INTERNAL_SERVER_ERROR))  # a panic: no answer
        else:
            is_definition = resource is CRDS
            said = Said(200, warnings=tuple(warned), object=None if is_definition else found)
        return _comparable(said, question)

    async def store(self, resource: kube.Resource, body: JSON) -> JSON:
        """Create an object for good."""
        _warned.set([])
        request = _request(resource, Question(body), ())
        return await self._connection.call(request, _DEADLINE_SECONDS)

    async def read(self, resource: kube.Resource, name: str) -> JSON:
        """An object, as a version has it."""
        _warned.set([])
        namespace = judge_draws.NAMESPACE if resource.namespaced else None
        request = kube.Request("GET", resource.path(namespace, name))
        return await self._connection.call(request, _DEADLINE_SECONDS)

    async def replace(
        self, resource: kube.Resource, body: JSON, subresource: str | None = None
    ) -> JSON:
        """Update an object for good."""
        _warned.set([])
        namespace = judge_draws.NAMESPACE if resource.namespaced else None
        path = resource.path(namespace, body["metadata"]["name"], subresource)
        query = (("fieldValidation", "Ignore"),)
        request = requests.Request("PUT", path, query, "application/json", canonical.dumps(body))
        return await self._connection.call(request, _DEADLINE_SECONDS)

    @asynccontextmanager
    async def installed(self, crd: JSON) -> AsyncIterator[JSON]:
        """A CRD that is served, as it stands in the cluster."""
        await self.store(CRDS, crd)
        name = crd["metadata"]["name"]
        resources = [resource_of(crd, version) for version in crd["spec"]["versions"]]
        for resource in resources:
            await self._answers(resource.path())
        yield await self._settled(CRDS.path(None, name))
        delete = kube.Request("DELETE", CRDS.path(None, name))
        await self._connection.call(delete, _DEADLINE_SECONDS)

    async def _settled(self, path: str) -> JSON:
        """A CRD whose status is written."""
        while True:
            found = await self._connection.call(kube.Request("GET", path), _DEADLINE_SECONDS)
            done = {one["type"]: one["status"] for one in found["status"].get("conditions", ())}
            if done.get("Established") == "True":
                return found
            await asyncio.sleep(0.02)

    async def _answers(self, path: str) -> None:
        _warned.set([])
        async with asyncio.timeout(_DEADLINE_SECONDS):
            while True:
                try:
                    await self._connection.call(kube.Request("GET", path), _DEADLINE_SECONDS)
                except kube.NotFoundError:
                    await asyncio.sleep(0.02)
                else:
                    return


def _request(
    resource: kube.Resource, question: Question, query: tuple[tuple[str, str], ...]
) -> kube.Request:
    # The judge is asked in canonical bytes, and messages may quote them.
    body = canonical.dumps(question.body)
    namespace = judge_draws.NAMESPACE if resource.namespaced else None
    if question.old is None:
        path, method = resource.path(namespace), "POST"
    else:
        subresource = "status" if question.is_of_status else None
        path = resource.path(namespace, question.old["metadata"]["name"], subresource)
        method = "PUT"
    return requests.Request(method, path, query, "application/json", body)


def resource_of(crd: JSON, version: JSON) -> kube.Resource:
    """How the objects of a CRD are addressed."""
    spec, names = crd["spec"], crd["spec"]["names"]
    is_namespaced = spec["scope"] == "Namespaced"
    return kube.Resource(
        spec["group"], version["name"], names["plural"], names["kind"], namespaced=is_namespaced
    )


@dataclasses.dataclass(frozen=True)
class Tally:
    """How much was asked about, how much of it the API server refused, and the splits."""

    definitions: int = 0
    definitions_refused: int = 0
    updates: int = 0
    updates_refused: int = 0
    installed: int = 0
    objects: int = 0
    objects_refused: int = 0
    splits: tuple[Split, ...] = ()

    def __add__(self, other: "Tally") -> "Tally":
        names = [field.name for field in dataclasses.fields(self)]
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclasses.dataclass(frozen=True)
class Proof:
    """The questions of a seed; those about a number are the same in every run."""

    server: Server
    judge: judge.Judge
    seed: int

    async def definitions(self, number: int) -> Tally:
        """Ask about a CRD and about one made of it by spoiling it."""
        rng = random.Random(f"definitions {self.seed} {number}")  # noqa: S311 - no secrets
        return await self.about(judge_draws.definition(rng, number), rng)

    async def about(self, good: JSON, rng: random.Random, *, spoiled: int = 1) -> Tally:
        """Ask about a CRD, and about some made of it by spoiling it."""
        tally = Tally()
        bad = (judge_draws.spoiled_definition(rng, good) for _ in range(spoiled))
        for crd in (good, *bad):
            question = Question(crd, strict=judge_schemas.chance(rng, 50))
            served, splits = await _splits(
                None,
                question,
                functools.partial(self._checked, question),
                functools.partial(self.server.ask, CRDS, question),
            )
            tally += Tally(definitions=1, definitions_refused=served.is_refusal, splits=splits)
        return tally

    async def objects(self, number: int, *, count: int) -> Tally:
        """Ask about objects of a CRD, updates of one of them, and updates of the CRD."""
        rng = random.Random(f"objects {self.seed} {number}")  # noqa: S311 - no secrets
        crd = self._good(rng, number)
        version = rng.choice(crd["spec"]["versions"])
        tally = Tally(installed=1)
        async with self.server.installed(crd) as live:
            with self.judge.load(crd) as loaded:
                subject = _Subject(self.server, loaded, crd, version)
                for part in await subject.ask(rng, count):
                    tally += part
            for _ in range(UPDATES_PER_CRD):
                tally += await self._update(rng, live)
        return tally

    def _good(self, rng: random.Random, number: int) -> JSON:
        # Numbers of their own: what `definitions` draws must not be there already.
        drawn = (judge_draws.definition(rng, 1_000_000 + number) for _ in range(1000))
        return next(crd for crd in drawn if self.judge.check(crd).allowed)

    def _checked(self, question: Question) -> Said:
        """The judge's answer about a CRD."""
        body, old, strict = question.body, question.old, question.strict
        if old is None:
            verdict = self.judge.check(body, strict=strict)
        else:
            verdict = self.judge.check_update(body, old, strict=strict)
        return said_by_judge(verdict, question)

    async def _update(self, rng: random.Random, live: JSON) -> Tally:
        """Ask about a spoiled CRD in the place of one that is there."""
        drawn = judge_draws.spoiled_definition(rng, {**live, "status": {}})
        question = Question(_addressed(drawn, live), strict=judge_schemas.chance(rng, 50), old=live)
        served, splits = await _splits(
            None,
            question,
            functools.partial(self._checked, question),
            functools.partial(self.server.ask, CRDS, question),
        )
        return Tally(updates=1, updates_refused=served.is_refusal, splits=splits)


async def _splits(
    crd: JSON, question: Question, judged: Callable[[], Said], served: Callable[[], Awaitable[Said]]
) -> tuple[Said, tuple[Split, ...]]:
    """The API server's answer, and the split if the judge never gives one of its answers.

    Where several things end a request, Go's maps decide which one does: both are asked again.
    """
    ours, theirs = judged(), await served()
    answers = ({repr(ours)}, {repr(theirs)})
    for _ in range(_ATTEMPTS):
        if answers[0] & answers[1]:
            return theirs, ()
        answers[0].add(repr(judged()))
        answers[1].add(repr(await served()))
    return theirs, (Split(crd, question, ours, theirs),)


def _addressed(body: JSON, old: JSON) -> JSON:
    """A body that is compared with the old object, and does not conflict with it."""
    if not isinstance(body.get("metadata"), dict):
        return body
    same = {name: old["metadata"][name] for name in ("resourceVersion", "uid")}
    return {**body, "metadata": {**body["metadata"], **same}}


@dataclasses.dataclass(frozen=True)
class _Subject:
    """A version of a CRD that the judge has loaded and the API server serves."""

    server: Server
    loaded: judge.Loaded
    crd: JSON
    version: JSON

    async def ask(self, rng: random.Random, count: int) -> list[Tally]:
        questions = await self._questions(rng, count)
        limit = asyncio.Semaphore(_AT_ONCE)

        async def answered(question: Question) -> Tally:
            version = _addressed_version(self.crd, question.body)
            resource = resource_of(self.crd, version)
            if "status" not in version.get("subresources", {}):
                question = dataclasses.replace(question, is_of_status=False)
            if question.old is not None and version is not self.version:
                # It is judged beside one of its own version.
                old = await self.server.read(resource, question.old["metadata"]["name"])
                question = dataclasses.replace(question, old=old)
            async with limit:
                served, splits = await _splits(
                    self.crd,
                    question,
                    functools.partial(self._judged, question),
                    functools.partial(self.server.ask, resource, question),
                )
            return Tally(objects=1, objects_refused=served.is_refusal, splits=splits)

        return await asyncio.gather(*map(answered, questions))

    async def _questions(self, rng: random.Random, count: int) -> Iterator[Question]:
        drawn = [judge_draws.object_of(rng, self.crd, self.version) for _ in range(count)]
        stored = await self._stored(drawn)
        return (self._question(rng, value, stored) for value in drawn)

    def _question(self, rng: random.Random, value: JSON, stored: JSON | None) -> Question:
        if stored is None or judge_schemas.chance(rng, 60):
            return Question(value, strict=judge_schemas.chance(rng, 50))
        body = _addressed(judge_draws.changed(rng, stored, value), stored)
        is_of_status = judge_schemas.chance(rng, 50)
        return Question(
            body, strict=judge_schemas.chance(rng, 50), old=stored, is_of_status=is_of_status
        )

    async def _stored(self, drawn: list[JSON]) -> JSON | None:
        """The first drawn object that can be stored, stored."""
        resource = resource_of(self.crd, self.version)
        intact = {"apiVersion": resource.api_version, "kind": resource.kind}
        for value in drawn:
            body = {**value, **intact, "metadata": {"name": STORED}}
            if self.loaded.create(body, strict=False).allowed:
                return await self.server.store(resource, body)
        return None

    def _judged(self, question: Question) -> Said:
        body, old, strict = question.body, question.old, question.strict
        if old is None:
            verdict = self.loaded.create(body, strict=strict, stored=True)
        elif question.is_of_status:
            verdict = self.loaded.update_status(body, old, strict=strict, stored=True)
        else:
            verdict = self.loaded.update(body, old, strict=strict, stored=True)
        return said_by_judge(verdict, question)


def _addressed_version(crd: JSON, body: JSON) -> JSON:
    """The version that a body is sent to: what it says, or the storage version, as judged."""
    versions = {version["name"]: version for version in crd["spec"]["versions"]}
    said, kind = body.get("apiVersion"), body.get("kind")
    parts = said.split("/") if isinstance(said, str) else []
    if len(parts) > 2 or not isinstance(kind, str | None):
        parts = []
    storage = next(one for one in versions.values() if one["storage"])
    return versions.get(parts[-1] if parts else "", storage)
