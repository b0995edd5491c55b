"""Python-only patterns and enums are refused; those that RE2 reads alike are accepted."""

import enum
import re
from typing import Annotated, Any

import pytest
from pydantic import Field

from schemagen import Api, Kind, Resource, Spec, Version, checking, judge
from schemagen.crd import definitions
from schemagen.schema import structural
from schemagen.schema.keywords import SchemaError


def schema_of(pattern: Any) -> Any:
    class Job(Spec):
        name: Annotated[str, Field(pattern=pattern)]

    return structural.schema_of(Job)["properties"]["name"]


@pytest.mark.parametrize(
    ("pattern", "written"),
    [
        ("^[a-z]+$", "^[a-z]+$"),
        (re.compile("^[a-z]+$"), "^[a-z]+$"),
        (re.compile(r"^\d+$", re.ASCII), r"^\d+$"),
        (re.compile("(?i)^a$"), "(?i)^a$"),
        ("(?i)^[a-z]+$", "(?i)^[a-z]+$"),
        (r"^\d\w\s[+*]+\+*$", r"^\d\w\s[+*]+\+*$"),
        (r"\p{Greek}", r"\p{Greek}"),
        ("^[[:alpha:]]$", "^[[:alpha:]]$"),
        (r"\\Z", r"\\Z"),
    ],
)
def test_a_pattern_that_means_the_same_is_written(pattern: Any, written: str) -> None:
    assert {"type": "string", "pattern": written} == schema_of(pattern)


@pytest.mark.parametrize(
    ("pattern", "way_out"),
    [
        (re.compile("^[a-z]+$", re.IGNORECASE), 'pattern=r"(?i)^[a-z]+$"'),
        (re.compile("^a.b$", re.DOTALL | re.MULTILINE), 'pattern=r"(?ms)^a.b$"'),
        (re.compile("a b", re.VERBOSE), "write the pattern without"),
        (re.compile(r"^\d+$"), "write [0-9], compile it with re.ASCII"),
        (re.compile(r"^\w+$"), "write [0-9A-Za-z_]"),
        (r"^(?=a)", "write that part as a Cel rule"),
        (r"(?<!a)b", "write that part as a Cel rule"),
        (r"(a)\1", "write it as a Cel rule"),
        (r"(?P<x>a)(?P=x)", "write it as a Cel rule"),
        (r"a++", "leave the + or ?> out"),
        (r"(?>a)", "leave the + or ?> out"),
        (r"a\Z", r"\z or $"),
        (r"(?x)a", "leave others out"),
        (r"\u0041", "write the character itself"),
        (r"\C", "write ."),
        ("a{1001}", "write it in RE2's syntax"),
        ("(", "correct it"),
        ("\ud800", "a lone surrogate"),
    ],
)
def test_a_pattern_of_python_only_is_refused_with_a_way_out(pattern: Any, way_out: str) -> None:
    with pytest.raises(SchemaError) as refused:
        schema_of(pattern)

    assert str(refused.value).startswith(
        "Job.name: expected a pattern with the same meaning for the API server (RE2), "
    )
    assert way_out in str(refused.value)


class Flags(enum.IntFlag):
    READ = 1
    WRITE = 2


class Plain(enum.Flag):
    A = 1
    B = 2


@pytest.mark.parametrize("flags", [Flags, Plain, set[Flags]])
def test_flags_are_refused_with_a_way_out(flags: Any) -> None:
    class Job(Spec):
        mode: flags

    with pytest.raises(SchemaError, match=r"members .* combine; use set.* of a StrEnum"):
        structural.schema_of(Job)


class Inline(Spec):
    name: Annotated[str, Field(pattern="(?i)^[a-z]+$")]
    rest: Annotated[str, Field(pattern=re.compile(r"^\d*$", re.ASCII))] = ""


class Root(Resource):
    spec: Inline


@pytest.mark.parametrize(
    "spec", [{"name": "ABC"}, {"name": "a1"}, {"name": "a", "rest": "\u0663"}, {"name": "\u212a"}]
)
def test_model_and_judge_agree_about_inline_flags(spec: Any) -> None:
    api = Api("example.com", (Kind("Job", "jobs", (Version("v1", Root, storage=True),)),))
    value = {"apiVersion": "example.com/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": spec}

    with (
        judge.Judge(deadline_seconds=60) as asked,
        asked.load(definitions.crd(api, api.kinds[0])) as jobs,
    ):
        assert jobs.create(value, strict=False).causes == checking.of(Root).create(value).causes
