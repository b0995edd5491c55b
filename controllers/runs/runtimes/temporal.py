"""The runtime ``Temporal``: one Temporal workflow per attempt. Shell: gRPC, by Temporal's SDK.

Optional (``kubewright[temporal]``). A workflow's owner is in its memo, because a workflow ID may
belong to another; and an ID that must not start any more is reserved by a workflow that no worker
ever receives: its start is delayed by years, and it is terminated at once.
"""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from controllers.kube import clocks
from controllers.runs import json_access
from controllers.runs.runtimes import egress, outcomes, reports
from controllers.runs.runtimes.base import (
    GRACE_SECONDS,
    JSON,
    Code,
    Key,
    Progress,
    Ref,
    Runtime,
    RuntimeFault,
    Stage,
    Work,
)
from controllers.runs.runtimes.temporal_settings import DEFAULT_NAMESPACE, Access, Credentials

try:
    import temporalio.api.errordetails.v1
    import temporalio.client
    import temporalio.exceptions
    from temporalio.client import WorkflowExecutionDescription, WorkflowExecutionStatus
    from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
    from temporalio.service import RetryConfig, RPCError, RPCStatusCode, TLSConfig
except ImportError as error:
    raise ImportError(
        f"expected Temporal's SDK for runtime.type Temporal, got none ({error}): "
        "pip install 'kubewright[temporal]'"
    ) from error

# Imports the SDK, too.
from controllers.runs.runtimes import temporal_executions

_log = logging.getLogger(__name__)
ANY: Final = Access()
_MIN_SECONDS, _MAX_SECONDS = 1.0, 30.0
_CANCELLED_AT: Final = "cancelledAt"
_CODES: Final = {
    RPCStatusCode.RESOURCE_EXHAUSTED: Code.QUOTA,
    RPCStatusCode.NOT_FOUND: Code.NOT_FOUND,
    RPCStatusCode.PERMISSION_DENIED: Code.DENIED,
    RPCStatusCode.UNAUTHENTICATED: Code.DENIED,
    RPCStatusCode.INVALID_ARGUMENT: Code.TERMINAL,
    RPCStatusCode.FAILED_PRECONDITION: Code.TERMINAL,
    RPCStatusCode.OUT_OF_RANGE: Code.TERMINAL,
    RPCStatusCode.ALREADY_EXISTS: Code.TERMINAL,
    RPCStatusCode.UNIMPLEMENTED: Code.TERMINAL,
}


