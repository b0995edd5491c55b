"""A reconciler run for keys of a queue, filled by reflectors. Shell: tasks."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from controllers.kube.queue import K, Queue
from controllers.kube.reflector import Reflector

_log = logging.getLogger(__name__)


async def reconcile(
    queue: Queue[K],
    look: Callable[[K], Awaitable[float | None]],
    *,
    reflectors: Iterable[Reflector[Any]] = (),
    workers: int = 4,
    on_look: Callable[[str, float], None] = lambda _, __: None,
) -> None:
    """Follow collections, and look at each key that is queued, until cancelled.

    No key is looked at before all reflectors have seen all objects, and none twice at a time.

    Args:
        queue: Filled by the reflectors' ``on_change``, or by whoever has a reason.
        look: Makes the world as it should be for one key. Its value: seconds after which to look
            again even if nothing changes, or None. What it raises is logged, and the key retried,
            each time after a longer pause.
        reflectors: Those that fill the stores which ``look`` reads.
        workers: How many keys are looked at side by side.
        on_look: Told of each look its outcome (``success``, ``requeue_after`` or ``error``, as
            controller-runtime counts them) and how many seconds it took.
    """
    following = [*reflectors]
    async with asyncio.TaskGroup() as group:
        for one in following:
            group.create_task(one.run())
        for one in following:
            await one.synced.wait()
        for _ in range(workers):
            group.create_task(_work(queue, look, on_look))


async def _work(
    queue: Queue[K],
    look: Callable[[K], Awaitable[float | None]],
    on_look: Callable[[str, float], None],
) -> None:
    while (key := await queue.get()) is not None:
        started, outcome = time.perf_counter(), "error"
        try:
            seconds = await look(key)
        except Exception as error:  # noqa: BLE001 - one key's trouble is not another's
            pause = queue.retry(key)
            _log.warning("%s failed, again in %.3f s: %r", key, pause, error)
        else:
            queue.forget(key)
            outcome = "success" if seconds is None else "requeue_after"
            if seconds is not None:
                queue.add(key, after_seconds=seconds)
        finally:
            queue.done(key)
            on_look(outcome, time.perf_counter() - started)
        # A look that waits for nothing, and wants to look again at once, must not starve the rest.
        await asyncio.sleep(0)
