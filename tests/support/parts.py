"""Parts of long proofs: their cases, and what an interrupted run has found. Shell: files."""

import argparse
import dataclasses
import json
import pathlib
from typing import Any

BUILD = pathlib.Path(__file__).parents[2] / "build"


@dataclasses.dataclass(frozen=True)
class Part:
    """What is to be proved.

    Attributes:
        proof: ``prove-models``: its folder in ``build``.
        number: Cases in all parts.
        seed: Of what is drawn.
        part: This part, from 1.
        parts: Of so many.
    """

    proof: str
    number: int
    seed: int
    part: int
    parts: int

    @property
    def indexes(self) -> range:
        """The cases of this part."""
        return range(self.part - 1, self.number, self.parts)

    @property
    def path(self) -> pathlib.Path:
        """Where is kept what was found."""
        name = f"{self.number}-{self.seed}-{self.part}-{self.parts}.json"
        return BUILD / self.proof / name

    def __str__(self) -> str:
        return f"seed {self.seed}, part {self.part}/{self.parts}"

    def resumed(self) -> tuple[Any, int]:
        """What an interrupted run has found, and how many cases it has done; None and 0 at first.

        A run that has ended begins anew.
        """
        if not self.path.is_file():
            return None, 0
        kept = json.loads(self.path.read_text())
        return (None, 0) if kept["done"] == len(self.indexes) else (kept["found"], kept["done"])

    def save(self, found: Any, done: int) -> None:
        """Keep what was found, as JSON."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({"found": found, "done": done}))

    def is_worth_saving(self, done: int, every: int) -> bool:
        """Whether so many cases have been done since the last time, or all."""
        return done % every == 0 or done == len(self.indexes)


def add_options(parser: argparse.ArgumentParser, number: int, option: str = "--number") -> None:
    """Give a command the options of a part.

    Args:
        parser: Of the command.
        number: How many cases there are unless it is said.
        option: What says it.
    """
    parser.add_argument(option, dest="number", type=int, default=number)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", default="1/1", help="such as 2/4: the second of four")


def part_of(proof: str, given: argparse.Namespace) -> Part:
    """The part that a command is asked for."""
    part, _, parts = given.part.partition("/")
    return Part(proof, given.number, given.seed, int(part), int(parts or 1))
