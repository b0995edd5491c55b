"""Storage migration of many objects with kills, a restart, a webhook that is away, and writers.

``python -m tests.bench.prove_migrate --number 20000``. Exit code 1: an object was lost or changed,
managedFields were lost, or an object whose rewrite fails was not named.
"""

import argparse
import pathlib
import sys
import tempfile

from controllers import devcluster
from tests.support import migration_proof, migration_world, parts


def main() -> int:
    """Prove one part."""
    parser = argparse.ArgumentParser(description="a storage migration that is disturbed")
    parts.add_options(parser, 20_000)
    parser.add_argument("--kills", type=int, default=5, help="how often it is killed")
    parser.add_argument("--away", type=float, default=60.0, help="seconds without the webhook")
    parser.add_argument("--bad", type=int, default=25, help="objects whose rewrite fails")
    given = parser.parse_args()
    part = parts.part_of("prove-migrate", given)
    with (
        tempfile.TemporaryDirectory() as folder,
        devcluster.Cluster(tell=lambda _: None) as cluster,
        migration_world.opened(cluster, pathlib.Path(folder)) as world,
    ):
        trial = migration_proof.Trial(
            number=len(part.indexes),
            bad=given.bad,
            kills=given.kills,
            away_seconds=given.away,
            is_restarted=True,
            seed=part.seed * part.parts + part.part,
        )
        result = migration_proof.run(world, trial, _print)
    for line in result.problems[:20]:
        _print(line)
    _print(f"{part}: {result}")
    return 1 if result.problems else 0


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the output


if __name__ == "__main__":
    sys.exit(main())
