"""A Temporal server: a stub of its public gRPC protocol, or the one that TEMPORAL_ADDRESS names.

The stub speaks ``temporal.api.workflowservice.v1.WorkflowService`` as far as the adapter uses it,
and plays the worker too. Its rules for workflow ids, start delays and errors are those of Temporal
1.31, with which the same tests pass (TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE).
"""

import asyncio
import collections
import contextlib
import dataclasses
import datetime as dt
import json
import os
import pathlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, NoReturn, TypeAlias

import grpc
import grpc.aio
from google.protobuf import any_pb2
from temporalio import workflow
from temporalio.api.common import v1 as common
from temporalio.api.enums import v1 as enums
from temporalio.api.errordetails import v1 as errordetails
from temporalio.api.failure import v1 as failure
from temporalio.api.history import v1 as history
from temporalio.api.workflow import v1 as workflows
from temporalio.api.workflowservice import v1 as service
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from controllers.runs import naming
from controllers.runs.runtimes import temporal
from controllers.runs.runtimes.base import Key
from tests.support.custom_bench import talking
from tests.support.runtime_bench import Behaviour, Bench, Broken

SERVICE = "temporal.api.workflowservice.v1.WorkflowService"
QUEUE = "agents"
ADDRESS = os.environ.get("TEMPORAL_ADDRESS", "")
SERVER_NAMESPACE = os.environ.get("TEMPORAL_NAMESPACE", "default")
RESULT = {"artifacts": [{"name": "report", "url": "https://example.dev/report"}]}
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Status = enums.WorkflowExecutionStatus


# ----------------------------------------------------------------- workflows, on a real server

# By the key in a workflow's memo, the runs that a worker has seen.
_seen: dict[str, set[str]] = collections.defaultdict(set)


def _note() -> None:
    key = workflow.memo_value(naming.KEY_ANNOTATION, default="")
    _seen[key].add(workflow.info().run_id)


@workflow.defn(name="succeeds", sandboxed=False)
class Succeeds:
    @workflow.run
    async def run(self, run: dict[str, Any]) -> dict[str, Any]:
        del run
        _note()
        await asyncio.sleep(0.05)
        return RESULT


@workflow.defn(name="continues", sandboxed=False)
class Continues:
    @workflow.run
    async def run(self, run: dict[str, Any]) -> str:
        _note()
        if "again" not in run:
            workflow.continue_as_new({**run, "again": True})
        await asyncio.sleep(0.2)
        return "done"


@workflow.defn(name="fails", sandboxed=False)
class Fails:
    @workflow.run
    async def run(self, run: dict[str, Any]) -> None:
        del run
        _note()
        raise ApplicationError("it could not be done")


@workflow.defn(name="hopeless", sandboxed=False)
class Hopeless:
    @workflow.run
    async def run(self, run: dict[str, Any]) -> None:
        del run
        _note()
        raise ApplicationError("it never will be done", non_retryable=True)


@workflow.defn(name="lasts", sandboxed=False)
class Lasts:
    @workflow.run
    async def run(self, run: dict[str, Any]) -> None:
        del run
        _note()
        await asyncio.sleep(300)


@workflow.defn(name="stubborn", sandboxed=False)
class Stubborn:
    @workflow.run
    async def run(self, run: dict[str, Any]) -> None:
        del run
        _note()
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(300)


WORKFLOWS = [Succeeds, Continues, Fails, Hopeless, Lasts, Stubborn]


# ------------------------------------------------------------------------------------ the stub


@dataclasses.dataclass
class Execution:
    """A run of a workflow."""

    request: service.StartWorkflowExecutionRequest
    first: str = ""
    id: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))
    status: int = Status.WORKFLOW_EXECUTION_STATUS_RUNNING
    events: int = 2
    is_told: bool = False
    started: dt.datetime = dataclasses.field(default_factory=lambda: dt.datetime.now(dt.UTC))
    closed: dt.datetime | None = None

    @property
    def is_running(self) -> bool:
        return self.status == Status.WORKFLOW_EXECUTION_STATUS_RUNNING

    @property
    def is_late(self) -> bool:
        limit = self.request.workflow_execution_timeout.ToTimedelta()
        return bool(limit) and dt.datetime.now(dt.UTC) - self.started > limit

    def close(self, status: int) -> None:
        self.status, self.closed = status, dt.datetime.now(dt.UTC)
        self.events += 1