class Temporal(Runtime):
    """Executes runs as Temporal workflows.

    Args:
        address: Of Temporal's frontend, as ``HOST:PORT``.
        namespace: Default namespace of runs.
        access: Namespaces and task queues that runs may use.
        credentials: Returns the credentials, before each call.
        grace_seconds: Between cancellation and termination of a workflow.
        deadline_seconds: For all calls of one method.
        now: The wall clock.
    """

    type = "Temporal"
    is_collected = False
    is_external = True

    def __init__(
        self,
        address: str,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        access: Access = ANY,
        credentials: Callable[[], Credentials] = Credentials,
        grace_seconds: float = GRACE_SECONDS,
        deadline_seconds: float = 10.0,
        now: Callable[[], dt.datetime] = clocks.utc_now,
    ) -> None:
        self._address, self._namespace = address, namespace
        self._access, self._credentials = access, credentials
        self._grace = dt.timedelta(seconds=grace_seconds)
        self._deadline_seconds, self._now = deadline_seconds, now
        self._connected: temporalio.client.Client | None = None
        self._connected_with: Credentials | None = None

    def ref(self, key: Key, work: Work) -> Ref:
        """Return the workflow ID and its Temporal namespace; the ID differs if another owns it."""
        return Ref(
            type=self.type,
            key=key,
            work=work,
            name=temporal_executions.ids(work)[0],
            namespace=temporal_executions.config(work).get("namespace") or self._namespace,
        )

    async def submit(self, key: Key, work: Work) -> Ref:
        """Start the workflow, or return the existing one."""
        ref = self.ref(key, work)
        self._access.check(ref.namespace, temporal_executions.config(work).get("taskQueue") or "")
        async with self._deadline():
            execution = await self._find(ref) or await self._start(ref, is_tombstone=False)
        if execution is None:
            raise RuntimeFault(
                Code.TERMINAL,
                f"expected workflow {ref.name!r} of namespace {ref.namespace!r} to be unused or "
                "owned by this run, got another owner",
            )
        return dataclasses.replace(
            ref, name=execution.id, uid=temporal_executions.first_run(execution)
        )

    async def status(self, ref: Ref) -> Progress:
        """Return the workflow's status, with its result once it has completed."""
        async with self._deadline():
            execution = await self._find(ref)
            if execution is None:
                return Progress(stage=Stage.MISSING)
            if execution.status is WorkflowExecutionStatus.RUNNING:
                return await self._running(ref, execution)
            return await self._ended(ref, execution)

    async def cancel(self, ref: Ref) -> None:
        """Request cancellation; ``status`` terminates the workflow after the grace period."""
        async with self._deadline():
            execution = await self._find(ref)
            # No ID has to be reserved if submissions are not allowed.
            if execution is None and self._access.has_namespace(ref.namespace):
                execution = await self._start(ref, is_tombstone=True)
            # If another workflow has the ID, no submission can start anything.
            if execution is None or execution.status is not WorkflowExecutionStatus.RUNNING:
                return
            if temporal_executions.is_tombstone(execution):
                await self._terminate(ref, execution)
            else:
                await self._handle(ref.namespace, execution).cancel()

    # ----------------------------------------------------------------------- calls

    async def _find(self, ref: Ref) -> WorkflowExecutionDescription | None:
        """Return the latest run of our workflow, under any of its IDs."""
        client = await self._client(ref.namespace)
        for name in dict.fromkeys((ref.name, *temporal_executions.ids(ref.work))):
            execution = await _describe(client, name)
            if execution is not None and await _is_chained(client, execution, ref):
                return execution
        # Another owner's workflow started under our ID after ours had ended.
        execution = await _describe(client, ref.name, ref.uid) if ref.uid else None
        return (
            execution
            if execution is not None and temporal_executions.is_ours(execution, ref)
            else None
        )

    async def _start(self, ref: Ref, *, is_tombstone: bool) -> WorkflowExecutionDescription | None:
        """Start the workflow under the first of its IDs that no other owner has."""
        client = await self._client(ref.namespace)
        config = temporal_executions.config(ref.work)
        for name in temporal_executions.ids(ref.work):
            with contextlib.suppress(temporalio.exceptions.WorkflowAlreadyStartedError):
                await client.start_workflow(
                    config.get("workflowType") or "Tombstone",
                    ref.work.run_json,
                    id=name,
                    task_queue=config.get("taskQueue") or "tombstones",
                    # Any existing workflow keeps the ID, running or closed.
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    memo={
                        temporal_executions.MEMO_KEY: ref.key,
                        **({temporal_executions.MEMO_TOMBSTONE: "true"} if is_tombstone else {}),
                    },
                    **temporal_executions.timeouts(ref.work, is_tombstone=is_tombstone),
                )
            execution = await _describe(client, name)
            if execution is not None and temporal_executions.is_ours(execution, ref):
                return execution
        return None

    async def _running(self, ref: Ref, execution: WorkflowExecutionDescription) -> Progress:
        if temporal_executions.is_tombstone(execution):
            await self._terminate(ref, execution)
            return Progress(stage=Stage.CANCELLING, requeue_after_seconds=_MIN_SECONDS)
        now = self._now()
        elapsed = (now - execution.start_time).total_seconds()
        progress = Progress(
            stage=temporal_executions.running_stage(execution),
            started=execution.execution_time or execution.start_time,
            requeue_after_seconds=min(max(elapsed / 10, _MIN_SECONDS), _MAX_SECONDS),
        )
        if progress.stage is Stage.PENDING:
            message = f"Waiting for a worker of task queue {execution.task_queue!r}."
            return dataclasses.replace(progress, message=message[: temporal_executions.MAX_MESSAGE])
        if progress.stage is not Stage.CANCELLING:
            return progress
        since = ref.extra.get(_CANCELLED_AT)
        if since is None:
            extra = {**ref.extra, _CANCELLED_AT: now.isoformat()}
            ref = dataclasses.replace(ref, extra=extra)
        elif now - dt.datetime.fromisoformat(since) >= self._grace:
            await self._terminate(ref, execution)
        return dataclasses.replace(progress, ref=ref, requeue_after_seconds=_MIN_SECONDS)

    async def _ended(self, ref: Ref, execution: WorkflowExecutionDescription) -> Progress:
        progress = temporal_executions.ended(execution)
        if execution.status is WorkflowExecutionStatus.COMPLETED:
            value, _ = await self._outcome(ref, execution)
            listed = json_access.at(value, "artifacts")
            files = reports.files({"artifacts": {"outputArtifacts": listed}})
            said = reports.runner(value) if isinstance(value, dict) else None
            outcome = outcomes.of_report(said or {})
            return dataclasses.replace(
                progress,
                stage=outcome.stage,
                reason=outcome.reason,
                message=outcome.message[: temporal_executions.MAX_MESSAGE],
                code=outcome.code,
                artifacts=files.artifacts,
                artifacts_omitted=files.omitted,
            )
        if execution.status is WorkflowExecutionStatus.FAILED:
            _, cause = await self._outcome(ref, execution)
            message, code = temporal_executions.failure(cause)
            return dataclasses.replace(progress, message=message, code=code)
        return progress

    async def _outcome(
        self, ref: Ref, execution: WorkflowExecutionDescription
    ) -> tuple[JSON, BaseException | None]:
        """Return the workflow's result or failure; neither if unreadable."""
        try:
            return await self._handle(ref.namespace, execution).result(follow_runs=False), None
        except temporalio.client.WorkflowFailureError as error:
            return None, error.cause
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        # Encoded by the worker in a custom format.
        except (RuntimeError, LookupError, ValueError, TypeError):
            pass
        return None, None

    async def _terminate(self, ref: Ref, execution: WorkflowExecutionDescription) -> None:
        try:
            handle = self._handle(ref.namespace, execution)
            await handle.terminate(reason="cancelled, but did not end within the grace period")
        except RPCError as error:
            # Ended meanwhile.
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise

    def _handle(
        self, namespace: str, execution: WorkflowExecutionDescription
    ) -> "temporalio.client.WorkflowHandle[Any, Any]":
        """Return a handle of the run; requests apply to the whole chain of runs."""
        assert self._connected is not None  # noqa: S101 - set by _find
        client = temporalio.client.Client(self._connected.service_client, namespace=namespace)
        return client.get_workflow_handle(execution.id, run_id=execution.run_id)

    async def _client(self, namespace: str) -> temporalio.client.Client:
        credentials = self._current_credentials()
        if self._connected is None or credentials != self._connected_with:
            self._connected = await temporalio.client.Client.connect(
                self._address,
                namespace=self._namespace,
                tls=_tls(credentials),
                api_key=credentials.api_key,
                # The caller retries, and sets the deadline.
                retry_config=RetryConfig(max_retries=1),
                lazy=True,
            )
            self._connected_with = credentials
        return temporalio.client.Client(self._connected.service_client, namespace=namespace)

    def _current_credentials(self) -> Credentials:
        try:
            return self._credentials()
        except OSError as error:
            _log.warning("reading Temporal's credentials failed: %s", error)
            raise RuntimeFault(
                Code.RETRYABLE,
                "expected to read Temporal's credentials, got an error (see the controller's log)",
            ) from error

    @contextlib.asynccontextmanager
    async def _deadline(self) -> AsyncIterator[None]:
        """Apply the deadline, and translate errors."""
        try:
            async with asyncio.timeout(self._deadline_seconds):
                yield
        except TimeoutError as error:
            raise RuntimeFault(
                Code.RETRYABLE,
                f"expected Temporal to respond within {self._deadline_seconds:g} s, got none",
            ) from error
        except RPCError as error:
            raise RuntimeFault(_CODES.get(error.status, Code.RETRYABLE), _said(error)) from error
        except ValueError as error:
            raise RuntimeFault(Code.TERMINAL, f"expected HOST:PORT, got: {error}") from error
        # The SDK raises RuntimeError for an unreachable server.
        except (RuntimeError, temporalio.exceptions.TemporalError) as error:
            raise RuntimeFault(Code.RETRYABLE, _said(error)) from error


