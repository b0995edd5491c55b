"""What ``agentctl run release`` does: gives up work that no endpoint answers for. Shell."""

from controllers import kube
from controllers.agentctl import session
from controllers.agentctl.exits import CommandError, Exit
from controllers.runs.records import Records


def run(cluster: session.Cluster, namespace: str, name: str, home: str) -> Exit:
    """Have the controller take the work of a run for ended; the exit code."""

    async def work(client: kube.Client) -> Exit:
        records = Records(client, home)
        mine = [one for one in await records.every() if one.where == f"{namespace}/{name}"]
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
