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
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import uvloop

from controllers import kube, ledger, manager
from controllers.agentctl import session
from controllers.agentctl.controller import runtimes
from controllers.agentctl.controller.operator_settings import SettingsFile
from controllers.agentctl.exits import CommandError, Exit
from controllers.process import health_endpoints, json_log, log_writer, setup
from controllers.runs import naming
from controllers.runs.caches import Caches
from controllers.runs.retention.archive import FileArchive
from controllers.runs.runtimes import temporal_settings
from controllers.runs.runtimes.base import Runtime
from schemagen.files import make_private

ALL: Final = "all"
"""All namespaces, as a value of ``--namespace``."""
# Shorter than Kubernetes' grace period; a rollout proceeds once the Lease is released.
_STOP_SECONDS: Final = 1.8
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The options as given.

    Attributes:
        namespace: Namespace whose runs are reconciled, or «all».
        limits: Per namespace, per agent, for the cluster.
        timing: Lease duration, renew deadline and retry period, in seconds.
        settings: The operator's file.
        identity: Of this replica; generated if empty.
        host: Listen address of health and metrics.
        port: Their port; 0 picks a free one.
        archive: Directory of the archive of deleted runs.
        no_archive: Whether runs are deleted without archiving.
    """

    home: str
    namespace: str
    limits: tuple[int, int, int]
    timing: tuple[float, float, float]
    workers: int
    settings: pathlib.Path | None
    identity: str
    host: str
    port: int
    log_level: str
    runtimes: runtimes.Options
    archive: pathlib.Path | None = None
    no_archive: bool = False

    def options(self, operator: SettingsFile) -> manager.Options:
        """Return the manager's options.

        Args:
            operator: Reloads the operator's file.

        Raises:
            CommandError: An option is invalid.
        """
        try:
            return manager.Options(
                home=self.home,
                namespace=None if self.namespace == ALL else self.namespace,
                limits=ledger.Limits(*self.limits),
                workers=self.workers,
                timing=kube.Timing(*self.timing),
                settings=operator.current,
                archive=FileArchive(self.archive) if self.archive else None,
                no_archive=self.no_archive,
            )
        except ValueError as error:
            raise CommandError(str(error)) from error


def _runtime_options(settings: Settings, operator: Mapping[str, Any]) -> runtimes.Options:
    """Return the runtime options, with the settings of the operator's file.

    Raises:
        CommandError: The settings are invalid.
    """
    try:
        temporal = temporal_settings.of(operator)
    except ValueError as error:
        raise CommandError(str(error)) from error
    return dataclasses.replace(settings.runtimes, temporal_settings=temporal)


def _check_folders(settings: Settings) -> None:
    """Check at start-up that the directories written to later are writable.

    Raises:
        CommandError: A directory is not writable.
    """
    if settings.runtimes.jobs == "local":
        _check_writable(settings.runtimes.workspaces, "workspaces", "--workspaces or --state-dir")
    if settings.archive is not None:
        _check_writable(settings.archive, "the archive", "--archive")


def _check_writable(folder: pathlib.Path, what: str, option: str) -> None:
    try:
        make_private(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CommandError(
            f"expected a writable directory for {what}, got {error.strerror} for {folder}: "
            f"name another with {option}"
        ) from error


def run(cluster: session.Cluster, settings: Settings) -> Exit:
    """Run a replica until stopped; return the exit code."""

    def act() -> Exit:
        _check_folders(settings)
        operator = SettingsFile(settings.settings, settings.runtimes.pod_image)
        options = settings.options(operator)
        chosen = _runtime_options(settings, {"temporal": operator.current().temporal})
        json_log.begin(settings.log_level)
        setup.allow_deep_json()
        return uvloop.run(_replica(cluster, settings, options, chosen, operator))

    return session.attempt(act)


async def _replica(
    cluster: session.Cluster,
    settings: Settings,
    options: manager.Options,
    chosen: runtimes.Options,
    operator: SettingsFile,
) -> Exit:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    identity = settings.identity or f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}"
    async with cluster.client(naming.MANAGER) as client:
        made: list[Runtime] = []

        def make(client: kube.Client, caches: Caches, wake: runtimes.Wake) -> list[Runtime]:
            made.extend(runtimes.build_runtimes(client, caches, wake, chosen))
            return made

        replica = manager.Manager(client, identity, make, options)
        replica.metrics.reload_failures(lambda: operator.failures)
        async with runtimes.maintain_runtimes(made), _ready(replica, identity, settings):
            following = asyncio.create_task(operator.follow())
            try:
                return await _work(replica, stopped)
            finally:
                following.cancel()


@contextlib.asynccontextmanager
async def _ready(
    replica: manager.Manager, identity: str, settings: Settings
) -> AsyncIterator[None]:
    """Serve health and metrics; print a line on standard output once the caches are synced."""

    async def follow() -> None:
        await replica.synced.wait()
        # Collecting 300,000 empty lists three times would take long enough to lose the Lease.
        setup.collect_less_garbage()
        setup.standard_error().flush()
        # Supervisors wait for this line.
        session.show(f"following namespace {settings.namespace} as {identity}")

    following = asyncio.create_task(follow())

    async with contextlib.AsyncExitStack() as stack:
        stack.callback(following.cancel)
        shown = health_endpoints.listening(
            settings.host, settings.port, replica.metrics.registry, lambda: replica.problem
        )
        try:
            where = await stack.enter_async_context(shown)
        except OSError as error:
            raise CommandError(
                f"expected a free port for --health {settings.port} at {settings.host}: {error}"
            ) from error
        _log.info("health and metrics", extra={"url": where})
        replica.metrics.registry.register(log_writer.Losses({"stderr": setup.standard_error()}))
        yield


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
