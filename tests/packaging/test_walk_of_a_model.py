"""The walks of a model class and of a conversion in docs/architecture.md name what exists."""

import pathlib
import pkgutil
import re

import pytest

PAGE = (pathlib.Path(__file__).parents[2] / "docs/architecture.md").read_text()
WALK = re.compile(r"^The walk of (.*):\n\n((?:\d\. .*\n(?:   .*\n)*)+)", re.MULTILINE)
WALKS = dict(WALK.findall(PAGE))
NAME = re.compile(r"`(schemagen(?:\.\w+)+)`")


@pytest.mark.parametrize("subject", ["a model class", "an object in a conversion"])
def test_walk_names_functions_that_exist(subject: str) -> None:
    names = NAME.findall(WALKS[subject])

    for name in names:
        assert pkgutil.resolve_name(name) is not None, name
    assert len(names) > 9
    # A step without a function could be about anything.
    steps = re.split(r"^\d\. ", WALKS[subject], flags=re.MULTILINE)[1:]
    assert all(map(NAME.search, steps))
