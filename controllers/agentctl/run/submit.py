"""Implements ``agentctl run submit``: creates a run, or returns the one with its key. Shell."""

import dataclasses
import sys

from controllers import kube
from controllers.agentctl import durations, kind_names, session
from controllers.agentctl.exits import CommandError, Exit
from controllers.agentctl.get import objects
from controllers.agentctl.run import submitted_run
from controllers.agentctl.run.request import Request
from controllers.agentctl.run.wait import wait
from controllers.runs import projections
from controllers.runs.api_constants import Phase

_MAX_TASK_BYTES = 1024 * 1024


def task(request: Request) -> str:
    """Return the task from ``--text`` or the file; ``-`` is standard input.

    Raises:
        CommandError: Both are given, or the file cannot be read.
    """
    file = request.file
    if file is None:
        return request.text
    if request.text:
        raise CommandError("expected --text or --file, got both")
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        # A sanity bound; the API server enforces the exact limit.
        if len(data) > _MAX_TASK_BYTES:
            raise CommandError(f"expected a task of at most {_MAX_TASK_BYTES} bytes in {file}")
        return data.decode()
    except OSError as error:
        raise CommandError(f"expected to read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"expected UTF-8 in {file}: {error.reason} at {error.start}") from error


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Options of submission.

    Attributes:
        output: Output format.
        is_dry: Whether to submit as a dry run.
        waits: Whether to wait until the run has ended.
        timeout: Maximum time to wait, as text; empty for no limit.
    """

    output: objects.Output = "table"
    is_dry: bool = False
    waits: bool = False
    timeout: str = ""


def run(
    cluster: session.Cluster,
    namespace: str,
    request: Request,
    how: Options,
) -> Exit:
    """Submit a run, and show it; return the exit code."""

    def act() -> Exit:
        if how.waits and how.is_dry:
            raise CommandError("expected --wait or --dry-run, got both")
        seconds = durations.timeout(how.timeout, waits=how.waits)
        body = submitted_run.run(dataclasses.replace(request, text=task(request)), namespace)
        if how.is_dry:
            return session.run(cluster, lambda client: dry_run(cluster, client, body, how))
        return session.run(cluster, lambda client: _submit(cluster, client, body, how, seconds))

    return session.attempt(act)


async def dry_run(
    cluster: session.Cluster, client: kube.Client, body: kube.JSON, how: Options
) -> Exit:
    """Submit a run as a dry run, and show the result."""
    value = await client.create(projections.RUNS, body, field_validation="Strict", dry_run=True)
    await objects.show_one(cluster, value, how.output, is_stored=False)
    return Exit.OK


async def _submit(
    cluster: session.Cluster,
    client: kube.Client,
    body: kube.JSON,
    how: Options,
    timeout_seconds: float | None,
) -> Exit:
    return await show(cluster, client, await _created(client, body), how, timeout_seconds)


async def show(
    cluster: session.Cluster,
    client: kube.Client,
    value: kube.JSON,
    how: Options,
    timeout_seconds: float | None,
) -> Exit:
    """Show a submitted run, optionally after it has ended; return the exit code."""
    code = Exit.OK
    if how.waits:
        run = projections.of(projections.Run, value)
        namespace, name = run.key
        session.say(f"{name}: submitted")
        verdict = await wait.until(client, run, "succeeded", timeout_seconds)
        session.say(f"{name}: {verdict.text}")
        code = verdict.code
        value = await client.get(projections.RUNS, name, namespace=namespace)
    await objects.show_one(cluster, value, how.output)
    return code


async def _created(client: kube.Client, body: kube.JSON) -> kube.JSON:
    """Create the run, or return the existing one with its key."""
    try:
        return await client.create(projections.RUNS, body, field_validation="Strict")
    except kube.ApiError as error:
        existing = await existing_run(client, body)
        if existing is None:
            raise
        if "idempotencyKey" not in body["spec"]:
            raise CommandError(
                f"expected an unused name, got that of run {_name(existing)}: choose another, or "
                "submit with --idempotency-key to get the same run for the same key"
            ) from error
        await _check_same(client, body, existing)
        phase = (existing.get("status") or {}).get("phase") or Phase.PENDING
        session.say(f"{_name(existing)} already exists with the same key; it is {phase}")
        return existing


async def existing_run(client: kube.Client, body: kube.JSON) -> kube.JSON | None:
    """Return the run with the name; a webhook may have rejected the new run first."""
    metadata = body["metadata"]
    if "name" not in metadata:
        return None
    try:
        return await client.get(projections.RUNS, metadata["name"], namespace=metadata["namespace"])
    except kube.NotFoundError:
        return None


async def _check_same(client: kube.Client, body: kube.JSON, existing: kube.JSON) -> None:
    """Check that an existing run equals the requested one.

    Raises:
        CommandError: It differs.
    """
    if submitted_run.has_same_inputs(body, existing):
        return
    defaulted = await client.create(
        projections.RUNS, submitted_run.dry_run_body(body), dry_run=True
    )
    field = submitted_run.difference(body, defaulted, existing)
    if field:
        key = body["spec"]["idempotencyKey"]
        raise CommandError(
            f"expected run {_name(existing)} of idempotency key {key!r} to be the same, but it "
            f"differs at {field}: submit the same again, or with another key"
        )


def _name(value: kube.JSON) -> str:
    return kind_names.reference(projections.RUNS, value["metadata"]["name"])
