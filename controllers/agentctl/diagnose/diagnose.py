"""Implements ``agentctl diagnose``. Shell: the cluster, the terminal, a file."""

import asyncio
import pathlib
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from controllers import kube
from controllers.agentctl import session, tables
from controllers.agentctl.diagnose import bundle, output, report
from controllers.agentctl.diagnose.checks import registry
from controllers.agentctl.diagnose.observation import Snapshot
from controllers.agentctl.diagnose.reading import reader
from controllers.agentctl.exits import CommandError, Exit

Output: TypeAlias = Literal["table", "json", "junit"]
_WRITERS: Final = {"table": output.table, "json": output.json_text, "junit": output.junit}


def run(
    cluster: session.Cluster,
    options: reader.Options,
    *,
    only: Sequence[str],
    skipped: Sequence[str],
    form: Output,
    archive: pathlib.Path | None,
) -> Exit:
    """Diagnose a cluster; return the exit code."""

    def act() -> Exit:
        if options.deadline_seconds <= 0:
            raise CommandError(f"expected --deadline above 0 s, got {options.deadline_seconds:g}")
        checks = registry.chosen(options.mode, only, skipped)
        seen = asyncio.run(_snapshot(cluster, options))
        found = report.report(seen, checks)
        session.show(_WRITERS[form](found))
        if archive is not None:
            bundle.write(archive, found)
            session.say(f"wrote {archive}: look through it before you pass it on")
        return found.exit_code

    return session.attempt(act)


async def _snapshot(cluster: session.Cluster, options: reader.Options) -> Snapshot:
    client = kube.Client(cluster.source(), on_warning=_ignore, user_agent=session.USER_AGENT)
    try:
        async with client as opened:
            return await reader.snapshot(opened, options)
    except kube.KubeError as error:
        return reader.unreachable(options, str(error))


def _ignore(warning: str) -> None:
    """Ignore warnings: deprecated versions, which are read on purpose, send one per response."""
    del warning


def show_checks() -> Exit:
    """Print every check with the modes that it is part of."""
    rows = [
        (check.id, str(check.severity), "yes" if check.is_before_install else "", check.title)
        for check in registry.CHECKS
    ]
    session.show(tables.text(("CHECK", "SEVERITY", "PRE", "WHAT HOLDS"), rows))
    return Exit.OK
