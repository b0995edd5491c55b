"""What ``agentctl controller`` does: one replica of the controller. Shell: a process."""

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
from controllers.agentctl import journal, runtimes, session
from controllers.agentctl.exits import CommandError, Exit
from controllers.agentctl.operator_settings import SettingsFile
from controllers.runs.archive import FileArchive
from controllers.runs.caches import Caches
from controllers.runs.interpreter import MANAGER
from controllers.runs.runtimes import temporal_settings
from controllers.runs.runtimes.base import Runtime
from schemagen.files import make_private
from webhooks import log_writer, probes, process

ALL: Final = "all"
"""Every namespace, as ``--namespace`` says it."""
# Kubernetes waits longer; a rollout goes on when the Lease is released.
_STOP_SECONDS: Final = 1.8
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The options, as they were given.

    Attributes:
        namespace: Whose runs are looked after, or «all».
        limits: Of a namespace, an agent, the cluster.
        timing: Seconds of the Lease: until another takes it, to renew it in, between attempts.
        settings: The operator's file.
        identity: Of this replica; empty is made up.
        host: Where health and metrics are.
        port: Likewise; 0 takes a free one.
        archive: Folder of the archive of deleted runs.
        no_archive: Whether runs are deleted without one.
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
        """As the manager takes them.

        Args:
            operator: Follows the operator's file.

        Raises:
            CommandError: One of them cannot be.
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
    """The runtimes, with what the operator's file says of them.

    Raises:
        CommandError: It cannot be used.
    """
    try:
        found = temporal_settings.of(operator)
    except ValueError as error:
        raise CommandError(str(error)) from error
    return dataclasses.replace(settings.runtimes, temporal_settings=found)


def _check_folders(settings: Settings) -> None:
    """Have what is written later be writable now, when somebody looks.

    Raises:
        CommandError: A folder is not; says which.
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
            f"expected a folder for {what} that can be written, got {error.strerror} for {folder}: "
            f"name another with {option}"
        ) from error


def run(cluster: session.Cluster, settings: Settings) -> Exit:
    """Be a replica until told to stop; the exit code."""

    def act() -> Exit:
        _check_folders(settings)
        operator = SettingsFile(settings.settings, settings.runtimes.pod_image)
        options = settings.options(operator)
        chosen = _runtime_options(settings, {"temporal": operator.current().temporal})
        journal.begin(settings.log_level)
        process.allow_deep_json()
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
    async with cluster.client(MANAGER) as client:
        made: list[Runtime] = []

        def make(client: kube.Client, caches: Caches, wake: runtimes.Wake) -> list[Runtime]:
            made.extend(runtimes.composed(client, caches, wake, chosen))
            return made

        found = manager.Manager(client, identity, make, options)
        found.metrics.reload_failures(lambda: operator.failures)
        async with runtimes.looked_after(made), _ready(found, identity, settings):
            following = asyncio.create_task(operator.follow())
            try:
                return await _work(found, stopped)
            finally:
                following.cancel()


@contextlib.asynccontextmanager
async def _ready(found: manager.Manager, identity: str, settings: Settings) -> AsyncIterator[None]:
    """Show health and metrics; say in a line on standard output when all is followed."""

    async def follow() -> None:
        await found.synced.wait()
        # A run of 300,000 empty lists, decoded thrice, would cost the Lease.
        process.collect_less_garbage()
        process.standard_error().flush()
        # One line on standard output once everything is ready: what a supervisor waits for.
        session.show(f"following namespace {settings.namespace} as {identity}")

    following = asyncio.create_task(follow())

    async with contextlib.AsyncExitStack() as stack:
        stack.callback(following.cancel)
        shown = probes.listening(
            settings.host, settings.port, found.metrics.registry, lambda: found.problem
        )
        try:
            where = await stack.enter_async_context(shown)
        except OSError as error:
            raise CommandError(
                f"expected a free port for --health {settings.port} at {settings.host}: {error}"
            ) from error
        _log.info("health and metrics", extra={"url": where})
        found.metrics.registry.register(log_writer.Losses({"stderr": process.standard_error()}))
        yield


async def _work(found: manager.Manager, stopped: asyncio.Event) -> Exit:
    """Work until told to stop, or until the Lease is lost."""
    running = asyncio.ensure_future(found.run())
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
    """Say why a replica ended by itself."""
    error = running.exception()
    if isinstance(error, kube.LostError):
        session.complain(f"{error}: another replica leads, or will; start this one anew")
    else:
        _log.error("the controller failed", exc_info=error)
        session.complain(f"the controller failed: {error!r}; the log says where")
    return Exit.NOT_AS_WISHED
