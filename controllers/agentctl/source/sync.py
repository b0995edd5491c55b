"""Implements ``agentctl source sync``. Shell: the cluster, the clock.

The annotation asks for a read; the controller copies it to the status once it has read.
"""

import asyncio
import dataclasses
from typing import Final

from controllers import kube
from controllers.agentctl import durations, exits, kind_names, session
from controllers.agentctl.exits import CommandError, Exit
from controllers.sources.api_constants import SOURCES, SYNC_ANNOTATION, SYNCED
from controllers.sources.source_view import Source

_POLL_SECONDS: Final = 0.5


@dataclasses.dataclass(frozen=True)
class Request:
    """The sources to read.

    Attributes:
        names: Their names.
        namespace: Their namespace.
    """

    names: tuple[str, ...]
    namespace: str


def run(cluster: session.Cluster, request: Request, timeout: str | None) -> Exit:
    """Ask for reads, and wait for them unless there is no timeout; return the exit code."""

    def act() -> Exit:
        seconds = None if timeout is None else durations.seconds(timeout, "--timeout")

        async def work(client: kube.Client) -> Exit:
            reading = (_one(client, request.namespace, name, seconds) for name in request.names)
            return max(await asyncio.gather(*reading))

        return session.run(cluster, work)

    return session.attempt(act)


async def _one(client: kube.Client, namespace: str, name: str, seconds: float | None) -> Exit:
    """Have a source read; a failure costs no other one."""
    try:
        asked = await _ask(client, namespace, name)
        reference = kind_names.reference(SOURCES, name)
        if seconds is None:
            session.show(f"{reference} is asked for a sync")
            return Exit.OK
        source = await _handled(client, namespace, name, asked, seconds)
    except (CommandError, kube.KubeError) as error:
        session.complain(*exits.lines_of(error))
        return exits.code_of(error)
    synced = next((one for one in source.status.conditions if one.type == SYNCED), None)
    if synced is not None and synced.status == "False":
        session.complain(f"{name}: the read failed: {synced.reason}: {synced.message}")
        return Exit.UNSATISFIED
    session.show(f"{reference} synced, with what changed until {source.status.last_sync_time}")
    return Exit.OK


async def _ask(client: kube.Client, namespace: str, name: str) -> str:
    """Ask for a read of a source that is read at all; return the annotation."""
    value = await client.get(SOURCES, name, namespace=namespace)
    if kube.view_of(Source, value).interval_seconds is None:
        raise CommandError(
            f"{name}: expected a source with spec.github.repository and ingestion.mode Webhook or "
            "Poll, which alone are read, got another"
        )
    asked = kube.micro_time(kube.utc_now())
    changes = {"metadata": {"annotations": {SYNC_ANNOTATION: asked}}}
    await client.patch(SOURCES, name, changes, namespace=namespace)
    return asked


async def _handled(
    client: kube.Client, namespace: str, name: str, asked: str, seconds: float
) -> Source:
    """Return the source once its tracker was read."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                value = await client.get(SOURCES, name, namespace=namespace)
                source = kube.view_of(Source, value)
                if source.status.last_requested_sync == asked:
                    return source
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise CommandError(
            f"{name}: expected a read within {seconds:g} s, but there was none: see whether the "
            "controller runs with --sources-port (`agentctl status`)",
            Exit.TIMEOUT,
        ) from None
