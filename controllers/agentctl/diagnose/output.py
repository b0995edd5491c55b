"""A report as a table, as JSON and as JUnit. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from controllers import kube
from controllers.agentctl import tables
from controllers.agentctl.diagnose.check import Finding
from controllers.agentctl.diagnose.report import Outcome, Report, Status
from controllers.agentctl.diagnose.suppressions import Suppressed
from schemagen.compat import findings
from schemagen.problems import JSON

COMMAND: Final = "agentctl diagnose"


def as_json(report: Report) -> JSON:
    """Return a report as JSON: every check with its findings, and the exit code."""
    seen = report.seen
    version = seen.version.result
    return {
        "time": kube.time_text(seen.now),
        "mode": seen.mode,
        "release": seen.release,
        "kubernetes": version.get("gitVersion") if isinstance(version, dict) else None,
        "home": seen.home,
        "namespace": seen.namespace,
        "exitCode": int(report.exit_code),
        "summary": {str(status): report.count(status) for status in Status},
        "checks": [_check_fields(outcome) for outcome in report.outcomes],
    }


def _check_fields(outcome: Outcome) -> JSON:
    check = outcome.check
    fields = {
        "id": check.id,
        "title": check.title,
        "severity": str(check.severity),
        "status": str(outcome.status),
        "runbook": check.runbook,
        "findings": [_finding_fields(outcome, finding) for finding in outcome.findings],
        "suppressed": [
            {**_finding_fields(outcome, hidden.finding), "reason": hidden.reason}
            for hidden in outcome.suppressed
        ],
    }
    problems = {"unread": outcome.unread, "crash": outcome.crash}
    return fields | {name: text for name, text in problems.items() if text}


def _finding_fields(outcome: Outcome, finding: Finding) -> JSON:
    subject = finding.subject
    return {
        "severity": str(outcome.severity_of(finding)),
        "object": {"kind": subject.kind, "namespace": subject.namespace, "name": subject.name},
        "message": finding.message,
        "fix": finding.fix,
        "evidence": dict(finding.evidence),
    }


def json_text(report: Report) -> str:
    """Return a report as a JSON document."""
    return json.dumps(as_json(report), indent=2, ensure_ascii=False)


def table(report: Report) -> str:
    """Return a report as text: a line for each check, then each finding with its fix."""
    rows = [
        (str(outcome.status), outcome.check.id, outcome.check.title) for outcome in report.outcomes
    ]
    parts = [tables.text(("STATUS", "CHECK", "WHAT HOLDS"), rows)]
    parts += [block for outcome in report.outcomes for block in _blocks(outcome)]
    parts += _unknown(report)
    parts.append(_summary(report))
    return "\n\n".join(parts)


def _blocks(outcome: Outcome) -> Iterator[str]:
    for finding in outcome.findings:
        evidence = ", ".join(f"{name}={value}" for name, value in finding.evidence.items())
        lines = {
            f"{outcome.severity_of(finding)}": f"{finding.subject}: {finding.message}",
            "evidence": evidence,
            "fix": finding.fix,
            "runbook": outcome.check.runbook,
        }
        yield _indented(outcome, lines)
    for suppressed in outcome.suppressed:
        yield _indented(outcome, {"suppressed": _suppressed_text(suppressed)})
    if outcome.crash:
        last = outcome.crash.strip().splitlines()[-1]
        fix = "report it with the output of -o json, which has the traceback"
        yield _indented(outcome, {"bug": last, "fix": fix})


def _unknown(report: Report) -> Iterator[str]:
    """Yield each reason why checks could not be done, with the checks."""
    by_reason: dict[str, list[str]] = {}
    for outcome in report.outcomes:
        if outcome.unread:
            by_reason.setdefault(outcome.unread, []).append(outcome.check.id)
    for reason, checks in by_reason.items():
        yield f"unknown: {' '.join(reason.splitlines())}\n  checks: {', '.join(checks)}"


def _suppressed_text(suppressed: Suppressed) -> str:
    return f"{suppressed.finding.subject}: {suppressed.finding.message} ({suppressed.reason})"


def _indented(outcome: Outcome, lines: Mapping[str, str]) -> str:
    named = [f"  {name}: {' '.join(text.splitlines())}" for name, text in lines.items() if text]
    return "\n".join((outcome.check.id, *named))


def _summary(report: Report) -> str:
    counts = ", ".join(
        f"{report.count(status)} {status}" for status in Status if report.count(status)
    )
    return f"{len(report.outcomes)} checks: {counts}"


def junit(report: Report) -> str:
    """Return a report as JUnit, a test for each check; one that is not known counts as failed."""
    found = [finding for outcome in report.outcomes for finding in _as_findings(outcome)]
    with_findings = {finding.rule for finding in found}
    passed = [
        outcome.check.id for outcome in report.outcomes if outcome.check.id not in with_findings
    ]
    return findings.rendered(
        found,
        findings.Format.JUNIT,
        command=COMMAND,
        passed=passed,
        case_of=lambda finding: finding.rule,
    )


def _as_findings(outcome: Outcome) -> Iterator[findings.Finding]:
    rule = outcome.check.id
    for finding in outcome.findings:
        yield findings.Finding(
            rule,
            findings.Level(outcome.severity_of(finding)),
            f"{finding.message}; {finding.fix} ({outcome.check.runbook})",
            subject=str(finding.subject),
        )
    for suppressed in outcome.suppressed:
        yield findings.Finding(
            rule, findings.Level.NOTE, f"suppressed: {_suppressed_text(suppressed)}"
        )
    for status, problem in ((Status.UNKNOWN, outcome.unread), (Status.CRASHED, outcome.crash)):
        if problem:
            yield findings.Finding(rule, findings.Level.ERROR, f"{status}: {problem}")
