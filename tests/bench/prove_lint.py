"""``make prove-lint``: N drawn webhook configurations to lint and to a real API server.

.venv/bin/python -m tests.bench.prove_lint --number 2000 --seed 0 --part 1/1
A run that was interrupted goes on where it was: build/prove-lint holds what it has found.
"""

import argparse
import asyncio
import dataclasses
import json
import sys
import time

from controllers import devcluster
from schemagen import judge
from tests.support import judge_proof, lint_proof, parts

SAVED_EVERY = 100
SHOWN = 20


@dataclasses.dataclass
class Found:
    """What became of the configurations so far.

    Attributes:
        done: How many there were.
        refused: How many the API server refused.
        splits: Where lint says something else.
    """

    done: int = 0
    refused: int = 0
    splits: list[str] = dataclasses.field(default_factory=list)


def main() -> int:
    """Draw, ask, tell; 1 if the answers ever part."""
    part = _part()
    began = time.monotonic()
    kept, _ = part.resumed()
    found = Found(**kept or {})
    with (
        devcluster.Cluster(tell=lambda line: print(line, file=sys.stderr)) as cluster,  # noqa: T201 - a command's own progress
        judge.Judge(deadline_seconds=60) as asked,
    ):
        asyncio.run(_ask(cluster, asked, part, found))
    for line in sorted(found.splits, key=len)[:SHOWN]:
        sys.stdout.write(f"{line}\n\n")
    sys.stdout.write(
        f"{found.done} configurations of {part}; "
        f"the API server refused {found.refused} of them\n"
        f"{time.monotonic() - began:.0f} s: {len(found.splits)} differences\n"
    )
    return 1 if found.splits or found.done < len(part.indexes) else 0


async def _ask(
    cluster: devcluster.Cluster, asked: judge.Judge, part: parts.Part, found: Found
) -> None:
    async with judge_proof.Server.of(cluster) as server:
        for index in part.indexes[found.done :]:
            answers = await lint_proof.compare(server, asked, part.seed, index)
            found.done += 1
            found.refused += answers.served.is_refusal
            if answers.split:
                found.splits.append(
                    f"{index}: {json.dumps(answers.value)}\n{answers.served}\n{answers.split}"
                )
            if part.is_worth_saving(found.done, SAVED_EVERY):
                part.save(dataclasses.asdict(found), found.done)


def _part() -> parts.Part:
    parser = argparse.ArgumentParser(description=__doc__)
    parts.add_options(parser, number=2_000)
    return parts.part_of("prove-lint", parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
