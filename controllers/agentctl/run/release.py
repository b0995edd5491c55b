"""Implements ``agentctl run release``: abandons work at endpoints that are gone. Shell."""

from controllers import kube
from controllers.agentctl import session
from controllers.agentctl.exits import CommandError, Exit
from controllers.runs.references.work_records import Records


def run(cluster: session.Cluster, namespace: str, name: str, home: str) -> Exit:
    """Make the controller treat a run's external work as ended; return the exit code."""

    async def work(client: kube.Client) -> Exit:
        records = Records(client, home)
        mine = [record for record in await records.every() if record.where == f"{namespace}/{name}"]
        if not mine:
            raise CommandError(
                f"expected a record of external work of run {namespace}/{name} in namespace "
                f"{home}, got none: only runs of type Custom and Temporal have one while they run"
            )
        for record in mine:
            await records.remove(record.key)
            session.show(f"released {record.type} work {record.key} of run {record.where}")
        return Exit.OK

    return session.attempt(lambda: session.run(cluster, work))
