import asyncio
import contextlib
import dataclasses
import datetime as dt
import pathlib
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import TLSConfig

from certs import authority
from controllers.kube import clocks
from controllers.runs.runtimes import temporal, temporal_settings
from controllers.runs.runtimes.base import Code, Key, Progress, RuntimeFault, Stage, Work
from tests.support import temporal_bench
from tests.support.runtime_bench import Behaviour

pytestmark = pytest.mark.slow

# What only the stub can be made to do.
needs_stub = pytest.mark.skipif(bool(temporal_bench.ADDRESS), reason="the server is a real one")


@pytest.fixture
async def bench() -> AsyncIterator[temporal_bench.TemporalBench]:
    async with temporal_bench.opened() as opened:
        yield opened


def of_type(
    bench: temporal_bench.TemporalBench, kind: str, attempt: int = 1, **settings: Any
) -> tuple[Key, Work]:
    key, work = bench.work(Behaviour.SUCCEEDS, attempt=attempt)
    return key, dataclasses.replace(work, spec=temporal_bench.spec(kind, **settings))


async def ended(bench: temporal_bench.TemporalBench, key: Key, work: Work) -> Progress:
    adapter = bench.adapter()
    ref = await adapter.submit(key, work)
    progress, _ = await bench.until(adapter, ref, *filter(lambda each: each.is_ended, Stage))
    return progress


async def foreign(client: Client, name: str) -> WorkflowHandle[Any, Any]:
    """A workflow with another owner."""
    return await client.start_workflow("lasts", {}, id=name, task_queue="nobody's")


# ------------------------------------------------------------------------------- workflow ids


@pytest.mark.parametrize(
    ("attempt", "spec", "settings", "expected"),
    [
        (1, {}, {}, "RUN-temporal"),
        (3, {}, {}, "RUN-temporal-3"),
        (1, {"idempotencyKey": "mine"}, {}, "mine"),
        (2, {"idempotencyKey": "mine"}, {}, "mine-2"),
        (1, {"idempotencyKey": "mine"}, {"workflowId": "exactly"}, "exactly"),
        (2, {}, {"workflowId": "exactly"}, "exactly-2"),
    ],
)
def test_workflow_id(
    attempt: int, spec: dict[str, Any], settings: dict[str, Any], expected: str
) -> None:
    work = Work(
        namespace="team",
        run="RUN",
        uid="uid",
        attempt=attempt,
        spec={**temporal_bench.spec("succeeds", **settings), **spec},
        provider={},
        run_json={},
        runner_json={},
    )

    ref = temporal.Temporal("127.0.0.1:1", namespace="ours").ref("uid/1", work)

    assert (expected, "ours") == (ref.name, ref.namespace)


async def test_runs_of_one_name_get_workflows_of_their_own(
    bench: temporal_bench.TemporalBench,
) -> None:
    key, work = of_type(bench, "succeeds")
    other = dataclasses.replace(work, namespace="other", uid=f"{work.uid}-2")
    other_key = f"{other.uid}/1"
    adapter = bench.adapter()

    first, second = await adapter.submit(key, work), await adapter.submit(other_key, other)
    for ref in (first, second):
        await bench.until(adapter, ref, Stage.SUCCEEDED)
    again = await adapter.submit(other_key, other)

    assert f"{work.run}-temporal-{other.uid}" == second.name
    assert second == again
    assert [1, 1] == [await bench.starts(key), await bench.starts(other_key)]


async def test_run_that_is_made_anew_gets_a_workflow_of_its_own(
    bench: temporal_bench.TemporalBench,
) -> None:
    key, work = of_type(bench, "succeeds")
    other = dataclasses.replace(work, uid=f"{work.uid}-2")
    await ended(bench, key, work)

    ref = await bench.adapter().submit(f"{other.uid}/1", other)

    assert f"{work.run}-temporal-{other.uid}" == ref.name


@needs_stub
async def test_work_is_found_though_its_first_id_is_free_again(
    bench: temporal_bench.TemporalBench,
) -> None:
    assert bench.server is not None
    key, work = of_type(bench, "succeeds")
    other = dataclasses.replace(work, uid=f"{work.uid}-2")
    other_key = f"{other.uid}/1"
    await ended(bench, key, work)
    await ended(bench, other_key, other)
    # As when the retention time of the first is over.
    del bench.server.executions[f"{work.run}-temporal"]

    await bench.adapter().submit(other_key, other)

    assert 1 == await bench.starts(other_key)
    assert f"{work.run}-temporal" not in [
        name for name, runs in bench.server.executions.items() if runs
    ]


