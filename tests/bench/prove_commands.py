"""``make prove-commands``: every command with broken modules, arguments and files, N times.

.venv/bin/python -m tests.bench.prove_commands --number 2000 --seed 0 --part 1/1
A run that was interrupted goes on where it was: build/prove-commands holds what it has found.
"""

import argparse
import dataclasses
import pathlib
import sys
import tempfile
import time

from tests.support import command_mutations, parts
from tests.support.forked_commands import Commands

SAVED_EVERY = 20


@dataclasses.dataclass
class Found:
    """What became of the calls so far.

    Attributes:
        done: How many there were.
        started: How many began to serve, and were stopped.
        faults: What is wrong, with the call.
        codes: How often a program ended with a code.
    """

    done: int = 0
    started: int = 0
    faults: list[str] = dataclasses.field(default_factory=list)
    codes: dict[str, int] = dataclasses.field(default_factory=dict)


def main() -> int:
    """Run the calls, print what is wrong; 1 if anything is."""
    part = _part()
    began = time.monotonic()
    kept, _ = part.resumed()
    found = Found(**kept or {})
    with Commands() as commands, tempfile.TemporaryDirectory() as folder:
        for index in part.indexes[found.done :]:
            _call(index, part, commands, pathlib.Path(folder, str(index)), found)
            if part.is_worth_saving(found.done, SAVED_EVERY):
                part.save(dataclasses.asdict(found), found.done)
    sys.stdout.write("".join(f"{line}\n" for line in _summary(part, found)))
    sys.stdout.write(f"{time.monotonic() - began:.0f} s: {len(found.faults)} faults\n")
    return 1 if found.faults or found.done < len(part.indexes) else 0


def _part() -> parts.Part:
    parser = argparse.ArgumentParser(description=__doc__)
    parts.add_options(parser, number=2_000)
    return parts.part_of("prove-commands", parser.parse_args())


def _call(
    index: int, part: parts.Part, commands: Commands, folder: pathlib.Path, found: Found
) -> None:
    call = command_mutations.call(index, part.seed)
    outcome = call.run(commands, folder)
    found.done += 1
    found.started += outcome.was_stopped
    key = f"{call.program}: exit code {outcome.code}"
    found.codes[key] = found.codes.get(key, 0) + 1
    for fault in call.faults(outcome):
        said = f"{fault}: {call}\n{outcome.err[-3000:]}\n"
        found.faults.append(said)
        sys.stdout.write(f"call {index}: {said}\n")
        sys.stdout.flush()


def _summary(part: parts.Part, found: Found) -> list[str]:
    codes = [f"  {key} {count} times" for key, count in sorted(found.codes.items())]
    return [
        *codes,
        f"{found.started} of them began to serve, and ended by SIGTERM",
        f"{found.done} calls of {part}",
    ]


if __name__ == "__main__":
    sys.exit(main())
