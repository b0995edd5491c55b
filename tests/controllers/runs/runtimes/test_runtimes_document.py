"""The worked example of docs/runtimes.md."""

import asyncio
import pathlib
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from controllers.runs.runtimes import custom
from controllers.runs.runtimes.base import Ref, Stage, Work
from controllers.runs.work import related_objects, work
from crds.v1beta1 import agentrun
from schemagen import yaml
from tests.support import custom_bench

TEXT = (pathlib.Path(__file__).parents[4] / "docs/runtimes.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall(TEXT)


def block(language: str, holding: str) -> str:
    (found,) = (text for kind, text in BLOCKS if kind == language and holding in text)
    return str(found)


@pytest.fixture
async def origin() -> AsyncIterator[str]:
    names: dict[str, Any] = {"__name__": "example"}
    exec(block("python", "def application"), names)  # noqa: S102 - our own document
    routes: web.RouteTableDef = names["routes"]
    async with custom_bench.serving(*routes) as found:
        yield found
    await asyncio.gather(*names["tasks"], return_exceptions=True)


def piece(origin: str, uid: str = "uid") -> tuple[str, Work]:
    run = yaml.load(block("yaml", "type: Custom").encode())
    agentrun.AgentRunSpec.model_validate(run["spec"])
    run["metadata"] |= {"namespace": "team", "uid": uid}
    chosen = run["spec"]["runtime"]["custom"]
    chosen["endpoint"] = chosen["endpoint"].replace("http://127.0.0.1:8080", origin)
    agent = {"spec": {"providerRef": {"name": "greeter"}}}
    provider = {"spec": {"runner": {"command": "agent-runner"}, "adapter": {"type": "Exec"}}}
    ready = work.prepare(run, related_objects.Related(agent=agent, provider=provider), 1)
    assert isinstance(ready, work.Ready)
    return f"{uid}/1", ready.work


def test_workflow_of_the_document_is_one() -> None:
    run = yaml.load(block("yaml", "type: Workflow").encode())

    agentrun.AgentRun.model_validate(run)


async def until(adapter: custom.Custom, ref: Ref, stage: Stage) -> str:
    async with asyncio.timeout(120):
        while True:
            progress = await adapter.status(ref)
            if progress.stage is stage:
                return progress.message
            assert not progress.stage.is_ended
            assert 1 == progress.requeue_after_seconds
            await asyncio.sleep(0.02)


async def test_example_does_what_it_says(origin: str) -> None:
    key, work_ = piece(origin)
    adapter = custom.Custom(allowed=["127.0.0.1"])

    refs = [await adapter.submit(key, work_) for _ in range(2)]
    message = await until(adapter, refs[0], Stage.SUCCEEDED)
    await adapter.cancel(refs[0])
    after = await adapter.status(refs[0])
    await adapter.close()

    assert refs[0] == refs[1]
    assert f"with the message `{message}`" in TEXT
    assert Stage.SUCCEEDED is after.stage


async def test_example_ends_what_is_cancelled(origin: str) -> None:
    key, work_ = piece(origin)
    adapter = custom.Custom(allowed=["127.0.0.1"])

    ref = await adapter.submit(key, work_)
    await adapter.cancel(ref)
    await until(adapter, ref, Stage.CANCELLED)
    await adapter.close()


async def test_example_starts_nothing_that_was_cancelled_before(origin: str) -> None:
    key, work_ = piece(origin)
    before, adapter = (custom.Custom(allowed=["127.0.0.1"]) for _ in range(2))

    await before.cancel(before.ref(key, work_))
    ref = await adapter.submit(key, work_)
    await until(adapter, ref, Stage.CANCELLED)
    await before.close()
    await adapter.close()


def test_constructors_of_the_document_take_their_arguments(tmp_path: pathlib.Path) -> None:
    made = [text for kind, text in BLOCKS if kind == "python" and "runtime = " in text]

    for text in made:
        names: dict[str, Any] = {}
        exec(text.replace('Path("runs")', f"Path({str(tmp_path)!r})"), names)  # noqa: S102 - ours
        assert names["runtime"].type in TEXT

    assert 3 == len(made)