class Server:
    """The part of a frontend that the adapter talks to, with a worker built in.

    Attributes:
        refusal: What every call but the first handshake is answered with, if anything.
        api_keys: Those that were shown, in their order.
    """

    def __init__(self) -> None:
        self.executions: dict[str, list[Execution]] = collections.defaultdict(list)
        self.tasks: set[asyncio.Task[None]] = set()
        self.starts: dict[str, int] = collections.defaultdict(int)
        self.refusal: grpc.StatusCode | None = None
        self.has_worker = True
        self.api_keys: list[str] = []

    async def system_info(
        self, request: service.GetSystemInfoRequest, context: Context
    ) -> service.GetSystemInfoResponse:
        del request, context
        return service.GetSystemInfoResponse()

    async def start(
        self, request: service.StartWorkflowExecutionRequest, context: Context
    ) -> service.StartWorkflowExecutionResponse:
        await self._check(request.namespace, context)
        if not 0 < len(request.workflow_id) <= 1000:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, "WorkflowId length exceeds limit."
            )
        known = self.executions[request.workflow_id]
        if known and known[-1].is_running:
            policy = enums.WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
            assert request.workflow_id_conflict_policy == policy
            return service.StartWorkflowExecutionResponse(run_id=known[-1].id)
        rejects = enums.WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
        if known and request.workflow_id_reuse_policy == rejects:
            detail = errordetails.WorkflowExecutionAlreadyStartedFailure(run_id=known[-1].id)
            await _refuse(context, grpc.StatusCode.ALREADY_EXISTS, "already started", detail)
        execution = Execution(request)
        execution.first = execution.id
        known.append(execution)
        if request.workflow_start_delay.seconds:
            execution.events = 1
        else:
            self._work(execution)
        return service.StartWorkflowExecutionResponse(run_id=execution.id, started=True)

    async def describe(
        self, request: service.DescribeWorkflowExecutionRequest, context: Context
    ) -> service.DescribeWorkflowExecutionResponse:
        await self._check(request.namespace, context)
        found = await self._found(request.execution, context)
        info = workflows.WorkflowExecutionInfo(
            execution=common.WorkflowExecution(
                workflow_id=found.request.workflow_id, run_id=found.id
            ),
            type=found.request.workflow_type,
            status=Status.ValueType(found.status),
            history_length=found.events,
            memo=found.request.memo,
            task_queue=found.request.task_queue.name,
            first_run_id=found.first,
        )
        info.start_time.FromDatetime(found.started)
        info.execution_time.FromDatetime(
            found.started + found.request.workflow_start_delay.ToTimedelta()
        )
        if found.closed is not None:
            info.close_time.FromDatetime(found.closed)
        extended = workflows.WorkflowExecutionExtendedInfo(cancel_requested=found.is_told)
        return service.DescribeWorkflowExecutionResponse(
            workflow_execution_info=info, workflow_extended_info=extended
        )

    async def cancel(
        self, request: service.RequestCancelWorkflowExecutionRequest, context: Context
    ) -> service.RequestCancelWorkflowExecutionResponse:
        await self._check(request.namespace, context)
        found = await self._found(request.workflow_execution, context)
        found.is_told = found.is_told or found.is_running
        return service.RequestCancelWorkflowExecutionResponse()

    async def terminate(
        self, request: service.TerminateWorkflowExecutionRequest, context: Context
    ) -> service.TerminateWorkflowExecutionResponse:
        await self._check(request.namespace, context)
        found = await self._found(request.workflow_execution, context)
        if not found.is_running:
            detail = errordetails.NotFoundFailure()
            await _refuse(context, grpc.StatusCode.NOT_FOUND, "already completed", detail)
        found.close(Status.WORKFLOW_EXECUTION_STATUS_TERMINATED)
        return service.TerminateWorkflowExecutionResponse()

    async def history(
        self, request: service.GetWorkflowExecutionHistoryRequest, context: Context
    ) -> service.GetWorkflowExecutionHistoryResponse:
        await self._check(request.namespace, context)
        found = await self._found(request.execution, context)
        return service.GetWorkflowExecutionHistoryResponse(
            history=history.History(events=[_closing(found)])
        )

    def handler(self) -> grpc.GenericRpcHandler:
        """The methods by their names in the protocol."""
        methods: dict[str, Callable[..., Any]] = {
            "GetSystemInfo": self.system_info,
            "StartWorkflowExecution": self.start,
            "DescribeWorkflowExecution": self.describe,
            "RequestCancelWorkflowExecution": self.cancel,
            "TerminateWorkflowExecution": self.terminate,
            "GetWorkflowExecutionHistory": self.history,
        }
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                method,
                request_deserializer=getattr(service, f"{name}Request").FromString,
                response_serializer=getattr(service, f"{name}Response").SerializeToString,
            )
            for name, method in methods.items()
        }
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _check(self, namespace: str, context: Context) -> None:
        shown = dict(context.invocation_metadata() or ()).get("authorization", "")
        self.api_keys.append(str(shown).removeprefix("Bearer "))
        if self.refusal is not None:
            await context.abort(self.refusal, "as the test wants it")
        if namespace != "default":
            detail = errordetails.NamespaceNotFoundFailure(namespace=namespace)
            message = f"Namespace {namespace} is not found."
            await _refuse(context, grpc.StatusCode.NOT_FOUND, message, detail)

    async def _found(self, execution: common.WorkflowExecution, context: Context) -> Execution:
        known = self.executions[execution.workflow_id]
        for each in reversed(known):
            if execution.run_id in {"", each.id}:
                return each
        detail = errordetails.NotFoundFailure()
        return await _refuse(context, grpc.StatusCode.NOT_FOUND, "workflow not found", detail)

    def _work(self, execution: Execution) -> None:
        if self.has_worker:
            task = asyncio.create_task(self._worker(execution))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _worker(self, execution: Execution) -> None:
        """What a worker and its workflow would do."""
        await asyncio.sleep(0.03)
        payload = execution.request.memo.fields.get(naming.KEY_ANNOTATION)
        self.starts[json.loads(payload.data) if payload else ""] += 1
        execution.events, kind = 4, execution.request.workflow_type.name
        await asyncio.sleep(0.06)
        match kind:
            case "lasts" | "stubborn":
                while kind == "stubborn" or not execution.is_told:
                    await asyncio.sleep(0.02)
                    if execution.is_late:
                        execution.close(Status.WORKFLOW_EXECUTION_STATUS_TIMED_OUT)
                    if not execution.is_running:
                        return
                execution.close(Status.WORKFLOW_EXECUTION_STATUS_CANCELED)
            case "continues" if execution.id == execution.first:
                execution.close(Status.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW)
                after = Execution(execution.request, first=execution.first)
                self.executions[execution.request.workflow_id].append(after)
                self._work(after)
            case "fails" | "hopeless":
                execution.close(Status.WORKFLOW_EXECUTION_STATUS_FAILED)
            case _:
                execution.close(Status.WORKFLOW_EXECUTION_STATUS_COMPLETED)


