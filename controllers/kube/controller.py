"""Runs a reconciler for keys of a work queue filled by reflectors. Shell: tasks."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from controllers.kube.queue import K, Queue
from controllers.kube.watch.reflector import Reflector

_log = logging.getLogger(__name__)


async def reconcile(
    queue: Queue[K],
    reconcile_key: Callable[[K], Awaitable[float | None]],
    *,
    reflectors: Iterable[Reflector[Any]] = (),
    workers: int = 4,
    on_reconciled: Callable[[str, float], None] = lambda _, __: None,
) -> None:
    """Watch collections and reconcile each queued key, until cancelled.

    No key is reconciled before all caches have synced, and none by two workers at a time.

    Args:
        queue: Filled by the reflectors' ``on_change``, or by other triggers.
        reconcile_key: Reconciles a key; returns the seconds after which to requeue it, or None. An
            exception is logged and the key requeued with exponential backoff.
        reflectors: Fill the stores that ``reconcile_key`` reads.
        workers: Number of concurrent workers.
        on_reconciled: Called after each reconciliation with its result (``success``,
            ``requeue_after`` or ``error``, as counted by controller-runtime) and its duration in
            seconds.
    """
    running = [*reflectors]
    async with asyncio.TaskGroup() as group:
        for reflector in running:
            group.create_task(reflector.run())
        for reflector in running:
            await reflector.synced.wait()
        for _ in range(workers):
            group.create_task(_work(queue, reconcile_key, on_reconciled))


async def _work(
    queue: Queue[K],
    reconcile_key: Callable[[K], Awaitable[float | None]],
    on_reconciled: Callable[[str, float], None],
) -> None:
    while (key := await queue.get()) is not None:
        started, outcome = time.perf_counter(), "error"
        try:
            seconds = await reconcile_key(key)
        except Exception as error:  # noqa: BLE001 - a failure of one key must not affect others
            backoff = queue.retry(key)
            _log.warning("reconciling %s failed, retrying in %.3f s: %r", key, backoff, error)
        else:
            queue.forget(key)
            outcome = "success" if seconds is None else "requeue_after"
            if seconds is not None:
                queue.add(key, after_seconds=seconds)
        finally:
            queue.done(key)
            on_reconciled(outcome, time.perf_counter() - started)
        # A key that requeues itself without awaiting anything must not starve the others.
        await asyncio.sleep(0)
