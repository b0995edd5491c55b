"""``make prove-minors``: the judge of every minor version says what public reports say.

.venv/bin/python -m tests.bench.prove_minors --kubernetes 1.29..1.37
"""

import argparse
import sys
import time

from schemagen.compat import installation, releases
from tests.support import minor_cases


def main() -> int:
    """Judge all cases by all judges, building those that are missing; 1 if one says otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubernetes", default="1.29..1.37")
    arguments = parser.parse_args()
    wanted = releases.parsed(arguments.kubernetes)
    began = time.monotonic()
    outcomes: dict[str, dict[releases.Release, installation.Outcome]] = {
        case.name: {} for case in minor_cases.CASES
    }
    problems: list[str] = []
    for release in wanted:
        with releases.opened(release) as oracle:
            for case in minor_cases.CASES:
                outcomes[case.name][release] = case.judged(oracle)
                problems += case.refusals(oracle, release)
    for case in minor_cases.CASES:
        problems += case.problems(outcomes[case.name])
    sys.stdout.write(installation.table(outcomes))
    for line in problems:
        sys.stdout.write(f"\n{line}\n")
    sys.stdout.write(
        f"{len(minor_cases.CASES)} cases x {len(wanted)} minor versions: {len(problems)} "
        f"differences in {time.monotonic() - began:.0f} s\n"
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
