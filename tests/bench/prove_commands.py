"""``make prove-commands``: every command with broken modules, arguments and files, N times."""

import argparse
import collections
import pathlib
import sys
import tempfile
import time

from tests.support import command_mutations
from tests.support.forked_commands import Commands


def main() -> int:
    """Run the calls, print what is wrong; 1 if anything is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    started, faults = time.monotonic(), 0
    codes: collections.Counter[tuple[str, int]] = collections.Counter()
    with Commands() as commands, tempfile.TemporaryDirectory() as folder:
        for index, call in enumerate(
            command_mutations.calls(arguments.number, arguments.seed), start=1
        ):
            outcome = call.run(commands, pathlib.Path(folder, str(index)))
            codes[call.program, outcome.code] += 1
            for fault in call.faults(outcome):
                faults += 1
                print(f"{fault}: {call}\n{outcome.err[-3000:]}\n")  # noqa: T201 - the report
    seconds = time.monotonic() - started
    print(f"{arguments.number} calls of seed {arguments.seed} in {seconds:.0f} s: {faults} faults")  # noqa: T201 - likewise
    for (program, code), count in sorted(codes.items()):
        print(f"  {program}: exit code {code} {count} times")  # noqa: T201 - likewise
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
