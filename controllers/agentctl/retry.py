"""What ``agentctl run retry`` does: makes a run anew of one that has ended. Shell: the cluster."""

import dataclasses

from controllers import kube
from controllers.agentctl import kinds, repetition, session, submit, times, waiting
from controllers.agentctl.exits import CommandError, Exit
from controllers.agentctl.submit import How
from controllers.runs import views


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """Which run, and what the new one is to have of its own.

    Attributes:
        namespace: Of both.
        run: The one that has ended.
        name: Of the new one; empty lets it follow from the ended one.
        key: Its idempotency key; empty is none.
    """

    namespace: str
    run: str
    name: str = ""
    key: str = ""


def run(cluster: session.Cluster, asked: Asked, how: How) -> Exit:
    """Make a run anew, or find the one that was made before; the exit code."""

    def act() -> Exit:
        if how.waits and how.is_dry:
            raise CommandError("expected --wait or --dry-run, got both")
        seconds = times.timeout(how.timeout, waits=how.waits)

        async def work(client: kube.Client) -> Exit:
            ended = await client.get(views.RUNS, asked.run, namespace=asked.namespace)
            repetition.check(ended)
            wanted = repetition.repetition(ended, asked.name, asked.key)
            if how.is_dry:
                return await submit.try_out(cluster, client, wanted, how)
            found = await _made(client, wanted, ended, asked)
            return await submit.show(cluster, client, found, how, seconds)

        return session.run(cluster, work)

    return session.attempt(act)


async def _made(
    client: kube.Client, wanted: kube.JSON, ended: kube.JSON, asked: Asked
) -> kube.JSON:
    """Create the run; or find that it was made before, or what has its name."""
    try:
        found = await client.create(views.RUNS, wanted, field_validation="Strict")
    except kube.ApiError as error:
        there = await submit.taken(client, wanted)
        if there is None:
            raise
        if not repetition.is_of(there, ended):
            raise CommandError(
                f"expected a name that is free, got that of run {_reference(there)}, which was not "
                f"made of {_reference(ended)}: choose another by --name"
            ) from error
        session.say(_there_already(there, ended))
        return there
    outcome = waiting.outcome(views.of(views.Run, ended))
    session.say(f"{_reference(found)} is made anew of {_reference(ended)}, which is {outcome}")
    for line in repetition.left_out(ended, asked.key):
        session.say(f"  {line}")
    return found


def _there_already(there: kube.JSON, ended: kube.JSON) -> str:
    outcome = waiting.outcome(views.of(views.Run, there))
    return (
        f"{_reference(there)} is there already, made anew of {_reference(ended)}; it is {outcome} "
        f"(`agentctl run retry {there['metadata']['name']}` makes one of that, once it has ended)"
    )


def _reference(found: kube.JSON) -> str:
    return kinds.reference(views.RUNS, found["metadata"]["name"])
