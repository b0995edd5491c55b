"""The examples of docs/conversion.md run, fit their models, and lose nothing."""

import pathlib
import re
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import Field, create_model

from schemagen import Api, Kind, Resource, Version, steps
from schemagen.differential import generation
from schemagen.problems import JSON
from schemagen.roundtrip import simulated_server
from schemagen.roundtrip.views import Views
from schemagen.versions import records
from schemagen.versions.converter import Converter
from schemagen.versions.records import keep, record, same_name
from schemagen.versions.residue import storage
from schemagen.versions.verification import verification

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
ROWS = re.findall(
    r"^\| (.*?) \| .* \|$",
    dict(SECTION.findall(DOCUMENT.read_text()))["What survives which edit"],
    re.MULTILINE,
)


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


# --- the table of what survives ------------------------------------------------------------------

PORTS = [
    {"name": "dns", "number": 53, "protocol": "UDP"},
    {"name": "web", "number": 80, "protocol": "TCP"},
]
WIDGET: dict[str, Any] = {
    "apiVersion": "example.com/v1",
    "kind": "Widget",
    "metadata": {"name": "one"},
    "spec": {"scaling": {"replicas": 3, "burst": 5}, "ports": PORTS, "mode": "Append"},
    "status": {"phase": "Ready", "progress": 50},
}


def changed(value: JSON, path: tuple[Any, ...], part: JSON) -> JSON:
    """A copy with another part at a path; ABSENT takes it away."""
    if part is steps.ABSENT:
        return generation.without(value, path)
    above, last = path[:-1], path[-1]
    return generation.replaced(value, above, {**generation.at(value, above), last: part})


# What is edited in v1alpha1, and what is different in v1 then.
EDITS: dict[str, tuple[tuple[Any, ...], JSON, list[tuple[tuple[Any, ...], JSON]]]] = {
    "a label is set": (
        ("metadata", "labels"),
        {"a": "b"},
        [(("metadata", "labels"), {"a": "b"})],
    ),
    "another number of replicas is written": (
        ("spec", "size", "replicas"),
        4,
        [(("spec", "scaling", "replicas"), 4)],
    ),
    "the replicas are removed": (
        ("spec", "size", "replicas"),
        steps.ABSENT,
        [(("spec", "scaling", "replicas"), steps.ABSENT)],
    ),
    "the whole size is removed": (
        ("spec", "size"),
        steps.ABSENT,
        [(("spec", "scaling", "replicas"), steps.ABSENT)],
    ),
    "the number of a port is changed": (
        ("spec", "ports"),
        [{"name": "dns", "number": 54}, {"name": "web", "number": 80}],
        [(("spec", "ports"), [{**PORTS[0], "number": 54}, PORTS[1]])],
    ),
    "the ports are reordered, and one is added": (
        ("spec", "ports"),
        [{"name": "web", "number": 80}, {"name": "dns", "number": 53}, {"name": "x"}],
        [(("spec", "ports"), [PORTS[1], PORTS[0], {"name": "x"}])],
    ),
    "a port is removed": (
        ("spec", "ports"),
        [{"name": "web", "number": 80}],
        [(("spec", "ports"), [PORTS[1]])],
    ),
    "all ports are removed": (
        ("spec", "ports"),
        steps.ABSENT,
        [(("spec", "ports"), steps.ABSENT)],
    ),
    "a mode is written": (("spec", "mode"), "read-only", [(("spec", "mode"), "ReadOnly")]),
    "the status is written": (
        ("status", "phase"),
        "Done",
        [(("status", "phase"), "Done")],
    ),
    "the object is replaced without its annotations": (
        ("metadata", "annotations"),
        steps.ABSENT,
        [],
    ),
}


def test_each_row_of_the_table_is_tested() -> None:
    assert ["edit through v1alpha1", "---", *EDITS] == ROWS


@pytest.mark.parametrize("row", EDITS)
def test_edit_leaves_what_the_table_says(row: str) -> None:
    path, part, differences = EDITS[row]
    api = run(EXAMPLES["What survives which edit 0"], "example").api
    verification.check(api)
    cluster = cluster_of(api)
    cluster.create("v1", WIDGET)

    edited = changed(cluster.read("v1alpha1"), path, part)
    write = cluster.write_status if path[0] == "status" else cluster.write
    write("v1alpha1", edited)

    expected = WIDGET
    for place, value in differences:
        expected = changed(expected, place, value)
    assert expected == without_annotations(cluster.read("v1"))


def cluster_of(api: Api) -> simulated_server.Cluster:
    (kind,) = api.kinds
    converter = Converter(api)

    def convert(value: simulated_server.Value, source: str, target: str) -> simulated_server.Value:
        return converter.way(kind, source, target).plain(value)

    def admit(
        value: simulated_server.Value,
        old: simulated_server.Value | None,
        is_replacement: bool,  # noqa: FBT001
    ) -> simulated_server.Value:
        return storage.with_residue(api, kind, value, old, is_replacement=is_replacement)

    return simulated_server.Cluster(Views(api, kind), convert, admit, "v1")


def without_annotations(value: simulated_server.Value) -> simulated_server.Value:
    metadata = {key: item for key, item in value["metadata"].items() if key != "annotations"}
    return {**value, "metadata": metadata}
