"""Whatever is sent, the server refuses it properly and answers the next good request.

`make prove-hostile` sends these a hundred thousand times and watches the memory.
"""

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import crds
from certs import authority, tls_contexts
from tests.support import hostile, pressure
from tests.webhooks.server.test_review_listener import nobody
from webhooks import routing
from webhooks.server import review_listener

pytestmark = pytest.mark.slow

CASES = hostile.corpus()
# Decided behind the transports: each gets a sample of them.
BEHIND = ("review: ", "body: ")
SHARES = {"lean": 3, "aiohttp": 10}


def trials() -> Iterator[Any]:
    for transport, share in SHARES.items():
        for number, case in enumerate(CASES):
            is_sampled = not case.name.startswith(BEHIND) or number % share == 0
            marks = () if is_sampled else pytest.mark.deep
            yield pytest.param(transport, case, marks=marks, id=f"{transport}-{case.name}")


@pytest.fixture(scope="module", params=["lean", "aiohttp"])
async def attacker(request: pytest.FixtureRequest) -> AsyncIterator[hostile.Attacker]:
    now = dt.datetime.now(dt.UTC)
    ca = authority.new_authority("test", now=now)
    tls = tls_contexts.server_context(authority.issue_server(ca, ["127.0.0.1"], now=now))
    trust = ssl.create_default_context(cadata=ca.certificate_pem.decode())
    listener = review_listener.listening("127.0.0.1", 0)
    paths = routing.routes(crds.api, is_verifying=True)
    async with review_listener.serving(
        paths, listener=listener, tls=tls, transport=request.param, observe=nobody
    ):
        yield hostile.Attacker("127.0.0.1", listener.getsockname()[1], trust)


def test_corpus_is_large_and_its_names_differ() -> None:
    assert len(CASES) >= 200
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize(("attacker", "case"), [*trials()], indirect=["attacker"])
async def test_harm_is_refused_and_the_next_request_answered(
    attacker: hostile.Attacker, case: hostile.Case
) -> None:
    assert await attacker.send(case) in case.statuses

    path = "/convert" if "/convert" in case.name else "/validate"
    assert 200 == await attacker.good(path, hostile.GOOD[path])


# Those that keep this process busy, too, are for `make prove-hostile`.
LIGHT = [name for name in pressure.pressures() if name.startswith(("slow", "endless", "labels"))]


@pytest.mark.parametrize("name", LIGHT)
async def test_honest_calls_are_answered_beside_eight_hostile_clients(
    attacker: hostile.Attacker, name: str
) -> None:
    one = pressure.pressures()[name]
    clients = [
        asyncio.create_task(pressure.keep_up(attacker, one)) for _ in range(pressure.AT_ONCE)
    ]
    try:
        taken, failed = await pressure.honest_seconds(attacker, 0.3)
    finally:
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    assert 0 == failed
    assert taken
