"""The API server in process answers as kube-apiserver does: the same transcripts from both.

`tests/data/apiserver` has what kube-apiserver answered; both are compared with it. With
`RECORD_API_CONTRACT=1` the files are written anew by the real one.
"""

import contextlib
import itertools
import json
import os
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from controllers import kube
from controllers.kube import testing
from tests.support import api_contract, api_contract_cases
from tests.support.api_contract import Script

FILES = pathlib.Path(__file__).parents[3] / "data" / "apiserver"
CASES = api_contract_cases.CASES
_numbers = itertools.count()


@pytest.fixture(scope="session", params=["ours", pytest.param("real", marks=pytest.mark.e2e)])
async def contract_client(
    request: pytest.FixtureRequest,
) -> AsyncIterator[tuple[str, kube.Client, list[str]]]:
    """A client of each server, with the definitions, and the warnings that it got."""
    warnings: list[str] = []
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "ours":
            opened = testing.ApiServer().client(on_warning=warnings.append)
        else:
            cluster = request.getfixturevalue("api_server")
            opened = kube.Client.from_kubeconfig(
                cluster.admin_kubeconfig, on_warning=warnings.append
            )
        client = await stack.enter_async_context(opened)
        await stack.enter_async_context(api_contract.defined(client))
        yield request.param, client, warnings


def invalid(*named: str) -> kube.JSON:
    """A Status with two causes, whose message names some."""
    causes = [{"field": field, "message": "Required value"} for field in ("spec.a", "spec.b")]
    listed = ", ".join(f"{field}: Required value" for field in named)
    return {"message": f'Thing "a" is invalid: [{listed}]', "details": {"causes": causes}}


@pytest.mark.parametrize("named", [("spec.a",), ("spec.a", "spec.b", "spec.c")])
def test_message_without_or_beside_a_cause_is_another_answer(named: tuple[str, ...]) -> None:
    sorted_, reverse, other = (
        api_contract.comparable(invalid(*fields), "x")
        for fields in (("spec.a", "spec.b"), ("spec.b", "spec.a"), named)
    )

    assert sorted_ == reverse
    assert sorted_ != other


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_both_servers_answer_the_same(
    contract_client: tuple[str, kube.Client, list[str]], case: Callable[[Script], Awaitable[None]]
) -> None:
    which, client, warnings = contract_client
    body = {"metadata": {"name": f"contract-{next(_numbers)}"}}
    namespace = (await client.create(kube.NAMESPACES, body))["metadata"]["name"]
    script = Script(client, namespace)
    warnings.clear()

    await case(script)

    script.warnings = [*warnings]
    path = FILES / f"{case.__name__}.json"
    answered = script.transcript()
    if which == "real" and os.environ.get("RECORD_API_CONTRACT"):
        text = json.dumps(answered, indent=1, sort_keys=True, ensure_ascii=False)
        path.write_text(f"{text}\n")
    assert json.loads(path.read_text()) == answered
