"""Generated objects are the same for a seed; a planted difference is found and minimized."""

import copy
import random
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import Field

from schemagen import Api, Cel, Kind, Resource, Spec, Status, Version, differential, judge, wire
from schemagen.differential import generation, report
from schemagen.differential.shrinking import smallest
from schemagen.schema import structural
from tests.support import foundry
from tests.support.forked_commands import ROOT, Commands

pytestmark = pytest.mark.slow


class Job(Spec):
    name: Annotated[str, Field(max_length=8), Cel("self != 'no'", "not no")]
    sizes: list[wire.Int32] = Field(default_factory=list)


class Done(Status):
    phase: str | None = None


class Root(Resource):
    spec: Job
    status: Done | None = None


API = Api("agree.example.com", (Kind("Job", "jobs", (Version("v1", Root, storage=True),)),))


@pytest.fixture(scope="module")
def oracle() -> Iterator[judge.Judge]:
    with judge.Judge(deadline_seconds=60) as opened:
        yield opened


def drawn(seed: int, count: int) -> list[Any]:
    draw = generation.Draw(random.Random(seed))  # noqa: S311 - nothing secret
    schema = structural.schema_of(foundry.FurnaceV2)
    values = [draw.valid(schema) for _ in range(count)]
    return [draw.near_miss(value, schema) for value in values]


def test_a_seed_names_a_run() -> None:
    assert drawn(7, 20) == drawn(7, 20)
    assert drawn(7, 20) != drawn(8, 20)


def test_near_miss_does_not_mutate_the_value() -> None:
    schema = structural.schema_of(foundry.FurnaceV2)
    draw = generation.Draw(random.Random(1))  # noqa: S311 - nothing secret
    value = draw.valid(schema)
    before = copy.deepcopy(value)

    for _ in range(50):
        draw.near_miss(value, schema)

    assert before == value


async def test_the_smallest_value_that_shows_it() -> None:
    async def still(value: Any) -> bool:
        return len(value.get("spec", {}).get("name", "")) > 4

    value = {"kind": "A", "spec": {"name": "x" * 99, "more": [1, 2]}, "status": {"a": 1}}

    assert {"kind": "A", "spec": {"name": "x" * 5}} == await smallest(
        value, still, kept=frozenset({"kind"})
    )


async def test_judges_agree_on_a_model(oracle: judge.Judge) -> None:
    (subject,) = differential.subjects(API)

    tally = await differential.Trial(oracle, None, seed=1).run(subject, 300)

    assert (300, 0, 0, []) == (tally.asked, tally.verdicts, tally.words, tally.splits)
    assert 30 < tally.allowed < 270


@pytest.mark.parametrize(
    ("keyword", "value", "counted", "size"),
    [("maxLength", 9, "verdicts", 9), ("minLength", 1, "verdicts", 0)],
)
async def test_planted_difference_is_found(
    oracle: judge.Judge, keyword: str, value: int, counted: str, size: int
) -> None:
    (subject,) = differential.subjects(API)
    field = _name_of(subject.crd)
    field[keyword] = value

    tally = await differential.Trial(oracle, None, seed=1).run(subject, 600)

    assert getattr(tally, counted) > 0
    splits = [split for split in tally.splits if split.is_verdict]
    assert {size} == {len(split.question.value["spec"]["name"]) for split in splits}


async def test_differing_messages_are_found(oracle: judge.Judge) -> None:
    (subject,) = differential.subjects(API)
    _name_of(subject.crd)["x-kubernetes-validations"][0]["message"] = "never no"

    tally = await differential.Trial(oracle, None, seed=1).run(subject, 300)

    assert 0 == tally.verdicts
    assert tally.words > 0
    lines = "\n".join(report.lines([(subject, tally)], seed=1, has_server=False))
    assert "Job v1: different messages on create of" in lines
    assert 'model: refuses it: spec.name: Invalid value: "no": not no' in lines
    assert 'judge: refuses it: spec.name: Invalid value: "no": never no' in lines


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ("nowhere", "expected --server to be one of embedded, kubeconfig, none, got nowhere"),
        ("kubeconfig", "expected to open the API server of --server kubeconfig, got an error: "),
    ],
)
def test_a_server_that_is_not_there_is_an_error(
    commands: Commands, server: str, words: str
) -> None:
    done = commands.run(
        *("schemagen", "judge", "crds:api", "--server", server),
        cwd=ROOT,
        environment={"KUBECONFIG": "/nowhere/config"},
    )

    assert 2 == done.code
    assert words in done.err
    assert "Traceback" not in done.err


def _name_of(crd: Any) -> Any:
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema["properties"]["spec"]["properties"]["name"]
