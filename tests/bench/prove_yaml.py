"""Reads and writes YAML beside kubectl's own reader, many times; exit 1 if they ever part.

.venv/bin/python -m tests.bench.prove_yaml --number 200000 --seed 1 --part 1/4
"""

import argparse
import sys
import time

import rich.console
import rich.progress

from schemagen import judge, yaml
from tests.support import yaml_draws, yaml_proof

SHOWN = 20


def main() -> int:
    """Draw, compare, tell; the exit code."""
    given = _arguments()
    console = rich.console.Console(stderr=True)
    started = time.monotonic()
    total = yaml_proof.Tally()
    with judge.Judge(deadline_seconds=60) as asked:
        found = yaml_proof.prove(asked, given.number, given.seed, given.part)
        count = len(range(given.part[0] - 1, given.number, given.part[1]))
        for one in rich.progress.track(found, "texts", count, console=console):
            total += one
        crds = [yaml_draws.crd(path) for path in yaml_draws.CRDS]
        different = [text for text in crds if not _is_kept(asked, text)]
    for line in sorted(total.differences, key=len)[:SHOWN]:
        sys.stdout.write(f"{line}\n")
    asked_for = ", ".join(f"{count} {kind}s" for kind, count in total.asked.items())
    sys.stdout.write(
        f"{asked_for}; kubectl's reader takes {total.taken} of them\n"
        f"{total.undecided} of them it reads by chance, and we refuse\n"
        f"{len(crds)} CRDs of other projects, read, written, read again: {len(different)} differ\n"
        f"seed {given.seed}, part {given.part[0]}/{given.part[1]}, "
        f"{time.monotonic() - started:.0f} s: {len(total.differences)} differences\n"
    )
    return 1 if total.differences or different else 0


def _is_kept(asked: judge.Judge, text: bytes) -> bool:
    """Whether a manifest says the same to both, and once it is written again."""
    tally = yaml_proof.Tally()
    yaml_proof.read(asked, text, tally)
    written = "---\n".join(map(yaml.dumps, yaml.load_all(text))).encode()
    yaml_proof.read(asked, written, tally)
    return not tally.differences and yaml.load_all(text) == yaml.load_all(written)


def _part(text: str) -> tuple[int, int]:
    """``1/4``: the first of four parts."""
    index, parts = (int(number) for number in text.split("/"))
    if not 1 <= index <= parts:
        raise ValueError(text)
    return index, parts


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", type=_part, default=(1, 1))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
