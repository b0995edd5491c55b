"""Every CRD that a unit test generates is written down, for the oracle test to judge them all."""

import json
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

pytest.register_assert_rewrite("tests.support")

from schemagen import canonical  # noqa: E402 - rewriting must come before what it rewrites
from schemagen.crd import definitions  # noqa: E402 - rewriting must come before what it rewrites

RECORDED = pathlib.Path(__file__).parents[1] / "build" / "crds-of-tests"
_generate = definitions.crd

# Files that take minutes begin first: at the end, one process would be alone with them.
SLOW_FILES = (
    *("test_rotation.py", "test_run_commands.py", "test_endurance.py", "test_runs.py"),
    *("test_run_faults.py", "test_own_api.py", "test_certificates.py", "test_certs_command.py"),
    "test_supervisor.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow files first; everything else stays in its order."""
    ranks = {name: rank for rank, name in enumerate(SLOW_FILES)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))


def pytest_configure(config: pytest.Config) -> None:
    """Forget the last whole run's; the workers of this one write into the same folder."""
    is_worker = hasattr(config, "workerinput")
    is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if not is_worker and is_whole and "not e2e" in config.getoption("markexpr"):
        shutil.rmtree(RECORDED, ignore_errors=True)


@pytest.fixture(autouse=True, scope="session")
def recorded() -> Iterator[None]:
    """Write down what `definitions.crd` returns while tests run."""
    patch = pytest.MonkeyPatch()
    patch.setattr(definitions, "crd", _recording)
    yield
    patch.undo()


def _recording(*arguments: Any, **options: Any) -> dict[str, Any]:
    generated = _generate(*arguments, **options)
    RECORDED.mkdir(parents=True, exist_ok=True)
    path = RECORDED / f"{canonical.digest(generated)}.json"
    partial = path.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps(generated))
    partial.replace(path)
    return generated
