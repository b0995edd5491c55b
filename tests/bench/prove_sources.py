"""``make prove-sources``: ingest converges, keeps its rate, and loses nothing that it accepted.

.venv/bin/python -m tests.bench.prove_sources --issues 1000 --seed 0 --seconds 20
"""

import argparse
import asyncio
import os
import pathlib
import sys
import tempfile

from tests.support import source_proof

PER_SECOND = 500
MAX_P99_SECONDS = 0.05
MAX_SECONDS = 0.25


def main() -> int:
    """Run the proofs, print their figures; 1 if one fails."""
    parser = argparse.ArgumentParser(description="Prove the ingest of issues.")
    parser.add_argument("--issues", type=int, default=1000, help="Issues with a history each.")
    parser.add_argument("--seed", type=int, default=0, help="Of the order and the losses.")
    parser.add_argument("--seconds", type=int, default=20, help="Duration of the load.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        spools = [pathlib.Path(folder, name) for name in ("converge", "load", "kill")]
        for spool in spools:
            spool.mkdir()
        results = [
            _converge(given.issues, given.seed, spools[0]),
            _load(given.seconds, spools[1]),
            _kill(spools[2]),
        ]
    return 0 if all(results) else 1


def _converge(issues: int, seed: int, spool: pathlib.Path) -> bool:
    result = asyncio.run(source_proof.converge(issues, seed, spool))
    wrong = sum(result.found.get(name) != title for name, title in result.expected.items())
    sys.stdout.write(
        f"converge: {issues} issues, {result.statuses.total()} deliveries {dict(result.statuses)}, "
        f"forged or cut {dict(result.forged)}; newest state before the repair "
        f"{result.after_deliveries:.1%}, after it {wrong} wrong, {result.objects} objects\n"
    )
    return not wrong and result.objects == issues and {*result.forged} == {401}


def _load(seconds: int, spool: pathlib.Path) -> bool:
    result = source_proof.load(PER_SECOND * seconds, PER_SECOND, spool)
    count = len(result.seconds)
    p50, p99, slowest = (result.quantile(share) for share in (0.5, 0.99, 1.0))
    sys.stdout.write(
        f"load: {count / result.elapsed_seconds:.0f}/s, {dict(result.statuses)}, p50 "
        f"{p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms, max {slowest * 1e3:.1f} ms, CPU "
        f"{result.cpu_seconds / count * 1e6:.0f} us each "
        f"(load average {os.getloadavg()[0]:.1f})\n"
    )
    is_kept = {*result.statuses} == {202} and count == PER_SECOND * seconds
    return is_kept and p99 < MAX_P99_SECONDS and slowest < MAX_SECONDS


def _kill(spool: pathlib.Path) -> bool:
    accepted, lost = source_proof.kill(4000, spool)
    sys.stdout.write(f"kill: {accepted} accepted until SIGKILL, {lost} lost\n")
    return not lost


if __name__ == "__main__":
    sys.exit(main())
