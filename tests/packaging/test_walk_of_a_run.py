"""The walk of a run in docs/architecture.md names functions and classes that exist."""

import pathlib
import pkgutil
import re

import pytest

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "architecture.md"
SECTION = re.compile(r"^## The walk of a run\n(.*?)^## ", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"`((?:controllers|crds|webhooks)\.[\w.]+)`")


def rows() -> list[list[str]]:
    """The names in each row of the walk, the first of which is the row's function."""
    section = SECTION.search(DOCUMENT.read_text())
    assert section is not None
    return [NAME.findall(line) for line in section[1].splitlines() if re.match(r"\| \d+ ", line)]


@pytest.mark.parametrize("name", [name for row in rows() for name in row])
def test_function_of_the_walk_exists(name: str) -> None:
    path, _, _ = name.rpartition(".")

    assert callable(pkgutil.resolve_name(name)), name
    assert pkgutil.resolve_name(path) is not None


def test_every_station_from_the_command_to_the_status_has_a_row() -> None:
    firsts = [row[0] for row in rows()]
    stations = (
        *("agentctl.run", "crds.admission", "reconciler", "work", "planner", "slots"),
        *("jobs.job", "run_status", "controllers.runner", "runs.retention"),
    )

    places = [
        next((at for at, first in enumerate(firsts) if station in first), None)
        for station in stations
    ]

    assert None not in places
    assert sorted(places, key=lambda place: place or 0) == places
