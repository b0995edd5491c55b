"""The short version of `make prove-memory`: each disturbance is told apart, and passes."""

import asyncio
import contextlib

import pytest

from tests.support import memory_proof
from tests.support.stores import Store


@pytest.mark.slow
async def test_condition_follows_what_happens_to_a_store(
    postgres: Store, redis_server: Store
) -> None:
    reasons = {}
    async with memory_proof.world() as world:

        async def disturb(kind: str, store: Store) -> None:
            await world.make(kind, store)
            for disturbance in memory_proof.STORES[kind](store):
                with contextlib.ExitStack() as undone:
                    undone.callback(store.resume)
                    found = await world.measure(kind, disturbance)
                reasons[found.name] = found.reason

        await asyncio.gather(disturb("Postgres", postgres), disturb("Redis", redis_server))

    assert {
        "Postgres stopped": "ConnectionRefused",
        "Postgres paused": "TimedOut",
        "Postgres password changed": "AuthenticationFailed",
        "Postgres TLS switched on": "AuthenticationFailed",
        "Redis stopped": "ConnectionRefused",
        "Redis paused": "TimedOut",
        "Redis password changed": "AuthenticationFailed",
        "Redis TLS switched on": "ConnectionFailed",
    } == reasons
