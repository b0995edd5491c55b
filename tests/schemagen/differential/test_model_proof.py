"""Generated modules of models are refused properly or judged alike; a planted fault is found.

`make prove-models` generates many more.
"""

from collections.abc import Iterator

import pytest

from schemagen import judge
from schemagen.schema import structural
from tests.support import depth, model_draws, model_proof

NUMBER = depth.draws(300)


@pytest.fixture(scope="module")
def oracle() -> Iterator[judge.Judge]:
    with judge.Judge(deadline_seconds=60) as opened:
        yield opened


async def test_drawn_models_are_refused_or_judged_alike(oracle: judge.Judge) -> None:
    proof = model_proof.Proof(oracle, objects=4)
    tally = model_proof.Tally()

    for number in range(NUMBER):
        await proof.run(tally, 7, number)

    assert {} == tally.faults
    assert NUMBER == tally.drawn
    assert tally.agreed > NUMBER / 5
    assert tally.refused > NUMBER / 10


def test_a_seed_and_a_number_name_a_module() -> None:
    assert model_proof.module_of(1, 2) == model_proof.module_of(1, 2)
    assert model_proof.module_of(1, 2) != model_proof.module_of(2, 2)


MODULE = model_draws.Module(
    (
        model_draws.Block("class Other(Model):", ("b: int = 3",)),
        model_draws.Block(
            "class ThingSpec(Spec):", ("a: Annotated[str, Field(max_length=3)]", "c: int")
        ),
        model_draws.Block("class Thing(Resource):", ("spec: ThingSpec",)),
    )
)
SMALLEST = """class ThingSpec(Spec):
    a: Annotated[str, Field(max_length=3)]

class Thing(Resource):
    spec: ThingSpec
"""


async def test_planted_split_is_found_and_minimized(
    oracle: judge.Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = model_proof.Proof(oracle, objects=32)
    assert not isinstance(await proof.outcome(MODULE, 0), model_proof.Fault | str)
    ordered = structural._ordered  # noqa: SLF001 - where a keyword is lost
    calls: list[int] = []

    def losing(node: structural.Schema) -> structural.Schema:
        """Remove a lower bound from each string schema: the CRD's, then the checker's."""
        node_ = ordered(node)
        if "maxLength" in node_:
            calls.append(1)
            node_["maxLength"] = 60 // len(calls)
        return node_

    monkeypatch.setattr(structural, "_ordered", losing)
    fault = await proof.outcome(MODULE, 0)

    assert isinstance(fault, model_proof.Fault)
    assert "split" == fault.kind
    assert (await proof.smallest(MODULE, fault, 0)).startswith(SMALLEST)


async def test_a_planted_traceback_is_found(
    oracle: judge.Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(node: structural.Schema) -> structural.Schema:
        raise KeyError(next(iter(node)))

    monkeypatch.setattr(structural, "_ordered", broken)

    fault = await model_proof.Proof(oracle, objects=4).outcome(MODULE, 0)

    assert model_proof.Fault("traceback", "KeyError: 'type'") == fault
