"""The order of test files, and which of them one worker runs.

Files that use the platform on a control plane that stays share a worker, as it takes longer to
start than most tests. What takes minutes begins first, because at the end one worker would be alone
with it; files without processes fill up what others leave.
"""

import functools
import pathlib
import re
from collections.abc import Collection
from typing import Final

from xdist.scheduler import LoadScopeScheduling

ROOT: Final = pathlib.Path(__file__).parents[2]
# Fixtures by which a file uses a control plane with the platform on it (tests/e2e/conftest.py).
_PLATFORMS: Final = {
    "platform with jobs": re.compile(r"\b(job_cluster|served_cluster)\b"),
    "platform": re.compile(r"\bplatform: Platform\b"),
}
_MINUTES: Final = (
    *("platform with jobs", "platform", "test_supervisor.py", "test_rotation.py"),
    *("test_migrate.py", "test_install.py", "test_certificates.py", "test_dev.py"),
    *("test_recipes.py", "test_judge_agrees.py", "test_own_api.py", "test_endurance.py"),
    *("test_benches.py", "test_certs_command.py", "test_pages_document.py", "test_hostile.py"),
)
# It reads what the others write.
_LAST: Final = "test_every_crd.py"


@functools.cache
def unit(path: str) -> str:
    """Return the unit of a test file, relative to the root: what one worker runs in turn."""
    text = (ROOT / path).read_text()
    shared = (name for name, fixtures in _PLATFORMS.items() if fixtures.search(text))
    return next(shared, path) if path.startswith("tests/e2e/") else path


def rank(path: str, starting_processes: Collection[str]) -> tuple[int, int]:
    """Return the rank of a test file among all; the lowest begins first.

    Args:
        path: Of the file, relative to the root.
        starting_processes: The files with tests that start processes.
    """
    name = unit(path).rpartition("/")[2]
    if name in _MINUTES:
        return 0, _MINUTES.index(name)
    if name == _LAST:
        return 3, 0
    return (2, 0) if path in starting_processes else (1, 0)


class UnitScheduling(LoadScopeScheduling):  # type: ignore[misc] # xdist ships no types
    """Gives each worker a unit at a time."""

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid.partition("::")[0])
