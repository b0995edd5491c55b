"""Implements ``agentctl run cancel``. Shell: the cluster."""

from controllers import kube
from controllers.agentctl import kinds, session, times, wait, waiting
from controllers.agentctl.exits import Exit
from controllers.runs import views
from controllers.runs.words import ENDED


def run(cluster: session.Cluster, namespace: str, name: str, *, waits: bool, timeout: str) -> Exit:
    """Cancel a run, and optionally wait for its end; return the exit code."""

    def act() -> Exit:
        seconds = times.timeout(timeout, waits=waits)

        async def work(client: kube.Client) -> Exit:
            before = views.of(views.Run, await client.get(views.RUNS, name, namespace=namespace))
            if before.status.phase in ENDED:
                session.show(f"{_reference(name)} has already ended: {waiting.outcome(before)}")
                return Exit.OK
            run = await _cancelled(client, before)
            if not waits:
                session.show(f"{_reference(name)} cancellation requested")
                return Exit.OK
            verdict = await wait.until(client, run, "ended", seconds)
            session.show(f"{_reference(name)} {verdict.text}")
            return verdict.code

        return session.run(cluster, work)

    return session.attempt(act)


async def _cancelled(client: kube.Client, run: views.Run) -> views.Run:
    # The UID is a precondition: a newer run of the same name is not cancelled.
    changes = {"metadata": {"uid": run.metadata.uid}, "spec": {"cancel": True}}
    namespace, name = run.key
    return views.of(views.Run, await client.patch(views.RUNS, name, changes, namespace=namespace))


def _reference(name: str) -> str:
    return kinds.reference(views.RUNS, name)
