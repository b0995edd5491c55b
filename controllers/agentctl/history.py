"""What ``agentctl run history`` does: shows the attempts of a run. Shell: the cluster."""

import json
from typing import Literal, TypeAlias

from controllers import kube
from controllers.agentctl import attempts, session, waiting
from controllers.agentctl.exits import Exit
from controllers.runs import views
from schemagen import yaml

Output: TypeAlias = Literal["table", "json", "yaml"]


def run(cluster: session.Cluster, namespace: str, name: str, output: Output) -> Exit:
    """Show the attempts of a run; the exit code."""

    async def work(client: kube.Client) -> Exit:
        found = await client.get(views.RUNS, name, namespace=namespace)
        known = attempts.attempts(found)
        if output == "json":
            text = json.dumps(attempts.as_json(found, known), indent=2, ensure_ascii=False)
            session.show(text)
        elif output == "yaml":
            session.show(yaml.dumps(attempts.as_json(found, known)))
        elif known:
            session.show(attempts.as_text(known, kube.utc_now()))
        else:
            outcome = waiting.standing(views.of(views.Run, found), None)
            session.say(f"no attempt of run {namespace}/{name} yet: it is {outcome}")
        return Exit.OK

    return session.run(cluster, work)
