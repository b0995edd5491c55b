"""Takes every way to keep certificates through two years, and prints what clients met.

Exit code 1 if a client was refused, a warning was false, or one that was due came late.
"""

import argparse
import concurrent.futures
import datetime as dt
import logging
import pathlib
import sys
import tempfile

from tests.support import two_years

WARNING: dt.timedelta = dt.timedelta(weeks=2)


def lived(number: int, seed: int, hours: float) -> two_years.Outcome:
    """Two years of one way."""
    logging.disable()
    with tempfile.TemporaryDirectory() as folder:
        step = dt.timedelta(hours=hours)
        return two_years.lived(two_years.MODES[number], pathlib.Path(folder), step=step, seed=seed)


def problems(found: two_years.Outcome) -> list[str]:
    """What must not be."""
    if found.name != two_years.ForgottenPair.__name__:
        late = [f"{found.unready} times unready"] if found.unready else []
        early = found.announced["Warning CertificateExpiring"]
        return [*found.refused[:3], *late, *([f"{early} false warnings"] if early else [])]
    if found.warned_left is None or found.warned_left < WARNING:
        return [f"expected a warning two weeks before the end, got it {found.warned_left} before"]
    return [] if found.unready else ["ready with an expired certificate"]


def main() -> int:
    """Prove it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=6.0, help="of a step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    has_failed = False
    with concurrent.futures.ProcessPoolExecutor(given.processes) as pool:
        work = [
            pool.submit(lived, number, given.seed, given.hours)
            for number in range(len(two_years.MODES))
        ]
        for done in work:
            found = done.result()
            is_forgotten = found.name == two_years.ForgottenPair.__name__
            refused = "(nobody renewed it)" if is_forgotten else f"{len(found.refused)} refused"
            print(  # noqa: T201 - what it is for
                f"{found.name:26} {found.handshakes:8} handshakes, {refused}; "
                f"{len(found.certificates)} certificates of {len(found.authorities)} authorities, "
                f"{found.jumps} clock jumps, {found.damages} damages; "
                f"warned {found.warned_left or 'never'}{' before its end' * is_forgotten}",
                flush=True,
            )
            for problem in problems(found):
                has_failed = True
                print(f"  wrong: {problem}", flush=True)  # noqa: T201 - likewise
    return int(has_failed)


if __name__ == "__main__":
    sys.exit(main())
