"""The examples of docs/conversion.md run, fit their models, and lose nothing."""

import pathlib
import re
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import Field, create_model

from schemagen import Api, Kind, Resource, Version
from schemagen.versions import records, verification
from schemagen.versions.records import keep, record, same_name

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs/conversion.md"
SECTION = re.compile(r"^## (.*?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXAMPLES = {
    f"{title} {number}": code
    for title, text in SECTION.findall(DOCUMENT.read_text())
    for number, code in enumerate(BLOCK.findall(text))
}
# Sections whose example is the models of two specs, or statuses, and the step between them.
STEPS = [name for name, code in EXAMPLES.items() if "class Old" in code and "Api(" not in code]


def run(code: str, name: str) -> types.ModuleType:
    """A module of an example; its classes find each other by the module's name."""
    module = types.ModuleType(name)
    exec(compile(code, str(DOCUMENT), "exec"), vars(module))  # noqa: S102 - our own document
    return module


@pytest.fixture(autouse=True)
def widgets() -> Iterator[None]:
    """The complete API under the name that later examples import it by."""
    sys.modules["widgets"] = run(EXAMPLES["A complete API of two versions 0"], "widgets")
    yield
    del sys.modules["widgets"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_runs(name: str) -> None:
    run(EXAMPLES[name], "example")


def test_complete_api_fits() -> None:
    verification.check(sys.modules["widgets"].api)


@pytest.mark.parametrize("name", STEPS)
def test_example_fits_its_models(name: str) -> None:
    older, newer = api_of(name).kinds[0].versions

    assert [] == verification.faults(older, newer)


def api_of(name: str) -> Api:
    """An API of one kind around the models and the step of an example."""
    example = run(EXAMPLES[name], "example")
    members = {
        "spec": [getattr(example, f"{age}Spec", None) for age in ("Old", "New")],
        "status": [getattr(example, f"{age}Status", None) for age in ("Old", "New")],
    }
    parts = [
        same_name(member, getattr(example, member.upper()))
        for member, models in members.items()
        if models[0] is not None
    ]
    roots = [root({member: models[age] for member, models in members.items()}) for age in (0, 1)]
    conversion = records.Conversion(
        record(keep("kind", "metadata"), *parts), getattr(example, "UNORDERED", ())
    )
    versions = (
        Version("v1alpha1", roots[0], conversion=conversion),
        Version("v1", roots[1], storage=True),
    )
    return Api("example.com", (Kind("Widget", "widgets", versions),))


def root(members: dict[str, Any]) -> type[Resource]:
    fields: dict[str, Any] = {
        member: (model | None, Field(default=None, description="A part."))
        for member, model in members.items()
        if model is not None
    }
    return create_model("Widget", __base__=Resource, __doc__="A widget.", **fields)
