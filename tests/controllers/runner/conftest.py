import pathlib
from collections.abc import Iterator

import pytest

from tests.support import agent_runs


@pytest.fixture
def runner(tmp_path: pathlib.Path) -> Iterator[agent_runs.Runner]:
    root = tmp_path / "workspace"
    root.mkdir()
    made = agent_runs.Runner(root)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
        process.communicate()
