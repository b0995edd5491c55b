"""Implements ``agentctl source status``. Shell: the cluster."""

import json
from typing import Literal, TypeAlias

from controllers import kube
from controllers.agentctl import session
from controllers.agentctl.exits import Exit
from controllers.agentctl.source import source_rows
from controllers.sources.api_constants import SOURCE_LABEL, SOURCES, SPECS
from controllers.sources.source_view import Source

Output: TypeAlias = Literal["table", "json"]


def run(cluster: session.Cluster, namespace: str | None, name: str, output: Output) -> Exit:
    """Show sources; return the exit code."""

    async def work(client: kube.Client) -> Exit:
        if name:
            values = [await client.get(SOURCES, name, namespace=namespace)]
        else:
            values = [*(await client.list(SOURCES, namespace=namespace)).items]
        listed = await client.list(SPECS, namespace=namespace, labels=SOURCE_LABEL)
        rows = [
            source_rows.row(
                kube.view_of(Source, value),
                [
                    spec
                    for spec in listed.items
                    if spec["metadata"]["namespace"] == value["metadata"]["namespace"]
                ],
            )
            for value in values
        ]
        if output == "json":
            session.show(json.dumps([row.document() for row in rows], indent=2, ensure_ascii=False))
        elif rows:
            now = kube.utc_now()
            session.show(source_rows.text(rows, now, with_namespace=namespace is None))
        else:
            where = f" in namespace {namespace}" if namespace else ""
            session.say(f"no {SOURCES.plural} found{where}")
        return Exit.OK if all(row.is_healthy for row in rows) else Exit.UNSATISFIED

    return session.run(cluster, work)
