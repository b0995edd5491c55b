"""Implements ``agentctl run retry``. Shell: the cluster."""

import dataclasses

from controllers import kube
from controllers.agentctl import durations, kind_names, session
from controllers.agentctl.exits import CommandError, Exit
from controllers.agentctl.run import retried_run, submit
from controllers.agentctl.run.submit import Options
from controllers.agentctl.run.wait import wait_conditions
from controllers.runs import projections


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """A retry request.

    Attributes:
        namespace: Of both runs.
        run: Name of the ended run.
        name: Name of the new run; derived from the ended run if empty.
        key: Idempotency key of the new run; empty for none.
    """

    namespace: str
    run: str
    name: str = ""
    key: str = ""


def run(cluster: session.Cluster, request: Request, how: Options) -> Exit:
    """Retry a run, or return its existing retry; return the exit code."""

    def act() -> Exit:
        if how.waits and how.is_dry:
            raise CommandError("expected --wait or --dry-run, got both")
        seconds = durations.timeout(how.timeout, waits=how.waits)

        async def work(client: kube.Client) -> Exit:
            ended = await client.get(projections.RUNS, request.run, namespace=request.namespace)
            retried_run.check(ended)
            body = retried_run.repetition(ended, request.name, request.key)
            if how.is_dry:
                return await submit.dry_run(cluster, client, body, how)
            retried = await _made(client, body, ended, request)
            return await submit.show(cluster, client, retried, how, seconds)

        return session.run(cluster, work)

    return session.attempt(act)


async def _made(
    client: kube.Client, body: kube.JSON, ended: kube.JSON, request: Request
) -> kube.JSON:
    """Create the run, or return the existing retry; fail if another run has the name."""
    try:
        created = await client.create(projections.RUNS, body, field_validation="Strict")
    except kube.ApiError as error:
        existing = await submit.existing_run(client, body)
        if existing is None:
            raise
        if not retried_run.is_of(existing, ended):
            raise CommandError(
                f"expected an unused name, got that of run {_reference(existing)}, which is not a "
                f"retry of {_reference(ended)}: choose another with --name"
            ) from error
        session.say(_there_already(existing, ended))
        return existing
    outcome = wait_conditions.outcome(projections.of(projections.Run, ended))
    session.say(f"created {_reference(created)} as a retry of {_reference(ended)}: {outcome}")
    for line in retried_run.left_out(ended, request.key):
        session.say(f"  {line}")
    return created


def _there_already(there: kube.JSON, ended: kube.JSON) -> str:
    outcome = wait_conditions.outcome(projections.of(projections.Run, there))
    return (
        f"{_reference(there)} already exists as a retry of {_reference(ended)}; it is {outcome} "
        f"(`agentctl run retry {there['metadata']['name']}` retries that run once it has ended)"
    )


def _reference(run_value: kube.JSON) -> str:
    return kind_names.reference(projections.RUNS, run_value["metadata"]["name"])
