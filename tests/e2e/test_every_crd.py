"""Every CRD that a unit test generates gets the same answer from the judge and from an API server.

So do some hundred made of them by spoiling a place or two. The unit tests write the CRDs down
(tests/conftest.py), so they must have run before, and this file is the last of all
(tests/support/schedule.py).
"""

import json
import pathlib
import random
from collections.abc import AsyncIterator, Iterator

import pytest

import crds
from controllers import devcluster
from schemagen import judge
from schemagen.crd import definitions
from schemagen.problems import JSON
from tests.support import depth, foundry, judge_proof

pytestmark = pytest.mark.e2e

RECORDED = pathlib.Path(__file__).parents[2] / "build" / "crds-of-tests"
SPOILED = 4 if depth.DEEP else 1


@pytest.fixture(scope="module")
async def proof(api_server: devcluster.Cluster) -> AsyncIterator[judge_proof.Proof]:
    with judge.Judge(deadline_seconds=60) as asked:
        async with judge_proof.Server.of(api_server) as server:
            yield judge_proof.Proof(server, asked, seed=0)


def found() -> Iterator[tuple[str, JSON]]:
    for api in (crds.api, foundry.api):
        for kind in api:
            yield kind.name, definitions.crd(api, kind)
    for path in sorted(RECORDED.glob("*.json")):
        yield path.stem, json.loads(path.read_text())


async def test_every_generated_crd_and_what_is_made_of_it(proof: judge_proof.Proof) -> None:
    recorded = len([*RECORDED.glob("*.json")])
    assert recorded > 90, f"expected CRDs of all unit tests, got {recorded}; run `make check` first"
    tally = judge_proof.Tally()
    for number, (name, generated) in enumerate(found()):
        rng = random.Random(name)  # noqa: S311 - nothing secret
        tally += await proof.about(_alone(generated, number), rng, spoiled=SPOILED)

    assert not tally.splits, "\n".join(
        f"{one.judged}\n{one.served}\n{one.question}" for one in tally.splits
    )
    assert 50 * SPOILED < tally.definitions_refused < tally.definitions


def _alone(generated: JSON, number: int) -> JSON:
    """In a group of its own: many tests call their kinds alike, and some may be installed."""
    spec = {**generated["spec"], "group": f"test{number}.{generated['spec']['group']}"}
    metadata = {**generated["metadata"], "name": f"{spec['names']['plural']}.{spec['group']}"}
    return {**generated, "metadata": metadata, "spec": spec}
