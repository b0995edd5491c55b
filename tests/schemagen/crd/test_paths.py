"""Columns show what client-go finds: paths that it cannot resolve are refused, others accepted.

The expected messages are those of tests/e2e/test_columns.py, which uses a real API server.
"""

from typing import Any

import pytest

from schemagen import Column, Kind, Version
from schemagen.crd import jsonpath, paths
from schemagen.schema import structural
from schemagen.schema.keywords import SchemaError
from tests.support import columns

SCHEMA = structural.schema_of(columns.Thing)


@pytest.mark.parametrize("path", columns.SHOWN)
def test_path_that_shows_a_value_is_accepted(path: str) -> None:
    assert paths.column_problem(SCHEMA, path, "string") is None


@pytest.mark.parametrize(
    "path", [*columns.NOT_SHOWN, *columns.UNREADABLE, *columns.SHOWN_AT_RANDOM]
)
def test_a_path_that_shows_nothing_or_chance_is_refused(path: str) -> None:
    problem = paths.column_problem(SCHEMA, path, "string")

    assert problem is not None
    assert problem.startswith("expected ")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (
            '.spec.its[?(@.v=="3")].name',
            ("expected two sides that can be compared by ==, got an integer and a string"),
        ),
        (".spec.its[?(@.v=3)].name", "expected one of == != < <= > >= in the filter, got ="),
        (".spec.its[?(@.name==a)].v", 'expected .a or, as text, "a" in quotes, got a'),
        ('.spec.its[?(@.name=="a"].v', 'expected a closing ) of the filter, got [?(@.name=="a"].v'),
        (".spec.its[0", "expected a closing ], got [0"),
        (".spec.its[9].name", "expected an index below maxItems, which is 4, got 9"),
        (".spec.its[2:1].name", "expected a slice that is not empty, got 2:1"),
        (".spec.color[0]", "expected a list for an index, got a string; leave it out"),
        (".spec.obj[?(@.v>1)].v", "expected a list for a filter, got an object; leave it out"),
        ("....name", "expected one .. and a name, got another .."),
    ],
)
def test_invalid_path_is_reported(path: str, words: str) -> None:
    assert words == paths.column_problem(SCHEMA, path, "string")


@pytest.mark.parametrize(("path", "kind"), columns.TYPED)
def test_a_type_that_shows_no_value_of_the_field_is_refused(path: str, kind: Any) -> None:
    column = Column("C", path, type=kind)
    version = Version("v1", columns.Thing, storage=True, columns=(column,))

    try:
        paths.check(Kind("Thing", "things", (version,)), version, SCHEMA)
    except SchemaError:
        is_refused = True
    else:
        is_refused = False

    assert ((path, kind) in columns.MISFITS) == is_refused


def test_a_name_is_escaped_for_a_path() -> None:
    name = "example.com/a-b"

    assert "example\\.com/a-b" == jsonpath.escaped(name)
    assert (jsonpath.Field(name),) == jsonpath.parsed(f".{jsonpath.escaped(name)}")
    assert (jsonpath.Field(name),) == jsonpath.parsed(f"['{jsonpath.escaped(name)}']")
