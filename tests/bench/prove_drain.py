"""Rolling restarts of three replicas behind a balancer, under load on a real API server.

``python -m tests.bench.prove_drain --rounds 10``. Exit code 1: a call failed, or a replica ended
badly. Shell: processes.
"""

import argparse
import asyncio
import pathlib
import sys
import tempfile

import rich.console
import rich.progress

from controllers import devcluster
from tests.support import rollouts


def main() -> int:
    """Start a control plane and roll."""
    parser = argparse.ArgumentParser(description="rolling restarts without a failed call")
    parser.add_argument("--rounds", type=int, default=10, help="restarts of all three replicas")
    rounds = parser.parse_args().rounds
    console = rich.console.Console(stderr=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        devcluster.Cluster(tell=_tell) as cluster,
        rich.progress.Progress(console=console, transient=True) as progress,
    ):
        bar = progress.add_task("restarts", total=rounds * rollouts.REPLICAS)
        found = asyncio.run(
            rollouts.roll(
                cluster, pathlib.Path(scratch), rounds=rounds, tell=lambda: progress.advance(bar)
            )
        )
    output = rich.console.Console(soft_wrap=True, highlight=False)
    for one in found.traffic.failed[:20]:
        output.print(str(one), markup=False)
    output.print(
        f"{rounds} rolling restarts of {rollouts.REPLICAS} replicas ({found.restarts} in all) "
        f"under {found.traffic.calls} calls: {len(found.traffic.failed)} failed, "
        f"{len(found.codes)} replicas ended badly"
    )
    return 1 if found.traffic.failed or found.codes else 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - progress of the command


if __name__ == "__main__":
    sys.exit(main())
