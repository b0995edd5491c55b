"""Runs a webhook server with its workers until SIGTERM or SIGINT. Shell: sockets, files, signals.

The process of ``webhooks serve``: it listens, takes part in the cluster and supervises workers.
"""

import asyncio
import pathlib
import signal
import socket
import sys
from collections.abc import Coroutine
from typing import Any, Final

import structlog
import typer
import uvloop

from certs import authority
from controllers import kube
from controllers.process import addresses, setup
from schemagen import Api
from schemagen import files as apis
from schemagen.problems import UserError
from schemagen.versions.verification import unsatisfiable
from webhooks import reviewer
from webhooks.server import (
    cluster_membership,
    review_listener,
    serve_settings,
    supervisor,
    worker,
)
from webhooks.server.serve_settings import ServeSettings

# Startup failures caused by the user's input or the cluster, not by a bug.
FAILURES: Final = (
    *(authority.CertificateError, kube.KubeError, TimeoutError, OSError, ValueError),
    *(supervisor.StartError, reviewer.UnreadableError),
)

log = structlog.get_logger("webhooks")


def run(api: Api, settings: ServeSettings) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        api: The Api of the settings, by which workers load it themselves.
        settings: The settings.

    Raises:
        UserError: The settings are invalid, the server cannot start, or the cluster refused the
            registration.
    """
    for line in unsatisfiable.lines(api):
        log.warning("every write in this version will be refused", reason=line)
    worker.facts_of(settings.settings, api)
    if settings.client_ca is not None and not settings.client_ca.is_file():
        raise UserError(f"expected a file of PEM certificates at {settings.client_ca}, got no file")
    for problem in serve_settings.problems(settings):
        raise UserError(problem)
    try:
        if settings.storage is not None:
            api = api.stored_as(settings.storage)
        state = settings.state_dir or apis.state_directory()
        # Private to this replica: workers read the certificate to serve from it.
        with apis.scratch(state) as directory:
            listener = review_listener.listening(settings.host, settings.port)
            uvloop.run(_serve(api, settings, listener, state, directory))
    except FAILURES as error:
        raise UserError(str(error)) from error


def _worker_config(settings: ServeSettings, directory: pathlib.Path) -> worker.WorkerConfig:
    return worker.WorkerConfig(
        reference=settings.reference,
        crds=settings.crds,
        conversions=settings.conversions,
        cert_dir=str(directory),
        settings=_text(settings.settings),
        kubeconfig=_text(settings.kubeconfig),
        is_looking_up=settings.is_looking_up,
        transport=settings.transport,
        audit_log=_text(settings.audit_log),
        client_ca=_text(settings.client_ca),
        is_verifying=settings.is_verifying,
        is_tracing=settings.is_tracing,
        quiet_seconds=settings.quiet_seconds,
        drain_seconds=settings.drain_seconds,
    )


def _text(path: pathlib.Path | None) -> str | None:
    return None if path is None else str(path)


def _membership(
    api: Api, settings: ServeSettings, state: pathlib.Path
) -> cluster_membership.MembershipConfig:
    return cluster_membership.MembershipConfig(
        settings.kubeconfig,
        source=settings.cert_dir or state / "certificates" / api.group,
        is_installing=settings.is_installing,
        is_publishing=settings.is_publishing_ca,
        service=settings.service_name,
        is_checking_trust=settings.is_checking_trust,
        secret=settings.secret_name,
        settings=settings.rotation,
    )


async def _serve(
    api: Api,
    settings: ServeSettings,
    listener: socket.socket,
    state: pathlib.Path,
    directory: pathlib.Path,
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    workers = settings.workers or min(
        supervisor.usable_processors(), serve_settings.DEFAULT_WORKERS
    )
    running = supervisor.Supervisor(
        _worker_config(settings, directory), listener, workers=workers, api=api
    )
    loop.add_signal_handler(signal.SIGHUP, running.reload)
    names, address = settings.server_names, listener.getsockname()[:2]
    base_url = addresses.url("https", names[0], address[1])
    joins = _membership(api, settings, state)
    async with (
        running.health(settings.host, settings.health_port) as shown,
        cluster_membership.member(joins, api, names, directory, served=running.served) as member,
    ):
        try:
            log.info("health and metrics", url=shown)
            member.show(running)
            await running.start()
            if await _has_ended(member.join(running, base_url, address), stopped):
                setup.standard_error().flush()
                # A single line on standard output tells supervisors that the server is ready.
                typer.echo(f"serving {api.group} at {base_url}")
                sys.stdout.flush()
                await stopped.wait()
        finally:
            await running.stop()


async def _has_ended(work: Coroutine[Any, Any, None], stopped: asyncio.Event) -> bool:
    """Run the work until it ends or the server is stopped; return whether it ended."""
    working, waiting = asyncio.create_task(work), asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            return False
        await working
        return True
    finally:
        waiting.cancel()
        working.cancel()
