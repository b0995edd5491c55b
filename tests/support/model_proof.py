"""Drawn modules of models: each is refused properly, or model and judge agree about its objects.

Shell only in that it executes the drawn source. The judge is the caller's.
"""

import dataclasses
import random
import re
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Self

import pydantic

from schemagen import checking, differential, judge, problems, yaml
from schemagen.crd import definitions
from schemagen.differential import generation, report
from schemagen.model import base, registry
from schemagen.problems import JSON
from schemagen.schema.keywords import SchemaError
from tests.support import model_draws

# Of what the API server refuses itself: rules are its to read, and their cost its to estimate.
_RULES = re.compile(r"x-kubernetes-validations|estimated rule cost|evaluating rule|failed rule|CEL")
_ATTEMPTS = 200


@dataclasses.dataclass(frozen=True)
class Fault:
    """Why a module fails the proof.

    Attributes:
        kind: ``traceback``, ``words``, ``judge``, ``split``, ``default`` or ``yaml``.
        message: What happened.
    """

    kind: str
    message: str


@dataclasses.dataclass
class Tally:
    """What became of the modules.

    Attributes:
        drawn: All of them.
        undeclared: Python, Pydantic or the registry refused the declaration.
        refused: Refused with a proper error when generated.
        judged: Refused for a rule, in the API server's words.
        agreed: Taken; model and judge agreed about every object.
        objects: Objects that were asked about.
        faults: Those that failed, by their number.
    """

    drawn: int = 0
    undeclared: int = 0
    refused: int = 0
    judged: int = 0
    agreed: int = 0
    objects: int = 0
    faults: dict[int, Fault] = dataclasses.field(default_factory=dict)


def subject_of(api: registry.Api, number: int) -> differential.Subject:
    """The kind of a module in a group of its own, for an API server that has seen others."""
    kind = api.kinds[0]
    lone = registry.Api(f"n{number}.drawn.example.com", (kind,))
    return differential.Subject(lone, definitions.crd(lone, kind))


def module_of(seed: int, number: int) -> model_draws.Module:
    """The module of a number, the same in every run of a seed."""
    source = random.Random(f"{seed} {number}")  # noqa: S311 - nothing secret
    return model_draws.Draw(source).module()


class Proof:
    """Puts modules to the proof.

    Args:
        asked: The judge.
        objects: How many objects to ask about for each module that is taken.
    """

    def __init__(self, asked: judge.Judge, *, objects: int) -> None:
        self._judge, self._objects = asked, objects

    async def run(self, tally: Tally, seed: int, number: int) -> registry.Api | None:
        """Put the module of a number to the proof; its Api, if it was taken."""
        module = module_of(seed, number)
        outcome = await self.outcome(module, seed)
        tally.drawn += 1
        match outcome:
            case Fault():
                tally.faults[number] = outcome
            case str():
                setattr(tally, outcome, getattr(tally, outcome) + 1)
            case registry.Api():
                tally.agreed += 1
                tally.objects += self._objects
                return outcome
        return None

    async def smallest(self, module: model_draws.Module, fault: Fault, seed: int) -> str:
        """The source of the smallest module that shows a fault of the same kind."""
        asked = 0
        progress = True
        while progress and asked < _ATTEMPTS:
            progress = False
            for candidate in model_draws.smaller(module):
                asked += 1
                found = await self.outcome(candidate, seed)
                if isinstance(found, Fault) and found.kind == fault.kind:
                    module, progress = candidate, True
                    break
        return module.text().removeprefix(model_draws.HEADER)

    async def outcome(self, module: model_draws.Module, seed: int) -> registry.Api | Fault | str:
        """The Api, if all agree about it; the name of a count, if it was refused; or a fault."""
        with warnings.catch_warnings(), _Executed(module.text()) as executed:
            warnings.simplefilter("ignore")
            try:
                api = executed.api()
            except Exception as error:  # noqa: BLE001 - whatever Python makes of such source
                return _of_declaration(error)
            return await self._generated(api, seed)

    async def _generated(self, api: registry.Api, seed: int) -> registry.Api | Fault | str:
        try:
            definition = definitions.crd(api, api.kinds[0])
        except SchemaError as error:
            return "refused" if _is_proper(error) else Fault("words", str(error))
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            return Fault("traceback", f"{type(error).__name__}: {error}")
        try:
            return await self._agreed(differential.Subject(api, definition), seed)
        except Exception as error:  # noqa: BLE001 - likewise
            return Fault("traceback", f"{type(error).__name__}: {error}")

    async def _agreed(self, subject: differential.Subject, seed: int) -> registry.Api | Fault | str:
        if [subject.crd] != yaml.load_all(yaml.dumps(subject.crd).encode()):
            return Fault("yaml", "the CRD's YAML reads as something else")
        try:
            fault = self._stored(subject, seed) or await self.tried(subject, None, seed)
        except judge.JudgeError:
            return self._refused(subject.crd)
        return fault or subject.api

    def _refused(self, definition: JSON) -> Fault | str:
        """A CRD that the API server refuses: for a rule, which is its own to read, or a fault."""
        verdict = self._judge.check(definition)
        found = [f"{cause.field} {cause.message}" for cause in verdict.causes]
        if found and all(map(_RULES.search, found)):
            return "judged"
        return Fault("judge", verdict.message)

    async def tried(
        self, subject: differential.Subject, server: differential.Server | None, seed: int
    ) -> Fault | None:
        """What the judges, and a real API server if one is there, are not of one mind about."""
        tally = await differential.Trial(self._judge, server, seed=seed).run(subject, self._objects)
        if not tally.verdicts and not tally.words:
            return None
        lines = report.lines([(subject, tally)], seed=seed, has_server=server is not None)
        return Fault("split", "\n".join(lines))

    def _stored(self, subject: differential.Subject, seed: int) -> Fault | None:
        """Whether judge, checker and model store the same of a valid object."""
        draw = generation.Draw(random.Random(seed))  # noqa: S311 - nothing secret
        schema = subject.crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        checker = checking.of_version(subject.version)
        with self._judge.load(subject.crd) as loaded:
            for index in range(3):
                value = _object(subject, draw.valid(schema), index)
                judged = loaded.create(value, strict=False, stored=True)
                checked = checker.create(value)
                if not judged.allowed or checked.undecided:
                    continue
                fault = _of_defaults(subject.version.model, judged.object, checked.value)
                if fault is not None:
                    return fault
        return None


