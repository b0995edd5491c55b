"""Every CRD that a unit test generates is written down, for the oracle test to judge them all."""

import json
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

pytest.register_assert_rewrite("tests.support")

# Rewriting must come before what it rewrites.
from schemagen import canonical  # noqa: E402
from schemagen.crd import definitions  # noqa: E402
from tests.support import depth  # noqa: E402
from tests.support.forked_commands import Commands  # noqa: E402

# Fixtures that start one.
CONTROL_PLANES = {"api_server", "job_cluster"}

RECORDED = pathlib.Path(__file__).parents[1] / "build" / "crds-of-tests"
_generate = definitions.crd
depth.load_profile()

# Files that take minutes begin first: at the end, one process would be alone with them.
SLOW_FILES = (
    *("test_supervisor.py", "test_rotation.py", "test_run_commands.py", "test_endurance.py"),
    *("test_certificates.py", "test_runs.py", "test_run_faults.py", "test_benches.py"),
    *("test_hostile_objects.py", "test_own_api.py", "test_certs_command.py"),
    *("test_agentruns.py", "test_judge_agrees.py"),
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs a control plane, leave the deep tests out, and put the slow files first."""
    chosen: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        if CONTROL_PLANES & {*getattr(item, "fixturenames", ())}:
            item.add_marker(pytest.mark.e2e)
        is_left_out = (item.get_closest_marker("deep") and not depth.DEEP) or (
            item.get_closest_marker("browser") and "browser" not in config.getoption("markexpr")
        )
        (left_out if is_left_out else chosen).append(item)
    ranks = {name: rank for rank, name in enumerate(SLOW_FILES)}
    chosen.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))
    config.hook.pytest_deselected(items=left_out)
    items[:] = chosen


def pytest_configure(config: pytest.Config) -> None:
    """Forget the last whole run's; the workers of this one write into the same folder."""
    is_worker = hasattr(config, "workerinput")
    is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if not is_worker and is_whole and "not e2e" in config.getoption("markexpr"):
        shutil.rmtree(RECORDED, ignore_errors=True)


@pytest.fixture(scope="session")
def commands() -> Iterator[Commands]:
    """The console scripts, in forks of one process: none takes a second to start."""
    with Commands() as found:
        yield found


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