async def test_workflow_that_is_anothers_is_not_taken_over(
    bench: temporal_bench.TemporalBench,
) -> None:
    key, work = of_type(bench, "succeeds", workflowId="")
    name = f"theirs-{work.uid}"
    work = dataclasses.replace(work, spec=temporal_bench.spec("succeeds", workflowId=name))
    handle = await foreign(bench.client, name)
    adapter = bench.adapter()

    with pytest.raises(RuntimeFault, match="got another owner") as caught:
        await adapter.submit(key, work)
    progress = await adapter.status(adapter.ref(key, work))
    await adapter.cancel(adapter.ref(key, work))

    assert Code.TERMINAL is caught.value.code
    assert Stage.MISSING is progress.stage
    assert WorkflowExecutionStatus.RUNNING == (await handle.describe()).status
    await handle.terminate()


async def test_work_is_found_though_another_took_its_id(
    bench: temporal_bench.TemporalBench,
) -> None:
    key, work = of_type(bench, "succeeds")
    adapter = bench.adapter()
    ref = await adapter.submit(key, work)
    await bench.until(adapter, ref, Stage.SUCCEEDED)
    handle = await foreign(bench.client, ref.name)

    progress = await adapter.status(ref)

    assert Stage.SUCCEEDED is progress.stage
    await handle.terminate()


async def test_chain_of_runs_is_followed(bench: temporal_bench.TemporalBench) -> None:
    key, work = of_type(bench, "continues")

    progress = await ended(bench, key, work)

    assert Stage.SUCCEEDED is progress.stage


# ------------------------------------------------------------------------------ how they stand


async def test_workflow_without_a_worker_is_pending(bench: temporal_bench.TemporalBench) -> None:
    if bench.server is not None:
        bench.server.has_worker = False
    key, work = of_type(bench, "succeeds", taskQueue="nobody's")
    adapter = bench.adapter()

    ref = await adapter.submit(key, work)
    progress = await adapter.status(ref)

    message = 'Waiting for a worker of task queue "nobody\'s".'
    assert (Stage.PENDING, message) == (progress.stage, progress.message)
    await adapter.cancel(ref)


async def test_result_tells_artifacts(bench: temporal_bench.TemporalBench) -> None:
    progress = await ended(bench, *of_type(bench, "succeeds"))

    assert temporal_bench.RESULT["artifacts"] == progress.artifacts
    assert progress.started is not None
    assert progress.ended is not None
    assert progress.started <= progress.ended


@needs_stub
async def test_result_that_cannot_be_read_is_no_failure(
    bench: temporal_bench.TemporalBench,
) -> None:
    progress = await ended(bench, *of_type(bench, "secretive"))

    assert (Stage.SUCCEEDED, []) == (progress.stage, progress.artifacts)


@pytest.mark.parametrize(("kind", "code"), [("fails", Code.RETRYABLE), ("hopeless", Code.TERMINAL)])
async def test_failure_says_whether_to_try_again(
    bench: temporal_bench.TemporalBench, kind: str, code: Code
) -> None:
    progress = await ended(bench, *of_type(bench, kind))

    assert (Stage.FAILED, "WorkflowFailed", code) == (
        progress.stage,
        progress.reason,
        progress.code,
    )
    assert "be done" in progress.message


async def test_termination_by_others_is_told(bench: temporal_bench.TemporalBench) -> None:
    key, work = of_type(bench, "lasts")
    adapter = bench.adapter()
    ref = await adapter.submit(key, work)
    await bench.client.get_workflow_handle(ref.name).terminate()

    progress = await adapter.status(ref)

    assert (Stage.CANCELLED, "WorkflowTerminated") == (progress.stage, progress.reason)


async def test_workflow_that_takes_too_long_has_timed_out(
    bench: temporal_bench.TemporalBench,
) -> None:
    progress = await ended(bench, *of_type(bench, "lasts", timeouts={"execution": "1s"}))

    assert (Stage.FAILED, "TimedOut", Code.RETRYABLE) == (
        progress.stage,
        progress.reason,
        progress.code,
    )


@needs_stub
async def test_timeouts_are_the_runs_and_a_little_more_than_the_controllers(
    bench: temporal_bench.TemporalBench,
) -> None:
    assert bench.server is not None
    timeouts = {"run": "1h", "task": "10s"}
    key, work = of_type(bench, "succeeds", timeouts=timeouts)
    ref = await bench.adapter().submit(key, dataclasses.replace(work, timeout_seconds=90.0))

    request = bench.server.executions[ref.name][0].request
    assert [150, 3600, 10] == [
        request.workflow_execution_timeout.seconds,
        request.workflow_run_timeout.seconds,
        request.workflow_task_timeout.seconds,
    ]


# ---------------------------------------------------------------------------------- cancelling