def _object(subject: differential.Subject, drawn: JSON, index: int) -> JSON:
    own = {
        name: one for name, one in drawn.items() if name not in {"apiVersion", "kind", "metadata"}
    }
    if subject.has_status:
        own.pop("status", None)
    api_version = subject.api.api_version(subject.version)
    metadata = {"name": f"object-{index}", "namespace": "default"}
    return {"apiVersion": api_version, "kind": "Thing", "metadata": metadata, **own}


def _of_defaults(model: type[base.Resource], stored: JSON, checked: JSON) -> Fault | None:
    judged = {name: one for name, one in stored.items() if name != "metadata"}
    own = {name: one for name, one in checked.items() if name != "metadata"}
    if not _is_same(judged, own):
        return Fault("default", f"the judge stores {judged}, the checker {own}")
    try:
        model.model_validate(checked)
    except pydantic.ValidationError as error:
        return Fault("default", f"what is stored does not build the model: {error}")
    return None


def _is_same(judged: JSON, own: JSON) -> bool:
    """Whether both are the same JSON; Go writes a float without its exponent."""
    if isinstance(judged, dict) and isinstance(own, dict):
        return judged.keys() == own.keys() and all(_is_same(judged[key], own[key]) for key in own)
    if isinstance(judged, list) and isinstance(own, list):
        return len(judged) == len(own) and all(map(_is_same, judged, own))
    if isinstance(own, float) and type(judged) is int:
        return float(judged) == own
    return bool(judged == own)


def _of_declaration(error: Exception) -> str | Fault:
    """Whether Python or a message of ours ended it; a bare error of our code is a traceback."""
    if isinstance(error, problems.UserError) or not _is_of_ours(error):
        return "undeclared"
    if isinstance(error, SchemaError | ValueError | TypeError) and "expected" in str(error):
        return "undeclared"
    return Fault("traceback", f"when declared: {type(error).__name__}: {error}")


def _is_of_ours(error: Exception) -> bool:
    """Whether the innermost frame of an error is the toolkit's."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and "/schemagen/" in trace.tb_frame.f_code.co_filename


# `Model.field: expected …, got …; what to do`: a place, what came, and a way out.
_PROPER = re.compile(
    r"[^:]*\w[^:]*: .*expected .+(?:; | instead|use |write |leave |of )", re.DOTALL
)


def _is_proper(error: SchemaError) -> bool:
    return _PROPER.match(str(error)) is not None


class _Executed:
    """A module of a source, for as long as it is needed."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._module = types.ModuleType("drawn_models")

    def __enter__(self) -> Self:
        sys.modules["drawn_models"] = self._module
        return self

    def __exit__(self, *error: object) -> None:
        del sys.modules["drawn_models"]
        for forget in _CACHES:
            forget()

    def api(self) -> registry.Api:
        exec(compile(self._text, "drawn_models.py", "exec"), self._module.__dict__)  # noqa: S102 - drawn here
        api: registry.Api = self._module.__dict__["api"]
        return api


# What is kept of each model for ever, and there are many.
_CACHES: tuple[Callable[[], None], ...] = (
    checking.of.cache_clear,
    checking.of_version.cache_clear,
)


def summary(tally: Tally) -> Iterator[str]:
    """The figures of a run, one line each."""
    yield f"{tally.drawn} modules of models drawn"
    yield f"{tally.undeclared} are no declaration: Python, Pydantic or the registry says so"
    yield f"{tally.refused} refused with place and way out, {tally.judged} for a rule by the judge"
    yield f"{tally.agreed} taken, and model and judge agree about {tally.objects} objects"
    kinds = sorted({fault.kind for fault in tally.faults.values()})
    counts = {kind: sum(f.kind == kind for f in tally.faults.values()) for kind in kinds}
    for kind, count in counts.items():
        yield f"{count} faults of kind {kind}"
    tracebacks = counts.get("traceback", 0)
    splits = sum(counts.values()) - tracebacks
    yield f"{tracebacks} tracebacks, {splits} split verdicts"