async def _describe(
    client: temporalio.client.Client, name: str, run: str | None = None
) -> WorkflowExecutionDescription | None:
    try:
        return await client.get_workflow_handle(name, run_id=run).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND or _is_namespace_missing(error):
            raise
        return None


# ---------------------------------------------------------------------------------------- pure


def _tls(credentials: Credentials) -> bool | TLSConfig:
    if not credentials.is_tls:
        return False
    return TLSConfig(
        server_root_ca_cert=credentials.ca,
        domain=credentials.server_name or None,
        client_cert=credentials.certificate,
        client_private_key=credentials.key,
    )


async def _is_chained(
    client: temporalio.client.Client, execution: WorkflowExecutionDescription, ref: Ref
) -> bool:
    """Return whether a run of a workflow is ours, or continues one that is, without its memo."""
    if temporal_executions.is_ours(execution, ref):
        return True
    if temporal_executions.first_run(execution) == execution.run_id:
        return False
    first = await _describe(client, execution.id, temporal_executions.first_run(execution))
    return first is not None and temporal_executions.is_ours(first, ref)


def _is_namespace_missing(error: RPCError) -> bool:
    missing = temporalio.api.errordetails.v1.NamespaceNotFoundFailure.DESCRIPTOR
    return any(detail.Is(missing) for detail in error.grpc_status.details)


def _said(error: Exception) -> str:
    return egress.text(f"Temporal: {error}", temporal_executions.MAX_MESSAGE)
