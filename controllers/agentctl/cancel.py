"""What ``agentctl run cancel`` does: asks for the end of a run. Shell."""

from controllers import kube
from controllers.agentctl import kinds, session, times, wait, waiting
from controllers.agentctl.exits import Exit
from controllers.runs import views
from controllers.runs.words import ENDED


def run(cluster: session.Cluster, namespace: str, name: str, *, waits: bool, timeout: str) -> Exit:
    """Ask for a run's end, and wait for it if wished; the exit code."""

    def act() -> Exit:
        seconds = times.timeout(timeout, waits=waits)

        async def work(client: kube.Client) -> Exit:
            found = views.of(views.Run, await client.get(views.RUNS, name, namespace=namespace))
            if found.status.phase in ENDED:
                session.show(f"{_reference(name)} has ended already: {waiting.outcome(found)}")
                return Exit.OK
            run = await _cancelled(client, found)
            if not waits:
                session.show(f"{_reference(name)} is told to end")
                return Exit.OK
            verdict = await wait.until(client, run, "ended", seconds)
            session.show(f"{_reference(name)} {verdict.text}")
            return verdict.code

        return session.run(cluster, work)

    return session.attempt(act)


async def _cancelled(client: kube.Client, run: views.Run) -> views.Run:
    # With its uid: a run of the same name that was made since goes on.
    changes = {"metadata": {"uid": run.metadata.uid}, "spec": {"cancel": True}}
    namespace, name = run.key
    return views.of(views.Run, await client.patch(views.RUNS, name, changes, namespace=namespace))


def _reference(name: str) -> str:
    return kinds.reference(views.RUNS, name)
