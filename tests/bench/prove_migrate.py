"""Storage migration of many objects with kills, a restart, a webhook that is away, and writers.

``python -m tests.bench.prove_migrate --number 20000``. Exit code 1: an object was lost or changed,
managedFields were lost, or an object whose rewrite fails was not named. With ``--together 2000``,
as many are in a cluster at a time, and a run that was interrupted goes on behind the last of these.
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
    parser.add_argument("--together", type=int, default=20_000, help="objects in one cluster")
    given = parser.parse_args()
    part = parts.part_of(f"prove-migrate/{given.together}", given)
    problems, done = part.resumed()
    problems = problems or []
    while done < len(part.indexes):
        number = min(given.together, len(part.indexes) - done)
        trial = migration_proof.Trial(
            number=number,
            bad=given.bad,
            kills=given.kills,
            away_seconds=given.away,
            is_restarted=True,
            seed=part.seed * part.number + part.indexes[done],
        )
        result = _proved(trial)
        done += number
        problems += result.problems
        part.save(problems, done)
        _print(f"{part}, {done} of {len(part.indexes)}: {result}")
    for line in problems[:20]:
        _print(line)
    return 1 if problems else 0


def _proved(trial: migration_proof.Trial) -> migration_proof.Result:
    """Prove one trial on a cluster of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        devcluster.Cluster(tell=lambda _: None) as cluster,
        migration_world.opened(cluster, pathlib.Path(folder)) as world,
    ):
        return migration_proof.run(world, trial, _print)


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the output


if __name__ == "__main__":
    sys.exit(main())
