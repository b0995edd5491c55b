"""Implements ``agentctl controller``: a replica of the controller. Shell: a process."""

import asyncio
import contextlib
import dataclasses
import logging
import pathlib
import signal
import socket
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Final

import uvloop

from controllers import kube, manager
from controllers.agentctl import session
from controllers.agentctl.controller import checked_options, runtimes
from controllers.agentctl.controller.controller_options import ControllerOptions
from controllers.agentctl.controller.operator_settings import SettingsFile
from controllers.agentctl.exits import CommandError, Exit
from controllers.audit import log as audit_log
from controllers.audit.metrics import Metrics as AuditMetrics
from controllers.audit.sinks import destinations
from controllers.audit.sinks.base import SinkError
from controllers.process import health_endpoints, json_log, log_writer, setup
from controllers.runs import naming
from controllers.runs.caches import Caches
from controllers.runs.runtimes.base import Runtime
from controllers.sources import service
from controllers.sources.receiving.spool import SpoolError
from schemagen import files

# Shorter than Kubernetes' grace period; a rollout proceeds once the Lease is released.
_STOP_SECONDS: Final = 1.8
_log = logging.getLogger(__name__)


def workspaces_of(given: ControllerOptions) -> pathlib.Path:
    """Return the directory of local workspaces, by default in the user's state directory."""
    return given.workspaces or (given.state_dir or files.state_directory()) / "workspaces"


def _check_folders(given: ControllerOptions) -> None:
    """Check at start-up that the directories written to later are writable.

    Raises:
        CommandError: A directory is not writable.
    """
    if given.runtime == "local":
        _check_writable(workspaces_of(given), "workspaces", "--workspaces or --state-dir")
    if given.archive is not None:
        _check_writable(given.archive, "the archive", "--archive")
    if given.spool is not None:
        _check_writable(given.spool, "the spool", "--spool")


def _check_writable(folder: pathlib.Path, what: str, option: str) -> None:
    try:
        files.make_private(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CommandError(
            f"expected a writable directory for {what}, got {error.strerror} for {folder}: "
            f"name another with {option}"
        ) from error


def run(cluster: session.Cluster, given: ControllerOptions) -> Exit:
    """Run a replica until stopped; return the exit code."""

    def act() -> Exit:
        _check_folders(given)
        # Local runs have no image.
        operator = SettingsFile(given.settings, given.image if given.runtime == "job" else "")
        options = checked_options.manager_options(given, operator.current)
        temporal = operator.current().temporal
        chosen = checked_options.runtime_options(given, workspaces_of(given), temporal)
        json_log.begin(given.log_level)
        setup.allow_deep_json()
        return uvloop.run(_replica(cluster, given, options, chosen, operator))

    return session.attempt(act)


async def _replica(
    cluster: session.Cluster,
    given: ControllerOptions,
    options: manager.Options,
    chosen: runtimes.Options,
    operator: SettingsFile,
) -> Exit:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    identity = given.identity or f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}"
    async with cluster.client(naming.MANAGER) as client:
        made: list[Runtime] = []

        def make(client: kube.Client, caches: Caches, wake: runtimes.Wake) -> list[Runtime]:
            made.extend(runtimes.build_runtimes(client, caches, wake, chosen))
            return made

        audit = _audit_log(given, identity)
        if audit is not None:
            options = dataclasses.replace(options, audit=audit.record)
        replica = manager.Manager(client, identity, make, options)
        replica.metrics.reload_failures(lambda: operator.failures)
        sources = _sources(client, given, replica, options)

        def problem() -> str:
            problems = (replica.problem, sources.problem if sources is not None else "")
            return "; ".join(filter(None, problems))

        async with contextlib.AsyncExitStack() as stack:
            await _open_audit(stack, audit, replica)
            await stack.enter_async_context(runtimes.maintain_runtimes(made))
            await stack.enter_async_context(_ready(replica, identity, given, problem))
            if sources is not None:
                await _receive(stack, sources, given)
            following = asyncio.create_task(operator.follow())
            try:
                return await _work(replica, stopped)
            finally:
                following.cancel()


