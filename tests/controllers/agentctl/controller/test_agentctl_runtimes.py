"""Runtimes built from the controller's options."""

import asyncio
import pathlib
from typing import cast

import pytest

from controllers import kube
from controllers.agentctl.controller import runtimes
from controllers.runs import caches
from controllers.runs.runtimes import temporal_settings
from controllers.runs.runtimes.base import Code, Runtime, RuntimeFault, Work
from controllers.runs.runtimes.local import local, workspaces
from crds import hub


def made(options: runtimes.Options) -> dict[str, Runtime]:
    """By their types; nobody is asked."""
    client = cast("kube.Client", None)
    found = runtimes.build_runtimes(
        client, caches.Caches(client, kube.Queue()), lambda _: None, options
    )
    return {runtime.type: runtime for runtime in found}


def test_temporal_is_there_where_it_has_an_address() -> None:
    workspaces = pathlib.Path("/nowhere")

    plain = made(runtimes.Options(workspaces=workspaces))
    addressed = made(runtimes.Options(workspaces=workspaces, temporal="127.0.0.1:1"))

    assert {"Job", "Workflow", "Custom"} <= {*plain}
    assert {"Temporal"} == {*addressed} - {*plain}


def test_every_runtime_of_the_api_has_an_adapter() -> None:
    everything = made(runtimes.Options(workspaces=pathlib.Path("/nowhere"), temporal="127.0.0.1:1"))

    assert {*hub.agentrun.RuntimeType} == {*runtimes.ADAPTERS} == {*everything}


async def test_temporal_is_used_as_the_operator_says() -> None:
    settings = temporal_settings.of({"temporal": {"namespace": "agents", "taskQueues": ["own"]}})
    options = runtimes.Options(
        workspaces=pathlib.Path("/nowhere"), temporal="127.0.0.1:1", temporal_settings=settings
    )
    spec = {"runtime": {"temporal": {"workflowType": "x", "taskQueue": "payroll"}}}
    work = Work(
        namespace="team",
        run="run",
        uid="u",
        attempt=1,
        spec=spec,
        provider={},
        run_json={},
        runner_json={},
    )
    runtime = made(options)["Temporal"]

    with pytest.raises(RuntimeFault, match=r"\(own\), got 'payroll'") as caught:
        await runtime.submit("u/1", work)

    assert Code.DENIED is caught.value.code
    assert "agents" == runtime.ref("u/1", work).namespace


async def test_sweeper_goes_on_after_a_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setattr(runtimes, "_SWEEP_SECONDS", 0.0)
    has_gone_on = asyncio.Event()
    faults = [RuntimeFault(Code.RETRYABLE, "no space left")]

    class Full(local.Local):
        async def sweep(self, limits: workspaces.Limits | None = None) -> int:
            del limits
            if faults:
                raise faults.pop()
            has_gone_on.set()
            return 0

    async def unknown(*_: object) -> None:
        raise AssertionError("nothing is asked for")

    swept = Full(tmp_path, resolve=unknown, resolve_all=unknown)

    async with runtimes.maintain_runtimes([swept]), asyncio.timeout(60):
        await has_gone_on.wait()
