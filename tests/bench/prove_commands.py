"""``make prove-commands``: every command with broken modules, arguments and files, N times.

.venv/bin/python -m tests.bench.prove_commands --number 2000 --seed 0 --part 1/1
A run that was interrupted goes on where it was: build/prove-commands holds what it has found.
"""

import argparse
import dataclasses
import json
import pathlib
import sys
import tempfile
import time

from tests.support import command_mutations
from tests.support.forked_commands import Commands

FOLDER = pathlib.Path(__file__).parents[2] / "build" / "prove-commands"
SAVED_EVERY = 20


@dataclasses.dataclass(frozen=True)
class Run:
    """What is to be proved: this part of so many calls of a seed."""

    number: int
    seed: int
    part: int
    parts: int

    @property
    def indexes(self) -> range:
        """The calls of this part."""
        return range(self.part - 1, self.number, self.parts)

    @property
    def path(self) -> pathlib.Path:
        """Where is kept what was found."""
        return FOLDER / f"{self.number}-{self.seed}-{self.part}-{self.parts}.json"


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
    run = _arguments()
    began = time.monotonic()
    found = _resumed(run)
    with Commands() as commands, tempfile.TemporaryDirectory() as folder:
        for index in run.indexes[found.done :]:
            _call(index, run, commands, pathlib.Path(folder, str(index)), found)
            if found.done % SAVED_EVERY == 0 or found.done == len(run.indexes):
                run.path.parent.mkdir(parents=True, exist_ok=True)
                run.path.write_text(json.dumps(dataclasses.asdict(found)))
    sys.stdout.write("".join(f"{line}\n" for line in _summary(run, found)))
    sys.stdout.write(f"{time.monotonic() - began:.0f} s: {len(found.faults)} faults\n")
    return 1 if found.faults or found.done < len(run.indexes) else 0


def _arguments() -> Run:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", default="1/1", help="such as 2/4: the second of four")
    given = parser.parse_args()
    part, _, parts = given.part.partition("/")
    return Run(given.number, given.seed, int(part), int(parts or 1))


def _resumed(run: Run) -> Found:
    """What an interrupted run has found; one that has ended begins anew."""
    if not run.path.is_file():
        return Found()
    found = Found(**json.loads(run.path.read_text()))
    return Found() if found.done == len(run.indexes) else found


def _call(index: int, run: Run, commands: Commands, folder: pathlib.Path, found: Found) -> None:
    call = command_mutations.call(index, run.seed)
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


def _summary(run: Run, found: Found) -> list[str]:
    codes = [f"  {key} {count} times" for key, count in sorted(found.codes.items())]
    return [
        *codes,
        f"{found.started} of them began to serve, and ended by SIGTERM",
        f"{found.done} calls of seed {run.seed}, part {run.part}/{run.parts}",
    ]


if __name__ == "__main__":
    sys.exit(main())
