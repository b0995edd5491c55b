"""Implements ``agentctl status``. Shell: the cluster, the terminal."""

import asyncio
import dataclasses
import json
from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

from controllers import kube
from controllers.agentctl import session, tables
from controllers.agentctl.diagnose.reading import reader
from controllers.agentctl.exits import CommandError, Exit
from controllers.agentctl.status import model
from controllers.agentctl.status.model import ControlPlaneStatus, State
from schemagen import yaml

Output: TypeAlias = Literal["table", "json", "ndjson", "yaml"]
_EXITS: Final = {State.DEGRADED: Exit.UNSATISFIED, State.UNKNOWN: Exit.API}


def run(
    cluster: session.Cluster,
    options: reader.Options,
    output: Output,
    interval_seconds: float | None,
) -> Exit:
    """Show the status, again and again with an interval; return the exit code."""

    def act() -> Exit:
        if options.deadline_seconds <= 0 or (
            interval_seconds is not None and interval_seconds <= 0
        ):
            raise CommandError("expected --deadline and --interval above 0 s")
        if interval_seconds is None:
            status = asyncio.run(_status(cluster, options))
            session.show(text(status, output))
            return _EXITS.get(status.state, Exit.OK)
        try:
            asyncio.run(_follow(cluster, options, output, interval_seconds))
        except KeyboardInterrupt:
            session.say("stopped")
        return Exit.OK

    return session.attempt(act)


async def _status(cluster: session.Cluster, options: reader.Options) -> ControlPlaneStatus:
    try:
        async with cluster.client() as client:
            return model.of(await reader.snapshot(client, options))
    except kube.KubeError as error:
        return model.of(reader.unreachable(options, str(error)))


async def _follow(
    cluster: session.Cluster, options: reader.Options, output: Output, interval_seconds: float
) -> None:
    """Print the status whenever more than its times has changed."""
    printed: Any = None
    while True:
        status = await _status(cluster, options)
        state = [*status.components()]
        if state != printed:
            printed = state
            session.show(text(status, output))
        await asyncio.sleep(interval_seconds)


def text(status: ControlPlaneStatus, output: Output) -> str:
    """Return the status in a format."""
    return _WRITERS[output](status)


def as_json(status: ControlPlaneStatus) -> dict[str, Any]:
    """Return the status as JSON, with the field names of the published API."""
    return dataclasses.asdict(status)


def _table(status: ControlPlaneStatus) -> str:
    rows = [
        (name, namespace, str(state), " ".join(message.split()))
        for name, namespace, state, message in status.components()
    ]
    return tables.text(("COMPONENT", "NAMESPACE", "STATUS", "MESSAGE"), rows)


def _json(status: ControlPlaneStatus) -> str:
    return json.dumps(as_json(status), indent=2, ensure_ascii=False)


def _ndjson(status: ControlPlaneStatus) -> str:
    return json.dumps(as_json(status), ensure_ascii=False)


def _yaml(status: ControlPlaneStatus) -> str:
    return yaml.dumps(json.loads(_ndjson(status)))


_WRITERS: Final[dict[Output, Callable[[ControlPlaneStatus], str]]] = {
    "table": _table,
    "json": _json,
    "ndjson": _ndjson,
    "yaml": _yaml,
}
