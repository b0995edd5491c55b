"""Implements ``agentctl get``: shows objects in the API server's columns. Shell: the cluster."""

import json
from typing import Any, Final, Literal, TypeAlias

from controllers import kube
from controllers.agentctl import kind_names, session, tables
from controllers.agentctl.exits import CommandError, Exit
from controllers.kube import requests, responses
from controllers.runs import projections
from controllers.runs.api_constants import Phase
from schemagen import yaml

Output: TypeAlias = Literal["table", "wide", "json", "yaml", "name", "ndjson"]
# Phases that other versions' controllers may set.
_PHASES: Final = (*Phase, "Unknown")
# Same page size as kubectl.
_PAGE: Final = 500


def run(
    cluster: session.Cluster,
    word: str,
    name: str,
    *,
    namespace: str | None,
    labels: str,
    fields: str,
    phase: str,
    output: Output,
) -> Exit:
    """Show one object or a list; return the exit code.

    Args:
        cluster: The cluster.
        word: Name of the kind.
        name: Name of an object; empty for all selected.
        namespace: Namespace of the objects; None for all.
        labels: Label selector, or empty.
        fields: Field selector, or empty.
        phase: Phase of runs, or empty.
        output: Output format.
    """

    def act() -> Exit:
        # Input is checked before a cluster is looked for.
        resource = kind_names.resource(word)
        selected = ",".join(filter(None, (fields, _phase_selector(resource, phase))))
        selection = kube.Selection(
            namespace=namespace, labels=labels or None, fields=selected or None
        )
        if name:
            _check_one(selection)

        async def work(client: kube.Client) -> Exit:
            if name:
                value = await client.get(resource, name, namespace=namespace)
                await show_one(cluster, value, output)
            elif output in {"table", "wide"}:
                await _show_table(cluster, resource, selection, is_wide=output == "wide")
            else:
                listed = await client.list(
                    resource, namespace=namespace, labels=selection.labels, fields=selection.fields
                )
                _show_many(resource, listed.items, output)
            return Exit.OK

        return session.run(cluster, work)

    return session.attempt(act)


async def show_one(
    cluster: session.Cluster, value: kube.JSON, output: Output, *, is_stored: bool = True
) -> None:
    """Show an object; if it is not stored, its table is printed from another dry run."""
    resource = kind_names.resource(value["kind"])
    metadata = value["metadata"]
    if output in {"table", "wide"}:
        request = (
            requests.get(resource, metadata["name"], namespace=metadata["namespace"])
            if is_stored
            else _dry_run(resource, value)
        )
        async with cluster.tables() as client:
            page = responses.decode(await client.body(request), str(request))
        is_wide = output == "wide"
        session.show(tables.shown([page], is_wide=is_wide, with_namespace=False))
    elif output == "name":
        session.show(kind_names.reference(resource, metadata["name"]))
    else:
        session.show(_text(_bare(value), output))


def _dry_run(resource: kube.Resource, value: kube.JSON) -> kube.Request:
    metadata = {
        key: field
        for key, field in value["metadata"].items()
        if key in {"name", "namespace", "labels", "annotations"}
    }
    return requests.create(resource, {**value, "metadata": metadata}, dry_run=True)


async def _show_table(
    cluster: session.Cluster, resource: kube.Resource, selection: kube.Selection, *, is_wide: bool
) -> None:
    pages: list[kube.JSON] = []
    async with cluster.tables() as client:
        continuation: str | None = None
        while True:
            request = requests.list_page(
                resource, selection, limit=_PAGE, continuation=continuation
            )
            page = responses.decode(await client.body(request), str(request))
            pages.append(page)
            continuation = page["metadata"].get("continue")
            if not continuation:
                break
    text = tables.shown(pages, is_wide=is_wide, with_namespace=selection.namespace is None)
    if text:
        session.show(text)
    else:
        where = f" in namespace {selection.namespace}" if selection.namespace else ""
        session.say(f"no {resource.plural} found{where}")


def _show_many(resource: kube.Resource, values: tuple[kube.JSON, ...], output: Output) -> None:
    if output == "name":
        lines = [kind_names.reference(resource, value["metadata"]["name"]) for value in values]
        if lines:
            session.show("\n".join(lines))
        return
    items = [_bare(value) for value in values]
    if output == "ndjson":
        if items:
            session.show("\n".join(_text(item, output) for item in items))
        return
    session.show(_text({"apiVersion": "v1", "kind": "List", "items": items}, output))


def _text(value: Any, output: Output) -> str:
    if output == "ndjson":
        return json.dumps(value, ensure_ascii=False)
    if output == "json":
        return json.dumps(value, indent=2, ensure_ascii=False)
    return yaml.dumps(value)


def _bare(value: kube.JSON) -> kube.JSON:
    """Return an object without managedFields, as kubectl shows it."""
    metadata = {key: item for key, item in value["metadata"].items() if key != "managedFields"}
    return {**value, "metadata": metadata}


def _check_one(selection: kube.Selection) -> None:
    if selection.labels or selection.fields:
        raise CommandError("expected a NAME, or --selector, --field-selector and --phase, got both")
    if selection.namespace is None:
        raise CommandError("expected a NAME in one namespace, got --all-namespaces: pass -n")


def _phase_selector(resource: kube.Resource, phase: str) -> str:
    """Return the field selector for a phase; empty for none."""
    if not phase:
        return ""
    if resource != projections.RUNS:
        raise CommandError(f"expected --phase for runs only, got it for {resource.plural}")
    for known in _PHASES:
        if known.lower() == phase.lower():
            return f"status.phase={known}"
    raise CommandError(f"expected --phase as one of {', '.join(_PHASES)}, got {phase!r}")
