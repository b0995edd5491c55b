"""Reconciling keys: the documentation's example on a real API server, and failures."""

import asyncio
import contextlib
import pathlib
import re
import types
from typing import Any

import pytest

from controllers import kube

DOCUMENT = pathlib.Path(__file__).parents[3] / "docs/controllers.md"
SECONDS = 120.0


def example() -> Any:
    """The module in the documentation."""
    found = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found is not None
    module = types.ModuleType("example")
    exec(compile(found[1], str(DOCUMENT), "exec"), module.__dict__)  # noqa: S102 - our own text
    return module


async def phases(client: kube.Client, things: kube.Resource, namespace: str) -> list[str]:
    listing = await client.list(things, namespace=namespace)
    return [one.get("status", {}).get("phase", "") for one in listing.items]


async def test_example_of_the_documentation_does_what_it_says(
    client: kube.Client,
    things: kube.Resource,
    namespace: str,
    api_server: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(api_server.admin_kubeconfig))
    module = example()
    module.THINGS = things

    async def make(name: str) -> None:
        named = {"apiVersion": things.api_version, "kind": things.kind, "metadata": {"name": name}}
        await client.create(things, named, namespace=namespace)

    await make("before")
    task = asyncio.create_task(module.main())
    await make("meanwhile")
    try:
        async with asyncio.timeout(SECONDS):
            while await phases(client, things, namespace) != ["Seen", "Seen"]:
                assert not task.done()
                await asyncio.sleep(0.05)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_key_that_fails_is_tried_again_and_holds_up_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    queue: kube.Queue[str] = kube.Queue()
    looked: list[str] = []

    async def look(key: str) -> float | None:
        looked.append(key)
        if key == "bad" and looked.count("bad") < 3:
            raise ValueError("not yet")
        if key == "again" and looked.count("again") < 3:
            return 0.001
        if sorted({*looked}) == ["again", "bad", "good"] and len(looked) == 7:
            queue.close()
        return None

    for key in ("bad", "good", "again"):
        queue.add(key)
    async with asyncio.timeout(SECONDS):
        await kube.reconcile(queue, look, workers=2)

    assert (3, 1, 3) == (looked.count("bad"), looked.count("good"), looked.count("again"))
    assert 2 == caplog.text.count("reconciling bad failed, retrying in")


async def test_key_that_is_always_due_leaves_time_for_others() -> None:
    queue: kube.Queue[str] = kube.Queue()
    queue.add("busy")

    async def look(key: str) -> float | None:
        del key
        return 0.0

    task = asyncio.create_task(kube.reconcile(queue, look, workers=1))
    async with asyncio.timeout(SECONDS):
        for _ in range(10):
            await asyncio.sleep(0.001)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
