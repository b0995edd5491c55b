"""A rule that is too expensive is refused with the largest affordable bound."""

import copy
import pathlib
from collections.abc import Iterator
from typing import Annotated

import pytest
from pydantic import Field

from schemagen import Api, Cel, Kind, Model, Resource, Spec, Version, judge
from schemagen.crd import costs, definitions
from tests.support.forked_commands import Commands

pytestmark = pytest.mark.slow


class Pair(Model, rules=[Cel("self.a != self.b")]):
    a: str
    b: str


class Lists(Spec):
    tags: Annotated[list[str], Cel("self.all(x, self.exists_one(y, x == y))")]
    pairs: list[Pair]
    cheap: Annotated[list[int], Field(max_length=8), Cel("self.all(x, x > 0)")]


class Root(Resource):
    spec: Lists


API = Api("costs.example.com", (Kind("Root", "roots", (Version("v1", Root, storage=True),)),))
CRD = definitions.crd(API, API.kinds[0])


@pytest.fixture(scope="module")
def oracle() -> Iterator[judge.Judge]:
    with judge.Judge(deadline_seconds=60) as opened:
        yield opened


@pytest.fixture(scope="module")
def found(oracle: judge.Judge) -> list[costs.Advice]:
    return list(costs.advice(oracle, CRD))


def test_only_what_is_too_expensive_is_reported(found: list[costs.Advice]) -> None:
    assert ["spec.pairs.[]", "spec.tags"] == [one.cost.path for one in found]


def test_first_choice_is_one_bound_and_the_second_all(found: list[costs.Advice]) -> None:
    assert [
        (("spec.pairs", "maxItems"),),
        (
            ("spec.pairs", "maxItems"),
            ("spec.pairs[].a", "maxLength"),
            ("spec.pairs[].b", "maxLength"),
        ),
    ] == [choice.places for choice in found[0].choices]


@pytest.mark.parametrize("more", [0, 1])
def test_advised_bound_is_the_largest_affordable(
    oracle: judge.Judge, found: list[costs.Advice], more: int
) -> None:
    changed = copy.deepcopy(CRD)
    spec = changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for name, one in zip(("pairs", "tags"), found, strict=True):
        spec["properties"][name]["maxItems"] = one.choices[0].most + more

    over = [cost.path for cost in oracle.check(changed, costs=True).costs if cost.cost > cost.limit]

    assert (["spec.pairs.[]", "spec.tags"] if more else []) == over


def test_rule_without_an_affordable_bound_is_reported(oracle: judge.Judge) -> None:
    class Number(Spec):
        size: Annotated[
            int, Cel("[1,2,3,4,5,6,7,8].map(a, [1,2,3,4,5,6,7,8].map(b, [1,2,3,4,5,6,7,8].map(c, "
                     "[1,2,3,4,5,6,7,8].map(d, [1,2,3,4,5,6,7,8].map(e, [1,2,3,4,5,6,7,8].map(f, "
                     "[1,2,3,4,5,6,7,8].map(g, self))))))).size() > 0")
        ]  # fmt: skip

    class NumberRoot(Resource):
        spec: Number

    version = Version("v1", NumberRoot, storage=True)
    api = Api("costs.example.com", (Kind("Number", "numbers", (version,)),))

    (only,) = costs.advice(oracle, definitions.crd(api, api.kinds[0]))

    assert () == only.choices
    assert "no bound makes it affordable" in str(only)


BAD = """
from typing import Annotated
from schemagen import Api, Cel, Kind, Resource, Spec, Version

class S(Spec):
    tags: Annotated[list[str], Cel("self.all(x, self.exists_one(y, x == y))")] = []
    size: Annotated[int, Cel("self == 'large'")] | None = None

class R(Resource):
    spec: S

api = Api("bad.example.com", (Kind("R", "rs", (Version("v1", R, storage=True),)),))
"""


def test_generate_refuses_with_place_and_way_out(
    commands: Commands, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "bad.py").write_text(BAD)

    done = commands.run("schemagen", "generate", "bad:api", "--out", "crds", cwd=tmp_path)

    assert 2 == done.code
    assert "R v1 spec.size.x-kubernetes-validations[0].rule: Invalid value" in done.err
    assert "found no matching overload for '_==_' applied to '(int, string)'" in done.err
    assert "the largest affordable bounds: 5 as maxItems of spec.tags" in done.err
    assert "nothing was written" in done.err
    assert not (tmp_path / "crds").exists()
