"""Readers of a watch, each in a process of its own: ours, and that of ``kubernetes.aio``. Shell.

``python -m tests.bench.controllers.readers ours URL COUNT`` prints what COUNT events took.
"""

import asyncio
import dataclasses
import gc
import json
import os
import pathlib
import sys
import time
from typing import Any, Final

import uvloop

from controllers import kube
from controllers.runs import caches, projections


@dataclasses.dataclass
class Counter:
    """From the first event to the last."""

    wanted: int
    seen: int = 0
    began: float = 0.0
    began_cpu: float = 0.0
    done: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    seconds: float = 0.0
    cpu: float = 0.0

    def count(self) -> None:
        """Note an event."""
        if not self.seen:
            self.began, self.began_cpu = time.perf_counter(), time.process_time()
        self.seen += 1
        if self.seen == self.wanted:
            self.seconds = time.perf_counter() - self.began
            self.cpu = time.process_time() - self.began_cpu
            self.done.set()

    def said(self) -> dict[str, float]:
        """What the benchmark reads."""
        return {"events": self.seen - 1, "seconds": self.seconds, "cpu_seconds": self.cpu}


def _client(url: str) -> kube.Client:
    async def access() -> kube.Access:
        return kube.Access(server=url)

    return kube.Client(access)


async def ours(url: str, count: int) -> dict[str, float]:
    """A reflector into the controller's store of runs, with its indexes; each change is queued."""
    counter = Counter(count)
    queue: kube.Queue[kube.Key] = kube.Queue()

    async with _client(url) as client:
        store = caches.Caches(client, queue).runs

        def changed(change: kube.Change[projections.Run]) -> None:
            queue.add(change.key, priority=kube.FOLLOWED)
            counter.count()

        live = kube.Selection(fields=caches.LIVE_RUNS)
        reflector = kube.Reflector(
            client, projections.RUNS, projections.Run, store, changed, selection=live
        )
        following = asyncio.ensure_future(reflector.run())
        await counter.done.wait()
        following.cancel()
        return counter.said()


async def aio(url: str, count: int) -> dict[str, float]:
    """``kubernetes.aio``'s watch of custom objects, which are dicts; nothing is kept."""
    from kubernetes.aio import client, watch  # noqa: PLC0415 - ours is not to pay for it

    configuration = client.Configuration(host=url)
    counter = Counter(count)
    async with client.ApiClient(configuration) as api:
        objects = client.CustomObjectsApi(api)
        async with watch.Watch() as watching:  # type: ignore[no-untyped-call] # has no types
            async for _ in watching.stream(
                objects.list_cluster_custom_object, projections.RUNS.group, "v1beta1", "agentruns"
            ):
                counter.count()
                if counter.done.is_set():
                    break
    return counter.said()


async def memory(url: str, count: int) -> dict[str, float]:
    """What following COUNT runs adds to the memory of this process, all of `Caches` at work."""
    async with _client(url) as client:
        queue: kube.Queue[kube.Key] = kube.Queue()
        followed = caches.Caches(client, queue)
        reflector = next(followed.reflectors())
        gc.collect()
        before = _resident_bytes()
        following = asyncio.ensure_future(reflector.run())
        await reflector.synced.wait()
        listed = _resident_bytes()
        while len(followed.runs) < count:  # noqa: ASYNC110 - those that come after the list
            await asyncio.sleep(0.05)
        gc.collect()
        after = _resident_bytes()
        following.cancel()
        return {
            "runs": len(followed.runs),
            "before_bytes": before,
            "listed_bytes": listed,
            "after_bytes": after,
            "peak_bytes": _peak_bytes(),
        }


def _resident_bytes() -> int:
    pages = pathlib.Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _peak_bytes() -> int:
    status = pathlib.Path("/proc/self/status").read_text().splitlines()
    (found,) = [line for line in status if line.startswith("VmHWM:")]
    return int(found.split()[1]) * 1024


READERS: Final[dict[str, Any]] = {"ours": ours, "aio": aio, "memory": memory}


def main() -> None:
    """Read, and print what it took as JSON."""
    _, name, url, count = sys.argv
    print(json.dumps(uvloop.run(READERS[name](url, int(count)))))  # noqa: T201 - output


if __name__ == "__main__":
    main()