def _closing(execution: Execution) -> history.HistoryEvent:
    """The last event of a history, as its kind of end has it."""
    kind, event = execution.request.workflow_type.name, history.HistoryEvent(event_id=7)
    if execution.status == Status.WORKFLOW_EXECUTION_STATUS_FAILED:
        event.workflow_execution_failed_event_attributes.failure.CopyFrom(
            failure.Failure(
                message="it could not be done",
                application_failure_info=failure.ApplicationFailureInfo(
                    type="Refused", non_retryable=kind == "hopeless"
                ),
            )
        )
        return event
    odd = common.Payload(metadata={"encoding": b"binary/encrypted"}, data=b"\x00\x01")
    plain = common.Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(RESULT).encode())
    payloads = [odd if kind == "secretive" else plain]
    event.workflow_execution_completed_event_attributes.result.payloads.extend(payloads)
    return event


async def _refuse(context: Context, code: grpc.StatusCode, message: str, detail: Any) -> NoReturn:
    """Refuse with details, as Temporal's frontend does."""
    packed = any_pb2.Any()
    packed.Pack(detail)
    status = common.GrpcStatus(code=code.value[0], message=message, details=[packed])
    await context.abort(code, message, (("grpc-status-details-bin", status.SerializeToString()),))


# ----------------------------------------------------------------------------------- the bench


