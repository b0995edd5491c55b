"""What `schemagen diff` shows of a change is what a real API server does; a sample of its cases."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from controllers import devcluster
from schemagen import judge
from schemagen.compat.verdicts import differences
from tests.support import diff_cases, diff_server, judge_proof

pytestmark = pytest.mark.e2e

SAMPLE = (
    *("field-max-length-lowered", "field-enum-value-added", "field-removed", "scope"),
    *("field-added-required", "default-changed", "nullable-removed", "max-items-lowered"),
    *("object-rule-added", "list-type-to-map", "preserve-unknown-fields-removed"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(api_server: devcluster.Cluster) -> AsyncIterator[judge_proof.Server]:
    async with judge_proof.Server.of(api_server) as opened:
        yield opened


@pytest.mark.parametrize("name", SAMPLE)
async def test_a_witness_is_answered_as_it_says(name: str, server: judge_proof.Server) -> None:
    case = diff_cases.read(diff_cases.FOLDER / f"{name}.yaml")
    sides = diff_cases.definitions(case.old), diff_cases.definitions(case.new)
    with judge.Judge() as oracle:
        found = [*differences.of(*sides, oracle)]
    witnesses = [
        (audience, verdict.witness)
        for difference in found
        for audience, verdict in difference.decided.verdicts.items()
        if verdict.witness is not None and diff_server.can_be_asked(case, audience, verdict.witness)
    ]

    faults = [
        await diff_server.refuted(case, audience, witness, server)
        for audience, witness in witnesses[:2]
    ]

    assert faults
    assert [""] * len(faults) == faults
