"""All interleavings of two replicas that rotate an authority, and of six planted mistakes.

``python -m tests.bench.prove_rotation_model``. Exit code 1: a leaf was served that a remembered
bundle does not verify, or a mistake was not found.
"""

import sys
import time

from tests.support import rotation_mistakes, rotation_model


def main() -> int:
    """Explore what is done, then each mistake."""
    started = time.monotonic()
    found = rotation_model.explore(rotation_model.Shell())
    print(  # noqa: T201 - the output
        f"{found.states} states, {found.transitions} transitions, {found.rotations} rotation(s), "
        f"{time.monotonic() - started:.0f} s: {'; '.join(found.violation) or '0 violations'}"
    )
    missed = 0
    for name, shell in rotation_mistakes.MISTAKES.items():
        wrong = rotation_model.explore(shell)
        missed += not wrong.violation
        said = f"found in {len(wrong.violation)} steps" if wrong.violation else "NOT FOUND"
        print(f"{name}: {said}, {wrong.states} states")  # noqa: T201 - likewise
    return 1 if found.violation or missed else 0


if __name__ == "__main__":
    sys.exit(main())
