"""Implements ``agentctl run history``. Shell: the cluster."""

import json
from typing import Literal, TypeAlias

from controllers import kube
from controllers.agentctl import session
from controllers.agentctl.exits import Exit
from controllers.agentctl.run import attempts
from controllers.agentctl.run.wait import wait_conditions
from controllers.runs import projections
from schemagen import yaml

Output: TypeAlias = Literal["table", "json", "yaml"]


def run(cluster: session.Cluster, namespace: str, name: str, output: Output) -> Exit:
    """Show the attempts of a run; return the exit code."""

    async def work(client: kube.Client) -> Exit:
        value = await client.get(projections.RUNS, name, namespace=namespace)
        recorded = attempts.attempts(value)
        if output == "json":
            text = json.dumps(attempts.as_json(value, recorded), indent=2, ensure_ascii=False)
            session.show(text)
        elif output == "yaml":
            session.show(yaml.dumps(attempts.as_json(value, recorded)))
        elif recorded:
            session.show(attempts.as_text(recorded, kube.utc_now()))
        else:
            outcome = wait_conditions.state_line(projections.of(projections.Run, value), None)
            session.say(f"run {namespace}/{name} has no attempts yet: {outcome}")
        return Exit.OK

    return session.run(cluster, work)
