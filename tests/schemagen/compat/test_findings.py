"""The same findings in every format: text, JSON, JUnit and SARIF."""

import json
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from schemagen.compat import findings
from schemagen.compat.findings import Finding, Format, Level

REMOVED = Finding(
    rule="field-removed",
    level=Level.ERROR,
    message="expected spec.size to stay, got nothing",
    source="crds/a b.yaml",
    line=7,
    subject="widgets.example.com v1",
    path="spec.size",
    details={"witness": {"spec": {"size": 0}}, "proved": False},
)
LOOSER = Finding("maximum-raised", Level.WARNING, "9 is new", subject="widgets.example.com v1")
BARE = Finding("unreadable", Level.NOTE, "nothing in it", source="cluster:kind-a")
ALL = (REMOVED, LOOSER, BARE)

# The part of the public schema (SARIF 2.1.0, oasis-tcs/sarif-spec) that the output uses, closed.
TEXT = {"type": "string", "minLength": 1}
MESSAGE = {"type": "object", "required": ["text"], "properties": {"text": TEXT}}


def closed(required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [*properties] if required is None else required,
        "properties": properties,
    }


REGION = closed(startLine={"type": "integer", "minimum": 1})
ARTIFACT = closed(uri={"type": "string", "format": "uri-reference", "pattern": r"^[^\s]+$"})
LOCATION = closed(
    [],
    physicalLocation=closed(["artifactLocation"], artifactLocation=ARTIFACT, region=REGION),
    logicalLocations={
        "type": "array",
        "uniqueItems": True,
        "items": closed(fullyQualifiedName=TEXT),
    },
)
RESULT = closed(
    ["ruleId", "ruleIndex", "level", "message"],
    ruleId=TEXT,
    ruleIndex={"type": "integer", "minimum": 0},
    level={"enum": ["none", "note", "warning", "error"]},
    message=MESSAGE,
    locations={"type": "array", "items": LOCATION},
    properties={"type": "object"},
)
DRIVER = closed(
    name=TEXT,
    rules={
        "type": "array",
        "uniqueItems": True,
        "items": closed(id=TEXT, shortDescription=MESSAGE),
    },
)
SCHEMA_FIELD: dict[str, Any] = {"$schema": {"type": "string", "format": "uri"}}
SARIF = closed(
    None,
    **SCHEMA_FIELD,
    version={"const": "2.1.0"},
    runs={
        "type": "array",
        "items": closed(tool=closed(driver=DRIVER), results={"type": "array", "items": RESULT}),
    },
)


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - our own output


def rendered(form: Format, *given: Finding, **options: Any) -> str:
    return findings.rendered(given, form, command="schemagen diff", **options)


def test_text_has_a_line_for_each() -> None:
    assert rendered(Format.TEXT, *ALL).splitlines() == [
        (
            "crds/a b.yaml:7: widgets.example.com v1: spec.size: expected spec.size to stay, got "
            "nothing (field-removed)"
        ),
        "warning: widgets.example.com v1: 9 is new (maximum-raised)",
        "cluster:kind-a: note: nothing in it (unreadable)",
    ]
    assert rendered(Format.TEXT) == ""


def test_only_an_error_fails() -> None:
    assert [True, False, False] == [findings.has_errors([finding]) for finding in ALL]
    assert findings.has_errors(ALL)
    assert not findings.has_errors([])


def test_json_has_what_is_known() -> None:
    read = json.loads(rendered(Format.JSON, *ALL))

    assert {
        "command": "schemagen diff",
        "findings": [
            {
                "rule": "field-removed",
                "level": "error",
                "message": "expected spec.size to stay, got nothing",
                "source": "crds/a b.yaml",
                "line": 7,
                "subject": "widgets.example.com v1",
                "path": "spec.size",
                "witness": {"spec": {"size": 0}},
                "proved": False,
            },
            {
                "rule": "maximum-raised",
                "level": "warning",
                "message": "9 is new",
                "subject": "widgets.example.com v1",
            },
            {
                "rule": "unreadable",
                "level": "note",
                "message": "nothing in it",
                "source": "cluster:kind-a",
            },
        ],
    } == read


def test_junit_has_a_test_for_each_subject() -> None:
    suite = parsed(rendered(Format.JUNIT, *ALL, passed=["gadgets.example.com v1"]))

    assert ("testsuite", "3", "1", "0") == (
        suite.tag,
        suite.get("tests"),
        suite.get("failures"),
        suite.get("errors"),
    )
    passed, failed, noted = suite
    assert "gadgets.example.com v1" == passed.get("name")
    assert [] == [*passed]
    assert ("widgets.example.com v1", "schemagen diff") == (
        failed.get("name"),
        failed.get("classname"),
    )
    failure, others = failed
    assert ("field-removed", REMOVED.message) == (failure.get("type"), failure.get("message"))
    assert str(REMOVED) == failure.text
    assert ("system-out", str(LOOSER)) == (others.tag, others.text)
    assert ("cluster:kind-a", ["system-out"]) == (noted.get("name"), [part.tag for part in noted])


def test_junit_groups_by_what_the_command_says() -> None:
    text = rendered(Format.JUNIT, REMOVED, LOOSER, passed=["a"], case_of=lambda item: item.rule)

    assert ["a", "field-removed", "maximum-raised"] == [case.get("name") for case in parsed(text)]


def test_junit_holds_what_xml_cannot() -> None:
    odd = Finding("x", Level.ERROR, "a\0\x1b\ud800\ufffe]]>&<b>\U0001f600\tc", subject="\x07\"'")

    (case,) = parsed(rendered(Format.JUNIT, odd))

    assert "\ufffd\"'" == case.get("name")
    assert "a\ufffd\ufffd\ufffd\ufffd]]>&<b>\U0001f600\tc" in (case[0].text or "")


@pytest.mark.parametrize("given", [(), ALL, ALL * 2], ids=len)
def test_sarif_has_the_form_of_its_schema(given: tuple[Finding, ...]) -> None:
    text = rendered(Format.SARIF, *given, rules={"field-removed": "A field is removed."})

    read = json.loads(text)
    checker = jsonschema.Draft7Validator.FORMAT_CHECKER
    jsonschema.Draft7Validator(SARIF, format_checker=checker).validate(read)
    (run,) = read["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [finding.rule for finding in given] == [result["ruleId"] for result in run["results"]]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])


def test_sarif_says_where() -> None:
    removed, looser, bare = json.loads(rendered(Format.SARIF, *ALL))["runs"][0]["results"]

    assert [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "crds/a%20b.yaml"},
                "region": {"startLine": 7},
            },
            "logicalLocations": [{"fullyQualifiedName": "spec.size"}],
        }
    ] == removed["locations"]
    assert (
        "widgets.example.com v1: expected spec.size to stay, got nothing"
        == (removed["message"]["text"])
    )
    assert {"witness": {"spec": {"size": 0}}, "proved": False} == removed["properties"]
    assert "locations" not in looser
    assert "cluster:kind-a" == (bare["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])


def test_sarif_describes_rules() -> None:
    text = rendered(Format.SARIF, *ALL, rules={"field-removed": "A field is removed."})

    (run,) = json.loads(text)["runs"]
    assert {
        "field-removed": "A field is removed.",
        "maximum-raised": "maximum-raised",
        "unreadable": "unreadable",
    } == {rule["id"]: rule["shortDescription"]["text"] for rule in run["tool"]["driver"]["rules"]}
