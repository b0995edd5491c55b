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
from tests.support import depth, schedule  # noqa: E402
from tests.support.forked_commands import Commands  # noqa: E402

# Fixtures that start one.
CONTROL_PLANES = {"api_server", "job_cluster"}
# Marker expressions of the Makefile that choose the fast tests, which write the CRDs down.
WITH_FAST_TESTS = {"", "not e2e and not slow"}

RECORDED = pathlib.Path(__file__).parents[1] / "build" / "crds-of-tests"
_generate = definitions.crd
depth.load_profile()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs a control plane, leave the deep tests out, and order the files."""
    chosen: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        if CONTROL_PLANES & {*getattr(item, "fixturenames", ())}:
            item.add_marker(pytest.mark.e2e)
        is_left_out = (item.get_closest_marker("deep") and not depth.DEEP) or (
            item.get_closest_marker("browser") and "browser" not in config.getoption("markexpr")
        )
        (left_out if is_left_out else chosen).append(item)
    starting = {_file(item) for item in chosen if _starts_processes(item)}
    chosen.sort(key=lambda item: schedule.rank(_file(item), starting))
    config.hook.pytest_deselected(items=left_out)
    items[:] = chosen


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def _starts_processes(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in ("e2e", "slow"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> schedule.UnitScheduling | None:
    """Distribute units instead of files."""
    is_by_file = config.getoption("dist") == "loadfile"
    return schedule.UnitScheduling(config, log) if is_by_file else None


def pytest_configure(config: pytest.Config) -> None:
    """Forget the last whole run's; the workers of this one write into the same folder."""
    is_worker = hasattr(config, "workerinput")
    is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if not is_worker and is_whole and config.getoption("markexpr") in WITH_FAST_TESTS:
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
