"""kopf's streaming layer, counting events: a process of its own in kopf's own environment. Shell.

``python kopf_reader.py URL COUNT``; imports nothing of ours, which is not installed there.
"""

import json
import sys
import time

import uvloop

# These are in the benchmark's own environment, where no types are checked.
from kopf._cogs.clients import auth, watching  # type: ignore[import-not-found]
from kopf._cogs.configs import configuration  # type: ignore[import-not-found]
from kopf._cogs.structs import credentials, references  # type: ignore[import-not-found]


async def read(url: str, count: int) -> dict[str, float]:
    """From the first event to the last."""
    auth.vault_var.set(credentials.Vault({"bench": credentials.ConnectionInfo(server=url)}))
    resource = references.Resource(
        "agents.proompteng.ai",
        "v1beta1",
        "agentruns",
        kind="AgentRun",
        namespaced=True,
        preferred=True,
        verbs=frozenset({"list", "watch"}),
    )
    settings = configuration.OperatorSettings()
    seen, began, began_cpu = 0, 0.0, 0.0
    async for event in watching.infinite_watch(
        settings=settings, resource=resource, namespace=None
    ):
        if not isinstance(event, dict):
            continue  # it says that the list has ended
        if not seen:
            began, began_cpu = time.perf_counter(), time.process_time()
        seen += 1
        if seen == count:
            break
    return {
        "events": seen - 1,
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - began_cpu,
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(read(sys.argv[1], int(sys.argv[2])))))  # noqa: T201 - output
