"""Mixed load with faults at a fixed rate, on a real API server, for as long as one likes.

``python -m tests.bench.prove_soak --minutes 30``. Exit code 1: an error that no fault explains.
Shell: processes.
"""

import argparse
import asyncio
import pathlib
import sys
import tempfile

import rich.console
import rich.progress

from controllers import devcluster
from tests.support import soak


def main() -> int:
    """Start a control plane and a server, load both, and disturb."""
    parser = argparse.ArgumentParser(description="mixed load with faults")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    console = rich.console.Console(stderr=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        devcluster.Cluster(tell=_tell) as cluster,
        rich.progress.Progress(console=console, transient=True) as progress,
    ):
        bar = progress.add_task("seconds", total=given.minutes * 60)
        found = asyncio.run(
            soak.soak(
                cluster,
                pathlib.Path(scratch),
                seconds=given.minutes * 60,
                seed=given.seed,
                tell=lambda seconds: progress.update(bar, completed=seconds),
            )
        )
    explained, unexplained = found.errors()
    output = rich.console.Console(soft_wrap=True, highlight=False)
    for one in unexplained[:20]:
        output.print(found.when(one), markup=False)
    faults = ", ".join(f"{count} {name}" for name, count in sorted(found.faults.items()))
    output.print(
        f"{given.minutes:g} minutes, seed {given.seed}: {found.traffic.calls} calls of the API "
        f"server, {found.reviews} reviews, {found.faults.total()} faults ({faults}): "
        f"{len(explained)} errors of calls under way when a worker was killed, "
        f"{len(unexplained)} that nothing explains"
    )
    return 1 if unexplained else 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - progress of the command


if __name__ == "__main__":
    sys.exit(main())