def _sources(
    client: kube.Client,
    given: ControllerOptions,
    replica: manager.Manager,
    options: manager.Options,
) -> service.Service | None:
    """Return what ingests issues, and let the leader read trackers; None without a port."""
    if not options.ingests:
        return None
    sources = service.Service(
        client,
        replica.metrics.registry,
        namespace=options.namespace,
        spool=given.spool,
        github_api=given.github_api,
        audit=options.audit,
    )
    replica.while_leading.append(sources.repair)
    return sources


def _audit_log(given: ControllerOptions, identity: str) -> audit_log.AuditLog | None:
    """Return the audit log; None if there is none."""
    if not given.audit:
        return None
    try:
        return audit_log.AuditLog(destinations.sink(given.audit), identity)
    except ValueError as error:
        raise CommandError(f"{error} (--audit)") from error


async def _open_audit(
    stack: contextlib.AsyncExitStack, audit: audit_log.AuditLog | None, replica: manager.Manager
) -> None:
    """Write the audit log until the stack is closed."""
    if audit is None:
        return
    try:
        await stack.enter_async_context(audit)
    except SinkError as error:
        raise CommandError(f"{error} (--audit)") from error
    replica.metrics.registry.register(AuditMetrics(audit))


@contextlib.asynccontextmanager
async def _ready(
    replica: manager.Manager, identity: str, given: ControllerOptions, problem: Callable[[], str]
) -> AsyncIterator[None]:
    """Serve health and metrics; print a line on standard output once the caches are synced."""

    async def follow() -> None:
        await replica.synced.wait()
        # Collecting 300,000 empty lists three times would take long enough to lose the Lease.
        setup.collect_less_garbage()
        setup.standard_error().flush()
        # Supervisors wait for this line.
        show = session.say if given.audit == destinations.STANDARD_OUTPUT else session.show
        show(f"following namespace {given.namespace} as {identity}")

    following = asyncio.create_task(follow())

    async with contextlib.AsyncExitStack() as stack:
        stack.callback(following.cancel)
        shown = health_endpoints.listening(
            given.host, given.health, replica.metrics.registry, problem
        )
        try:
            where = await stack.enter_async_context(shown)
        except OSError as error:
            raise CommandError(
                f"expected a free port for --health {given.health} at {given.host}: {error}"
            ) from error
        _log.info("health and metrics", extra={"url": where})
        replica.metrics.registry.register(log_writer.Losses({"stderr": setup.standard_error()}))
        yield


async def _receive(
    stack: contextlib.AsyncExitStack, sources: service.Service, given: ControllerOptions
) -> None:
    """Receive deliveries of issue trackers until the stack is closed."""
    try:
        await stack.enter_async_context(sources.serving(given.host, given.sources_port or 0))
    except SpoolError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(
            f"expected a free port for --sources-port {given.sources_port} at {given.host}: {error}"
        ) from error


async def _work(replica: manager.Manager, stopped: asyncio.Event) -> Exit:
    """Run until stopped, or until the Lease is lost."""
    running = asyncio.ensure_future(replica.run())
    stopping = asyncio.ensure_future(stopped.wait())
    await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if running.done():
        return _failed(running)
    _log.info("stopping")
    running.cancel()
    await asyncio.wait([running], timeout=_STOP_SECONDS)
    return Exit.OK


def _failed(running: asyncio.Future[None]) -> Exit:
    """Report why a replica stopped on its own."""
    error = running.exception()
    if isinstance(error, kube.LostError):
        session.complain(f"{error}: another replica leads or will take over; restart this one")
    else:
        _log.error("the controller failed", exc_info=error)
        session.complain(f"the controller failed: {error!r}; see the log for the traceback")
    return Exit.UNSATISFIED