async def test_stubborn_workflow_is_terminated_when_its_grace_is_over(
    bench: temporal_bench.TemporalBench,
) -> None:
    key, work = of_type(bench, "stubborn")
    now = begin = clocks.utc_now()
    adapter = bench.adapter(grace_seconds=30, now=lambda: now)
    ref = await adapter.submit(key, work)
    await bench.until(adapter, ref, Stage.RUNNING)
    await adapter.cancel(ref)

    stages = []
    for seconds in (0, 29, 30):
        now = begin + dt.timedelta(seconds=seconds)
        progress = await adapter.status(ref)
        ref = progress.ref or ref
        stages.append(progress.stage)
    await bench.until(adapter, ref, Stage.CANCELLED)

    assert [Stage.CANCELLING] * 3 == stages


async def test_tombstone_that_was_left_half_done_is_finished(
    bench: temporal_bench.TemporalBench,
) -> None:
    key, work = of_type(bench, "succeeds")
    adapter = bench.adapter()
    ref = adapter.ref(key, work)
    # As by a controller that was killed before it terminated it.
    await adapter._start(ref, is_tombstone=True)  # noqa: SLF001

    submitted = await adapter.submit(key, work)
    _, seen = await bench.until(adapter, submitted, Stage.CANCELLED)
    progress = await adapter.status(submitted)

    assert [Stage.CANCELLING, Stage.CANCELLED] == seen
    assert "JobMissing" == progress.reason
    assert 0 == await bench.starts(key)


@needs_stub
async def test_tombstone_is_never_a_workers(bench: temporal_bench.TemporalBench) -> None:
    assert bench.server is not None
    key, work = of_type(bench, "succeeds")
    adapter = bench.adapter()
    ref = adapter.ref(key, work)

    await adapter.cancel(ref)

    (execution,) = bench.server.executions[ref.name]
    assert dt.timedelta(days=3650) == execution.request.workflow_start_delay.ToTimedelta()
    assert not execution.is_running


async def test_cancellation_during_a_submission_reaches_the_workflow(
    bench: temporal_bench.TemporalBench,
) -> None:
    for _ in range(5):
        key, work = of_type(bench, "lasts")
        adapter = bench.adapter()

        ref, _ = await asyncio.gather(
            adapter.submit(key, work), adapter.cancel(adapter.ref(key, work))
        )

        await bench.until(adapter, ref, Stage.CANCELLED)


# -------------------------------------------------------------------------------------- faults


@needs_stub
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Code.QUOTA),
        (grpc.StatusCode.PERMISSION_DENIED, Code.DENIED),
        (grpc.StatusCode.UNAUTHENTICATED, Code.DENIED),
        (grpc.StatusCode.INVALID_ARGUMENT, Code.TERMINAL),
        (grpc.StatusCode.FAILED_PRECONDITION, Code.TERMINAL),
        (grpc.StatusCode.UNIMPLEMENTED, Code.TERMINAL),
        (grpc.StatusCode.UNAVAILABLE, Code.RETRYABLE),
        (grpc.StatusCode.INTERNAL, Code.RETRYABLE),
        (grpc.StatusCode.UNKNOWN, Code.RETRYABLE),
        (grpc.StatusCode.ABORTED, Code.RETRYABLE),
        (grpc.StatusCode.DEADLINE_EXCEEDED, Code.RETRYABLE),
    ],
)
async def test_codes_of_refused_calls(
    bench: temporal_bench.TemporalBench, status: grpc.StatusCode, code: Code
) -> None:
    assert bench.server is not None
    key, work = of_type(bench, "succeeds")
    bench.server.refusal = status

    with pytest.raises(RuntimeFault) as caught:
        await bench.adapter().submit(key, work)

    assert code is caught.value.code


async def test_namespace_that_is_not_there_is_named(bench: temporal_bench.TemporalBench) -> None:
    key, work = of_type(bench, "succeeds", namespace="nowhere")
    adapter = bench.adapter()
    ref = adapter.ref(key, work)

    for call in (adapter.submit(key, work), adapter.status(ref), adapter.cancel(ref)):
        with pytest.raises(RuntimeFault, match="nowhere is not found") as caught:
            await call
        assert Code.NOT_FOUND is caught.value.code


async def test_id_that_temporal_does_not_take_is_refused_for_good(
    bench: temporal_bench.TemporalBench,
) -> None:
    key, work = of_type(bench, "succeeds", workflowId="x" * 1500)

    with pytest.raises(RuntimeFault) as caught:
        await bench.adapter().submit(key, work)

    assert Code.TERMINAL is caught.value.code


