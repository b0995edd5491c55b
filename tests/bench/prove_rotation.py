"""Authorities rotated under load on a real API server, then once more with kills.

``python -m tests.bench.prove_rotation --rotations 20``. Exit code 1: a call failed for a reason of
TLS, or failed at all while nothing was killed, or again at its first retry. Shell: processes.
"""

import argparse
import asyncio
import collections
import pathlib
import sys
import tempfile

import rich.console
import rich.progress

from controllers import devcluster
from tests.support import rotations


def main() -> int:
    """Start a control plane, rotate, and rotate with kills."""
    parser = argparse.ArgumentParser(description="rotations that no caller notices")
    parser.add_argument("--rotations", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    console = rich.console.Console(stderr=True)
    output = rich.console.Console(soft_wrap=True, highlight=False)
    bad = 0
    with (
        devcluster.Cluster(tell=_tell) as cluster,
        rich.progress.Progress(console=console, transient=True) as progress,
    ):
        for with_kills in (False, True):
            name = "rotations with kills" if with_kills else "rotations"
            bar = progress.add_task(name, total=given.rotations)
            with tempfile.TemporaryDirectory() as scratch:
                found = asyncio.run(
                    rotations.under_load(
                        cluster,
                        pathlib.Path(scratch),
                        rotations=given.rotations,
                        with_kills=with_kills,
                        seed=given.seed,
                        tell=lambda: progress.advance(bar),  # noqa: B023 - used at once
                    )
                )
            failed = [*found.failed, *found.traffic.failed]
            for one in failed[:20]:
                output.print(str(one), markup=False)
            output.print(_said(name, found, len(failed)), markup=False)
            bad += len(failed)
    return 1 if bad else 0


def _said(name: str, found: rotations.Rotated, failed: int) -> str:
    kills = collections.Counter(what for what, _ in found.killed)
    killed = ", ".join(f"{count} times {what}" for what, count in sorted(kills.items()))
    return (
        f"{found.rotations} {name} ({killed or 'nothing'} killed): {found.traffic.calls} calls of "
        f"the API server, {found.clients} strict clients with {found.reviews} connections; "
        f"{len(found.for_tls())} failed for TLS, {failed} in all; "
        f"{found.cut + found.traffic.cut} were cut and succeeded when tried again"
    )


def _tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - progress of the command


if __name__ == "__main__":
    sys.exit(main())
