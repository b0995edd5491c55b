"""AgentRuns stored as v1alpha1, rewritten as v1beta1 and back, on a real API server, at length.

``python -m tests.bench.prove_storage_switch --number 10000``. Exit code 1: an object changed.
"""

import argparse
import asyncio
import functools
import pathlib
import sys
import tempfile
from collections.abc import Mapping

import rich.console
import rich.progress

import crds
from controllers import devcluster, kube
from controllers.agentctl.dev import local_platform
from tests.support import storage_switch

OLDER, NEWER = "v1alpha1", "v1beta1"


async def prove(cluster: devcluster.Cluster, number: int, seed: int) -> list[str]:
    """Switch to and fro; a line for each object that is not what it was."""
    kind = next(one for one in crds.api if one.name == "AgentRun")
    values = storage_switch.drawn(kind, OLDER, number, seed)
    console = rich.console.Console(stderr=True)
    async with kube.Client.from_kubeconfig(
        cluster.admin_kubeconfig, on_warning=lambda _: None
    ) as client:
        switch = storage_switch.Switch(client, kind, OLDER)
        with rich.progress.Progress(console=console) as progress:
            bar = functools.partial(_bar, progress, number)
            original = await switch.create(values, bar("stored as v1alpha1"))
            changed: list[str] = []
            for version in (NEWER, OLDER):
                await switch.store_as(version)
                rewritten = await switch.rewrite(bar(f"rewritten as {version}"))
                changed += _differences(original, await switch.all(), version)
                progress.console.print(f"{rewritten} written anew as {version}")
    return changed


def _bar(progress: rich.progress.Progress, total: int, name: str) -> storage_switch.Tell:
    return functools.partial(progress.advance, progress.add_task(name, total=total))


def _differences(
    original: Mapping[str, bytes], found: Mapping[str, bytes], version: str
) -> list[str]:
    return [
        f"{name}, stored as {version}: {text.decode()} became {found.get(name, b'').decode()}"
        for name, text in original.items()
        if found.get(name) != text
    ]


def main() -> int:
    """Start a control plane with the API stored in its older version, and switch."""
    parser = argparse.ArgumentParser(description="a change of the storage version, and back")
    parser.add_argument("--number", type=int, default=10_000, help="how many AgentRuns")
    parser.add_argument("--seed", type=int, default=0, help="names the run")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as scratch,
        devcluster.Cluster(tell=_tell) as cluster,
        local_platform.webhook_server(cluster, pathlib.Path(scratch), storage=OLDER),
    ):
        changed = asyncio.run(prove(cluster, arguments.number, arguments.seed))
    output = rich.console.Console(soft_wrap=True, highlight=False)
    for line in changed[:10]:
        output.print(line, markup=False)
    output.print(
        f"{arguments.number} AgentRuns stored as {OLDER}, rewritten as {NEWER}, and back: "
        f"{len(changed)} differ from what they were"
    )
    return 1 if changed else 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - progress of the command


if __name__ == "__main__":
    sys.exit(main())
