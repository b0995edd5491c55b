"""Findings about CRDs and objects, and the formats they are written in. Pure.

Every command writes the same findings as text, JSON, JUnit (test reports of CI systems), SARIF
2.1.0 (annotations of code hosts) or GitHub's workflow commands (annotations of a log's run), and
its exit code does not depend on the format.
"""

import dataclasses
import enum
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final
from urllib import parse

from schemagen.problems import JSON

SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


class Format(enum.StrEnum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    SARIF = "sarif"
    GITHUB = "github"


class Level(enum.StrEnum):
    """How much a finding weighs; SARIF's own words."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes:
        rule: Identifier of the kind of finding: ``field-removed``.
        level: Only an error makes a command exit with 1.
        message: What was expected, what came, and what to do, in a line.
        source: A file or reference.
        line: From 1; 0 where there are no lines.
        subject: What it is about: ``widgets.example.com v1``, ``Widget default/small``.
        path: The field, in API server notation; empty for the whole subject.
        details: More for the JSON format: ``{"witness": {...}}``.
    """

    rule: str
    level: Level
    message: str
    source: str = ""
    line: int = 0
    subject: str = ""
    path: str = ""
    details: Mapping[str, JSON] = dataclasses.field(default_factory=dict)

    @property
    def place(self) -> str:
        """Return ``FILE:LINE``, as far as known."""
        return f"{self.source}:{self.line}" if self.line else self.source

    @property
    def line_text(self) -> str:
        """Return ``FILE:LINE: SUBJECT: FIELD: MESSAGE``, with the level unless it is an error."""
        level = "" if self.level is Level.ERROR else self.level
        parts = (self.place, level, self.subject, self.path, self.message)
        return ": ".join(part for part in parts if part)

    def __str__(self) -> str:
        return f"{self.line_text} ({self.rule})"


def has_errors(findings: Sequence[Finding]) -> bool:
    """Return whether a command that found these exits with 1."""
    return any(finding.level is Level.ERROR for finding in findings)


def lowered(findings: Sequence[Finding], rules: Collection[str]) -> list[Finding]:
    """Return the findings with the errors of some rules as warnings."""
    return [
        dataclasses.replace(finding, level=Level.WARNING)
        if finding.rule in rules and finding.level is Level.ERROR
        else finding
        for finding in findings
    ]


def subject_of(finding: Finding) -> str:
    """Return what a finding is about, or at least where it is."""
    return finding.subject or finding.source


def rendered(
    findings: Sequence[Finding],
    form: Format,
    *,
    command: str,
    passed: Sequence[str] = (),
    rules: Mapping[str, str] | None = None,
    more: Mapping[str, JSON] | None = None,
    case_of: Callable[[Finding], str] = subject_of,
) -> str:
    """Write findings in a format, with a final line feed; empty text for none.

    Args:
        findings: In the order in which they are written.
        form: The format.
        command: What found them: ``schemagen lint``.
        passed: Subjects without a finding: JUnit counts them as passed tests.
        rules: Descriptions of rules by identifier, for SARIF.
        more: Further fields of the JSON document.
        case_of: The JUnit test that a finding belongs to; ``passed`` has the same names.
    """
    match form:
        case Format.TEXT:
            return "".join(f"{finding}\n" for finding in findings)
        case Format.JSON:
            told = {"command": command, "findings": [*map(_fields, findings)]}
            return _text({**told, **(more or {})})
        case Format.JUNIT:
            return _junit(findings, command, passed, case_of)
        case Format.SARIF:
            return _text(_sarif(findings, command, rules or {}))
        case Format.GITHUB:
            return "".join(map(_workflow_command, findings))


def _text(value: JSON) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


_COMMANDS: Final = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}


def _workflow_command(finding: Finding) -> str:
    """Return ``::error file=F,line=1,title=RULE::MESSAGE`` (github.com/actions/toolkit, core)."""
    places = {
        "file": finding.source,
        "line": str(finding.line) if finding.line else "",
        "title": finding.rule,
    }
    where = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in places.items() if value)
    message = ": ".join(filter(None, (finding.subject, finding.path, finding.message)))
    return f"::{_COMMANDS[finding.level]} {where}::{_escaped(message)}\n"


def _escaped(text: str, more: str = "") -> str:
    """Escape what ends a workflow command or one of its properties."""
    for character in f"%\r\n{more}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def _fields(finding: Finding) -> JSON:
    """Return a finding as JSON, without what is not known."""
    fields = {field.name: getattr(finding, field.name) for field in dataclasses.fields(finding)}
    del fields["details"]
    return {name: value for name, value in fields.items() if value} | dict(finding.details)


def _junit(
    findings: Sequence[Finding],
    command: str,
    passed: Sequence[str],
    case_of: Callable[[Finding], str],
) -> str:
    """Return a test suite: a case for each subject, with a failure for each of its errors."""
    from xml.etree import ElementTree as ET  # noqa: PLC0415 - 2 ms that most commands need not pay

    by_subject: dict[str, list[Finding]] = {subject: [] for subject in passed}
    for finding in findings:
        by_subject.setdefault(case_of(finding), []).append(finding)
    failed = sum(map(has_errors, by_subject.values()))
    suite = ET.Element(
        "testsuite", name=command, tests=str(len(by_subject)), failures=str(failed), errors="0"
    )
    for subject, of_subject in by_subject.items():
        case = ET.SubElement(suite, "testcase", classname=command, name=_xml(subject))
        errors = [finding for finding in of_subject if finding.level is Level.ERROR]
        others = [finding for finding in of_subject if finding.level is not Level.ERROR]
        if errors:
            failure = ET.SubElement(
                case, "failure", message=_xml(errors[0].message), type=errors[0].rule
            )
            failure.text = _xml("\n".join(map(str, errors)))
        if others:
            output = ET.SubElement(case, "system-out")
            output.text = _xml("\n".join(map(str, others)))
    ET.indent(suite)
    text = ET.tostring(suite, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _xml(text: str) -> str:
    """Replace what XML 1.0 cannot hold (section 2.2, Char)."""
    return "".join(character if _is_xml(character) else "\ufffd" for character in text)


def _is_xml(character: str) -> bool:
    return (
        character in "\t\n\r"
        or " " <= character < "\ud800"
        or "\ue000" <= character <= "\ufffd"
        or (character >= "\U00010000")
    )


def _sarif(findings: Sequence[Finding], command: str, rules: Mapping[str, str]) -> JSON:
    used = sorted({finding.rule for finding in findings})
    driver = {
        "name": command,
        "rules": [
            {"id": rule, "shortDescription": {"text": rules.get(rule, rule)}} for rule in used
        ],
    }
    results = [_sarif_result(finding, used.index(finding.rule)) for finding in findings]
    run = {"tool": {"driver": driver}, "results": results}
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}


def _sarif_result(finding: Finding, rule_index: int) -> JSON:
    result: dict[str, JSON] = {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": finding.level.value,
        "message": {"text": ": ".join(filter(None, (finding.subject, finding.message)))},
    }
    location: dict[str, JSON] = {}
    if finding.source:
        uri = parse.quote(finding.source, safe="/:@~")
        physical: dict[str, JSON] = {"artifactLocation": {"uri": uri}}
        if finding.line:
            physical["region"] = {"startLine": finding.line}
        location["physicalLocation"] = physical
    if finding.path:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.path}]
    if location:
        result["locations"] = [location]
    if finding.details:
        result["properties"] = dict(finding.details)
    return result
