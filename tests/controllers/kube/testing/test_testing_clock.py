"""Virtual time passes only while everything waits, and stands still while a thread works."""

import asyncio
import datetime as dt
import time

import pytest

from controllers.kube import testing


@testing.virtual_time
async def test_a_year_takes_no_time() -> None:
    clock, began = testing.Clock(), time.monotonic()
    first = clock.now()

    await asyncio.sleep(365 * 86400)

    assert dt.timedelta(days=365) == clock.now() - first
    assert time.monotonic() - began < 60.0


@testing.virtual_time
async def test_timeouts_follow_it() -> None:
    clock = testing.Clock()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(30):
            await asyncio.Event().wait()

    assert clock.seconds() == 30.0


@testing.virtual_time
async def test_a_thread_takes_no_virtual_time() -> None:
    clock, timer = testing.Clock(), asyncio.create_task(asyncio.sleep(1))

    await asyncio.to_thread(time.sleep, 0.05)

    assert clock.seconds() == 0.0
    assert not timer.done()
    await timer


def test_waiting_for_nothing_is_told() -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(testing.DeadlockError, match="every task waits"):
        testing.run(wait())


@testing.virtual_time
async def test_settle_waits_for_what_is_to_hold() -> None:
    clock, done = testing.Clock(), list[int]()
    asyncio.get_running_loop().call_later(5, done.append, 1)

    await testing.settle(lambda: bool(done))

    assert 5.0 <= clock.seconds() < 5.1
    with pytest.raises(TimeoutError):
        await testing.settle(lambda: False, within_seconds=1)
