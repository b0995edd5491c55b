"""Forward references are resolved as Pydantic does, or are an error with its place."""

import importlib.util
import pathlib
import re
import sys
from types import ModuleType
from typing import Any

import pytest

from schemagen.schema import structural

INTEGER = {"type": "integer"}


def loaded(folder: pathlib.Path, text: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return a module with this text."""
    path = folder / "example.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("example", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "example", module)
    spec.loader.exec_module(module)
    return module


HEAD = """\
from __future__ import annotations
import dataclasses
import typing
import typing_extensions
from typing import Annotated
from pydantic import Field
from schemagen import Cel, Model, Resource, Spec

"""

PART = {"type": "object", "properties": {"size": INTEGER}, "required": ["size"]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            """
class Thing(Spec):
    parts: list[Part]
    main: Part | None = None

class Part(Model):
    size: int
""",
            {"parts": {"type": "array", "items": PART}, "main": PART},
        ),
        (
            """
class Thing(Spec):
    parts: list[Part]

class Part(Model):
    size: int

Thing.model_rebuild()
""",
            {"parts": {"type": "array", "items": PART}},
        ),
        (
            """
class Thing(Spec):
    part: "Part | None"
    parts: "dict[str, 'Part']"
    port: "Annotated[Port, Field(le=9)]"

class Part(Model):
    size: int

Port = Annotated[int, Field(ge=1)]
""",
            {
                "part": PART,
                "parts": {"type": "object", "additionalProperties": PART},
                "port": {**INTEGER, "minimum": 1, "maximum": 9},
            },
        ),
        (
            """
def build():
    class Part(Model):
        size: int

    class Thing(Spec):
        part: Part

    return Thing

Thing = build()
""",
            {"part": PART},
        ),
        (
            """
class Thing(Spec):
    data: Data
    keys: Keys
    parts: Parts

Parts = typing_extensions.TypeAliasType("Parts", "list[Part]")

@dataclasses.dataclass
class Data:
    part: Part

class Keys(typing_extensions.TypedDict):
    part: typing_extensions.NotRequired[Part]

class Part(Model):
    size: int
""",
            {
                "data": {"type": "object", "properties": {"part": PART}, "required": ["part"]},
                "keys": {"type": "object", "properties": {"part": PART}},
                "parts": {"type": "array", "items": PART},
            },
        ),
    ],
    ids=range(5),
)
def test_names_of_later_classes_are_resolved(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: Any
) -> None:
    module = loaded(tmp_path, HEAD + text, monkeypatch)

    assert expected == structural.schema_of(module.Thing)["properties"]


def test_model_with_forward_references_accepts_values(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "class Thing(Spec):\n    part: Part\n\nclass Part(Model):\n    max_size: int\n"
    module = loaded(tmp_path, HEAD + text, monkeypatch)
    made = module.Thing(part=module.Part(max_size=1))

    assert made == module.Thing.model_validate({"part": {"maxSize": 1}})


def test_rules_of_later_classes_have_wire_names(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
class Thing(Spec, rules=[Cel("self.part.max_size > 0")]):
    part: Part

class Part(Model):
    max_size: int
"""
    module = loaded(tmp_path, HEAD + text, monkeypatch)

    assert [{"rule": "self.part.maxSize > 0"}] == structural.schema_of(module.Thing)[
        "x-kubernetes-validations"
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("class Thing(Spec):\n    part: Part\n", "9: Thing: .*got Part; define or import it"),
        (
            "class Thing(Spec):\n    part: Part\n\nclass Part(Model):\n    x: Lost\n",
            "12: Part: .*got Lost; define or import it",
        ),
        (
            """class Thing(Spec):
    part: Part

@dataclasses.dataclass
class Part:
    x: Lost
""",
            "12: Part: .*got Lost; define or import it",
        ),
        ("class Thing(Spec):\n    part: Thing | None = None\n", "9: Thing.part: .*JSONObject"),
        (
            """class Thing(Spec):
    parts: list[Part] = []

class Part(Model):
    thing: Thing | None = None
""",
            "9: Part.thing: .*got Thing, a model that contains itself.*JSONObject",
        ),
        (
            """class Thing(Spec):
    part: Part

class Part(Model):
    x: Opaque

class Opaque: pass
""",
            "12: Part.x: .*got Opaque; use a model",
        ),
    ],
    ids=range(6),
)
def test_what_cannot_be_resolved_is_an_error_with_its_place(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    module = loaded(tmp_path, HEAD + text, monkeypatch)

    with pytest.raises(structural.SchemaError) as error:
        structural.schema_of(module.Thing)

    assert re.search(f"example.py:{words}", f"{error.value.source}{error.value}")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="PEP 695 came with Python 3.12")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            """
type Port = Annotated[int, Field(ge=1, le=9)]
type Names[T] = Annotated[list[T], Field(max_length=2)]
type Flipped[A, B] = dict[B, list[A]]
type Later = list[Part]

class Thing(Spec):
    port: Port | None = None
    ports: Names[Port]
    flipped: Flipped[int, str]
    later: Later
    page: Page[Port]

class Part(Model):
    size: int

class Page[T](Model):
    item: T
""",
            {
                "port": {**INTEGER, "minimum": 1, "maximum": 9},
                "ports": {
                    "type": "array",
                    "items": {**INTEGER, "minimum": 1, "maximum": 9},
                    "maxItems": 2,
                },
                "flipped": {
                    "type": "object",
                    "additionalProperties": {"type": "array", "items": INTEGER},
                },
                "later": {"type": "array", "items": PART},
                "page": {
                    "type": "object",
                    "properties": {"item": {**INTEGER, "minimum": 1, "maximum": 9}},
                    "required": ["item"],
                },
            },
        ),
    ],
    ids=["aliases"],
)
@pytest.mark.parametrize("head", [HEAD, HEAD.partition("\n")[2]], ids=["quoted", "evaluated"])
def test_type_statements_are_written_like_their_values(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, head: str, text: str, expected: Any
) -> None:
    if head != HEAD:  # names must exist before they are used
        before, _, after = text.partition("class Thing")
        classes = after[after.index("class Part") :]
        text = f"{before}{classes}\nclass Thing{after[: after.index('class Part')]}"
    module = loaded(tmp_path, head + text, monkeypatch)

    assert expected == structural.schema_of(module.Thing)["properties"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="PEP 695 came with Python 3.12")
def test_a_recursive_type_statement_is_an_error(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "type Tree = dict[str, Tree]\n\nclass Thing(Spec):\n    tree: Tree\n"
    module = loaded(tmp_path, HEAD + text, monkeypatch)

    with pytest.raises(structural.SchemaError, match="the type alias Tree, which contains itself"):
        structural.schema_of(module.Thing)