class TemporalBench(Bench):
    """Attributes:
    server: The stub; None with a real server.
    """

    def __init__(
        self,
        address: str,
        server: Server | None,
        stack: contextlib.AsyncExitStack,
        client: Client,
    ) -> None:
        self.address, self.server, self.stack, self.client = address, server, stack, client

    def adapter(self, **options: Any) -> temporal.Temporal:
        settings = {"namespace": SERVER_NAMESPACE if self.server is None else "default", **options}
        return temporal.Temporal(settings.pop("address", self.address), **settings)

    def spec(self, behaviour: Behaviour) -> dict[str, Any]:
        return spec(behaviour.value)

    async def starts(self, key: Key) -> int:
        return len(_seen[key]) if self.server is None else self.server.starts[key]

    def broken(self) -> Mapping[str, Callable[[], Awaitable[Broken]]]:
        return {
            "garbage": lambda: self._at(b"\x00\xff garbage\r\n\r\n"),
            "HTTP/1.1": lambda: self._at(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            "vanishing": lambda: self._at(b""),
            "silent": lambda: self._at(b"", hangs=True),
            "no address": self._nowhere,
        }

    async def _at(self, said: bytes, *, hangs: bool = False) -> Broken:
        origin = await self.stack.enter_async_context(talking(said, hangs=hangs))
        return self._broken(origin.removeprefix("http://"))

    async def _nowhere(self) -> Broken:
        return self._broken("no address at all")

    def _broken(self, address: str) -> Broken:
        adapter = self.adapter(address=address, deadline_seconds=0.5)
        key, piece = self.work(Behaviour.SUCCEEDS)
        return Broken(adapter, piece, adapter.ref(key, piece))


def spec(kind: str, **settings: Any) -> dict[str, Any]:
    """A run's spec for a type of workflow."""
    chosen = {"workflowType": kind, "taskQueue": QUEUE, **settings}
    return {"runtime": {"type": "Temporal", "temporal": chosen}}


@contextlib.asynccontextmanager
async def opened(
    _: pathlib.Path | None = None,
    *,
    credentials: grpc.ServerCredentials | None = None,
    **options: Any,
) -> AsyncIterator[TemporalBench]:
    """A bench on the stub, or on a real server.

    Args:
        credentials: Of the stub's TLS; it has none without.
        options: Of the test's own client.
    """
    async with contextlib.AsyncExitStack() as stack:
        if ADDRESS:
            client = await Client.connect(ADDRESS, namespace=SERVER_NAMESPACE)
            runner = UnsandboxedWorkflowRunner()
            worker = Worker(client, task_queue=QUEUE, workflows=WORKFLOWS, workflow_runner=runner)
            await stack.enter_async_context(worker)
            yield TemporalBench(ADDRESS, None, stack, client)
            return
        server, frontend = Server(), grpc.aio.server()
        frontend.add_generic_rpc_handlers((server.handler(),))
        host = "127.0.0.1"
        port = (
            frontend.add_insecure_port(f"{host}:0")
            if credentials is None
            else frontend.add_secure_port(f"{host}:0", credentials)
        )
        address = f"{host}:{port}"
        await frontend.start()
        try:
            client = await Client.connect(address, **options)
            yield TemporalBench(address, server, stack, client)
        finally:
            await server.close()
            await frontend.stop(None)