# ------------------------------------------------------------------ what the operator allows


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"namespace": "elsewhere"}, "a Temporal namespace that the operator allows (default)"),
        ({"taskQueue": "payroll"}, "a Temporal task queue that the operator allows (agent*)"),
        ({"taskQueue": ""}, "a Temporal task queue that the operator allows (agent*)"),
    ],
)
@needs_stub
async def test_what_the_operator_does_not_allow_is_never_asked_for(
    bench: temporal_bench.TemporalBench, settings: dict[str, Any], said: str
) -> None:
    """Neither by its submission, nor by the tombstone of its cancellation."""
    assert bench.server is not None
    access = temporal_settings.of({"temporal": {"taskQueues": ["agent*"]}}).access
    adapter = bench.adapter(access=access)
    key, work = of_type(bench, "succeeds", **settings)

    with pytest.raises(RuntimeFault) as caught:
        await adapter.submit(key, work)

    assert Code.DENIED is caught.value.code
    assert f"expected {said}, got " in str(caught.value)
    with contextlib.suppress(RuntimeFault):  # the stub knows one namespace only
        await adapter.cancel(adapter.ref(key, work))
    others = [one for name in bench.server.executions.values() for one in name]
    assert {"default"} >= {one.request.namespace for one in others}


# ------------------------------------------------------------------------- TLS and API keys

AUTHORITY = authority.new_authority("temporal", now=clocks.utc_now())


def written(folder: pathlib.Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    return str(folder / name)


@needs_stub
async def test_calls_are_by_mutual_tls_with_the_api_key_of_now(tmp_path: pathlib.Path) -> None:
    """A key renewed in its file is used from the next call on."""
    now = clocks.utc_now()
    server = authority.issue_server(AUTHORITY, ["temporal.test"], now=now)
    client = authority.issue_client(AUTHORITY, "controller", now=now)
    pair, ca = (server.key_pem, server.certificate_pem), AUTHORITY.certificate_pem
    settings = temporal_settings.of(
        {
            "temporal": {
                "tls": {
                    "caFile": written(tmp_path, "ca.crt", ca),
                    "certFile": written(tmp_path, "tls.crt", client.certificate_pem),
                    "keyFile": written(tmp_path, "tls.key", client.key_pem),
                    "serverName": "temporal.test",
                },
                "apiKeyFile": written(tmp_path, "api-key", b"first\n"),
            }
        }
    )
    tls = grpc.ssl_server_credentials([pair], ca, require_client_auth=True)
    own = TLSConfig(ca, "temporal.test", client.certificate_pem, client.key_pem)

    async with temporal_bench.opened(credentials=tls, tls=own) as bench:
        assert bench.server is not None
        adapter = bench.adapter(credentials=settings.credentials)
        key, work = bench.work(Behaviour.SUCCEEDS)
        ref = await adapter.submit(key, work)
        first = {*bench.server.api_keys}
        written(tmp_path, "api-key", b"second\n")
        bench.server.api_keys.clear()
        await adapter.status(ref)
        second = {*bench.server.api_keys}
        (tmp_path / "api-key").unlink()
        with pytest.raises(RuntimeFault, match="expected to read Temporal's credentials") as lost:
            await adapter.status(ref)

    assert ({"first"}, {"second"}) == (first, second)
    assert Code.RETRYABLE is lost.value.code


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"apiKeyFile": "/nowhere/key"}, "expected to read /nowhere/key, got No such file"),
        ({"tls": {"certFile": "x"}}, "expected certFile and keyFile, got only one of them"),
        ({"tls": False, "apiKeyFile": "/nowhere"}, "temporal.tls: expected true with apiKeyFile"),
        ({"queues": []}, "unknown field `queues`"),
        ({"namespaces": "x"}, "Expected `array | null`, got `str` - at `$.namespaces`"),
        ("x", "Expected `object`, got `str`"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(given: Any, said: str) -> None:
    with pytest.raises(ValueError, match=r"^settings: temporal") as caught:
        temporal_settings.of({"temporal": given})

    assert said in str(caught.value)


def test_api_key_is_never_sent_without_tls(tmp_path: pathlib.Path) -> None:
    path = written(tmp_path, "key", b"secret")

    found = temporal_settings.of({"temporal": {"apiKeyFile": path}}).credentials()

    assert temporal_settings.Credentials(is_tls=True, api_key="secret") == found
    assert "secret" not in repr(found)


def test_runs_may_name_the_operators_namespace_alone_unless_it_lists_others() -> None:
    own = temporal_settings.of({"temporal": {"namespace": "agents"}}).access
    listed = temporal_settings.of({"temporal": {"namespaces": ["team-*", "a[b]?"]}}).access

    names = ("agents", "default", "team-a", "a[b]?", "ab?", "a[b]c")
    assert [True, False, False, False, False, False] == [own.has_namespace(n) for n in names]
    assert [False, False, True, True, False, False] == [listed.has_namespace(n) for n in names]


def test_missing_package_says_how_to_install_it() -> None:
    code = "import sys; sys.modules['temporalio'] = None; import controllers.runs.runtimes.temporal"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.stderr.rstrip().endswith("pip install 'kubewright[temporal]'")
