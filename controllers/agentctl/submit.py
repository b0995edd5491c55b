"""What ``agentctl run submit`` does: creates a run, or finds the one of its key. Shell."""

import dataclasses
import pathlib
import sys

from controllers import kube
from controllers.agentctl import kinds, objects, session, submission, times, wait
from controllers.agentctl.exits import CommandError, Exit
from controllers.runs import views
from controllers.runs.words import Phase

_MOST_BYTES = 1024 * 1024


def task(text: str, file: pathlib.Path | None) -> str:
    """The task, as it was given or as it stands in a file; ``-`` is standard input.

    Raises:
        CommandError: There are two, or the file cannot be read.
    """
    if file is None:
        return text
    if text:
        raise CommandError("expected --text or --file, got both")
    try:
        found = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        # The API server says how many bytes there may be; this is for what is no task at all.
        if len(found) > _MOST_BYTES:
            raise CommandError(f"expected a task of at most {_MOST_BYTES} bytes in {file}")
        return found.decode()
    except OSError as error:
        raise CommandError(f"expected to read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"expected UTF-8 in {file}: {error.reason} at {error.start}") from error


@dataclasses.dataclass(frozen=True, kw_only=True)
class How:
    """How to submit.

    Attributes:
        output: How to show the run.
        is_dry: Whether to do everything but store.
        waits: Whether to show it only when it has ended.
        timeout: How long to wait, as text; empty is for ever.
    """

    output: objects.Output = "table"
    is_dry: bool = False
    waits: bool = False
    timeout: str = ""


def run(
    cluster: session.Cluster, asked: submission.Asked, file: pathlib.Path | None, how: How
) -> Exit:
    """Submit a run, and show it; the exit code."""

    def act() -> Exit:
        if how.waits and how.is_dry:
            raise CommandError("expected --wait or --dry-run, got both")
        seconds = times.timeout(how.timeout, waits=how.waits)
        whole = dataclasses.replace(asked, text=task(asked.text, file))
        wanted = submission.run(whole)
        if how.is_dry:
            return session.run(cluster, lambda client: try_out(cluster, client, wanted, how))
        return session.run(cluster, lambda client: _submit(cluster, client, wanted, how, seconds))

    return session.attempt(act)


async def try_out(
    cluster: session.Cluster, client: kube.Client, wanted: kube.JSON, how: How
) -> Exit:
    """Have the API server fill in and check a run, and show it; nothing is stored."""
    found = await client.create(views.RUNS, wanted, field_validation="Strict", dry_run=True)
    await objects.show_one(cluster, found, how.output, is_stored=False)
    return Exit.OK


async def _submit(
    cluster: session.Cluster,
    client: kube.Client,
    wanted: kube.JSON,
    how: How,
    timeout_seconds: float | None,
) -> Exit:
    return await show(cluster, client, await _created(client, wanted), how, timeout_seconds)


async def show(
    cluster: session.Cluster,
    client: kube.Client,
    found: kube.JSON,
    how: How,
    timeout_seconds: float | None,
) -> Exit:
    """Show a run that was submitted, once it has ended if that is wished; the exit code."""
    code = Exit.OK
    if how.waits:
        run = views.of(views.Run, found)
        namespace, name = run.key
        session.say(f"{name}: submitted")
        verdict = await wait.until(client, run, "succeeded", timeout_seconds)
        session.say(f"{name}: {verdict.text}")
        code = verdict.code
        found = await client.get(views.RUNS, name, namespace=namespace)
    await objects.show_one(cluster, found, how.output)
    return code


async def _created(client: kube.Client, wanted: kube.JSON) -> kube.JSON:
    """Create the run; or find that it is there, or what has its name."""
    try:
        return await client.create(views.RUNS, wanted, field_validation="Strict")
    except kube.ApiError as error:
        found = await taken(client, wanted)
        if found is None:
            raise
        if "idempotencyKey" not in wanted["spec"]:
            raise CommandError(
                f"expected a name that is free, got that of run {_name(found)}: choose another, or "
                "submit with --idempotency-key to get the same run for the same key"
            ) from error
        await _check_same(client, wanted, found)
        phase = (found.get("status") or {}).get("phase") or Phase.PENDING
        session.say(f"{_name(found)} is there already, submitted by the same key; it is {phase}")
        return found


async def taken(client: kube.Client, wanted: kube.JSON) -> kube.JSON | None:
    """The run that has the name; a webhook may have refused the new one before the name was."""
    metadata = wanted["metadata"]
    if "name" not in metadata:
        return None
    try:
        return await client.get(views.RUNS, metadata["name"], namespace=metadata["namespace"])
    except kube.NotFoundError:
        return None


async def _check_same(client: kube.Client, wanted: kube.JSON, found: kube.JSON) -> None:
    """See whether a run is the one that is wanted.

    Raises:
        CommandError: It is another.
    """
    if submission.is_told_the_same(wanted, found):
        return
    tried = await client.create(views.RUNS, submission.trial(wanted), dry_run=True)
    field = submission.difference(wanted, tried, found)
    if field:
        key = wanted["spec"]["idempotencyKey"]
        raise CommandError(
            f"expected run {_name(found)} of idempotency key {key!r} to be the same, but it "
            f"differs at {field}: submit the same again, or with another key"
        )


def _name(found: kube.JSON) -> str:
    return kinds.reference(views.RUNS, found["metadata"]["name"])
