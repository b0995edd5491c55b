"""Defaults are stable: sets are sorted, and changing values are refused."""

import datetime as dt
import os
import pathlib
import random
import subprocess
import sys
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import Field

from schemagen import Model, Spec
from schemagen.schema import structural
from schemagen.schema.keywords import SchemaError

pytestmark = pytest.mark.slow

CHANGING = """
import enum, uuid
from typing import Literal
from schemagen import Api, Kind, Resource, Spec, Version

Word = enum.Enum("Word", {{word: word for word in {{"x", "y", "z", "w", "v"}}}})

class S(Spec):
    field: {field}

class Thing(Resource):
    spec: S

api = Api("example.com", (Kind("Thing", "things", (Version("v1", Thing, storage=True),)),))
"""


def generated(
    folder: pathlib.Path, field: str, seed: str = "random"
) -> subprocess.CompletedProcess[str]:
    (folder / "changing.py").write_text(CHANGING.format(field=field))
    return subprocess.run(
        [sys.executable, "-m", "schemagen", "generate", "changing:api"],
        cwd=folder,
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "field",
    [
        'frozenset[str] = frozenset({"a", "b", "c", "d"})',
        'set[str] = {"read", "write", "list"}',
        'dict[str, set[str]] = {"k": {"read", "write", "list"}}',
    ],
)
def test_a_set_is_written_the_same_in_each_process(tmp_path: pathlib.Path, field: str) -> None:
    first, second = (generated(tmp_path, field, seed) for seed in ("1", "2"))

    assert (0, "") == (first.returncode, first.stderr)
    assert first.stdout == second.stdout


@pytest.mark.parametrize(
    ("field", "keyword"),
    [
        ('Literal[tuple({"a", "b", "c", "d", "e"})] = "a"', "enum"),
        ("Word", "enum"),
        ('list[str] = list({"a", "b", "c", "d", "e"})', "default"),
        ('dict[str, int] = {word: 1 for word in {"a", "b", "c", "d", "e"}}', "default"),
        ("str = str(uuid.uuid4())", "default"),
    ],
)
def test_what_is_another_in_each_process_is_refused(
    tmp_path: pathlib.Path, field: str, keyword: str
) -> None:
    done = generated(tmp_path, field)

    assert 2 == done.returncode
    assert f"Thing v1 spec.field: expected the same {keyword} in each process, got " in done.stderr
    assert "Rules.default" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    "factory",
    [
        lambda: str(uuid.uuid4()),
        lambda: str(random.random()),  # noqa: S311 - nothing secret
        lambda: dt.datetime.now(dt.UTC).isoformat(),
    ],
)
def test_a_factory_that_returns_something_else_is_refused(factory: Callable[[], str]) -> None:
    class Changing(Spec):
        id: str = Field(default_factory=factory)

    with pytest.raises(SchemaError) as refused:
        structural.schema_of(Changing)

    words = (
        "Changing.id: expected a default that is the same each time, got a factory that returned"
    )
    assert str(refused.value).startswith(words)
    assert "set it in Rules.default" in str(refused.value)


def test_a_factory_that_reads_the_day_is_refused() -> None:
    class Daily(Spec):
        since: str = Field(default_factory=lambda: str(dt.datetime.now(dt.UTC).date()))

    with pytest.raises(SchemaError, match="a factory that reads the clock"):
        structural.schema_of(Daily)


def test_a_factory_of_a_constant_is_written() -> None:
    class Part(Model):
        names: set[str] = Field(default_factory=lambda: {"b", "a"})
        size: int | None = None

    class Whole(Spec):
        part: Part = Field(default_factory=Part)
        day: str = Field(default_factory=lambda: "2026-01-02")

    properties = structural.schema_of(Whole)["properties"]

    assert {"names": ["a", "b"]} == properties["part"]["default"]
    assert "2026-01-02" == properties["day"]["default"]


@pytest.mark.parametrize("default", [float("inf"), float("nan"), object(), {"a": float("-inf")}])
def test_what_json_cannot_hold_is_refused(default: Any) -> None:
    class Odd(Spec):
        field: Any = default

    with pytest.raises(
        SchemaError, match=r"Odd\.field: expected a default that JSON can represent"
    ):
        structural.schema_of(Odd)
