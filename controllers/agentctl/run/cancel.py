"""Implements ``agentctl run cancel``. Shell: the cluster."""

from controllers import kube
from controllers.agentctl import durations, kind_names, session
from controllers.agentctl.exits import Exit
from controllers.agentctl.run.wait import wait, wait_conditions
from controllers.runs import projections
from controllers.runs.api_constants import ENDED


def run(cluster: session.Cluster, namespace: str, name: str, *, waits: bool, timeout: str) -> Exit:
    """Cancel a run, and optionally wait for its end; return the exit code."""

    def act() -> Exit:
        seconds = durations.timeout(timeout, waits=waits)

        async def work(client: kube.Client) -> Exit:
            before = projections.of(
                projections.Run, await client.get(projections.RUNS, name, namespace=namespace)
            )
            if before.status.phase in ENDED:
                session.show(
                    f"{_reference(name)} has already ended: {wait_conditions.outcome(before)}"
                )
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


async def _cancelled(client: kube.Client, run: projections.Run) -> projections.Run:
    # The UID is a precondition: a newer run of the same name is not cancelled.
    changes = {"metadata": {"uid": run.metadata.uid}, "spec": {"cancel": True}}
    namespace, name = run.key
    return projections.of(
        projections.Run, await client.patch(projections.RUNS, name, changes, namespace=namespace)
    )


def _reference(name: str) -> str:
    return kind_names.reference(projections.RUNS, name)
