"""Our controller of AgentRuns in a process of its own: what is measured. Shell: the cluster.

``python -m tests.bench.controllers.ours --kubeconfig FILE --namespace NAME`` prints a line once it
leads, with the address of its metrics. With ``--profile FILE`` it writes there, when it is told to
end, what its event loop did: of CPU, not of time.
"""

import argparse
import asyncio
import contextlib
import cProfile
import os
import pathlib
import signal
import time
from typing import Final

import uvloop

from controllers import kube, ledger, manager
from controllers.process import health_endpoints
from controllers.runs.runtimes.jobs import job
from crds.admission.settings import Pods, Settings

MOST: Final = 100
SETTINGS: Final = Settings(pods=Pods(image="runner"))


async def work(kubeconfig: pathlib.Path, options: manager.Options) -> None:
    """Look after runs until told to end."""
    async with kube.Client.from_kubeconfig(
        kubeconfig, user_agent="ours", on_warning=lambda _: None
    ) as client:
        replica = manager.Manager(
            client,
            f"ours-{os.getpid()}",
            lambda asked, caches, _: [
                job.JobRuntime(
                    asked, caches.jobs, caches.pods, caches.deleted_pods, caches.deleted_jobs
                )
            ],
            options,
        )
        working = asyncio.ensure_future(replica.run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)
        while not replica.elector.leads and not working.done():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
        shown = health_endpoints.listening("127.0.0.1", 0, replica.metrics.registry, lambda: "")
        async with shown as url:
            print(f"serving {options.namespace} {url}/metrics", flush=True)  # noqa: T201 - output
            with contextlib.suppress(asyncio.CancelledError):
                await working


def main() -> None:
    """Work until told to end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kubeconfig", type=pathlib.Path, required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--profile", type=pathlib.Path)
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    given = parser.parse_args()
    options = manager.Options(
        home=given.namespace,
        namespace=given.namespace,
        limits=ledger.Limits(0, 0, MOST),
        settings=lambda: SETTINGS,
    )
    run = uvloop.run if given.loop == "uvloop" else asyncio.run
    profile = cProfile.Profile(time.process_time) if given.profile else contextlib.nullcontext()
    with profile:
        run(work(given.kubeconfig, options))
    if isinstance(profile, cProfile.Profile):
        profile.dump_stats(given.profile)


if __name__ == "__main__":
    main()
