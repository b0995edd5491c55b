"""Write differences: as a table, as Markdown for a pull request, and as findings. Pure."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Final

from schemagen import canonical
from schemagen.compat import findings
from schemagen.compat.changes.changes import Audience, Outcome, Verdict, Witness
from schemagen.compat.findings import Finding, Level
from schemagen.compat.verdicts import allowances
from schemagen.compat.verdicts.differences import Difference
from schemagen.problems import JSON

_SHOWN: Final = 400


@dataclasses.dataclass(frozen=True)
class Report:
    """Differences, with what is allowed of them.

    Attributes:
        differences: In order.
        allowed: The allow-list put to use.
        names: All CRDs that were compared.
    """

    differences: Sequence[Difference]
    allowed: allowances.Applied
    names: Sequence[str]

    @property
    def failures(self) -> list[Difference]:
        """Return the changes that are neither safe nor allowed."""
        return [each for each in self.differences if self.is_failure(each)]

    def is_failure(self, difference: Difference) -> bool:
        """Return whether a change makes the command exit with 1."""
        is_allowed = difference.id in self.allowed.by_change
        return difference.outcome is not Outcome.SAFE and not is_allowed

    def level(self, difference: Difference) -> Level:
        """Return how much a change weighs."""
        if self.is_failure(difference):
            return Level.ERROR
        return Level.NOTE if difference.outcome is Outcome.SAFE else Level.WARNING

    @property
    def summary(self) -> str:
        """Return the figures in a line."""
        counts = {
            outcome: sum(each.outcome is outcome for each in self.differences)
            for outcome in Outcome
        }
        allowed = sum(each.id in self.allowed.by_change for each in self.differences)
        tail = f", {allowed} allowed" if allowed else ""
        return (
            f"{len(self.names)} CRDs compared: {counts[Outcome.BREAKING]} breaking, "
            f"{counts[Outcome.UNPROVED]} unproved, {counts[Outcome.SAFE]} safe changes{tail}"
        )

    @property
    def notices(self) -> list[Finding]:
        """Return what is to be said of the allow-list itself."""
        expired = [
            _notice("allowance-expired", f"expired on {each.expires}: {each.change}", each)
            for each in self.allowed.expired
        ]
        unused = [
            _notice("allowance-unused", f"matches no change that needs it: {each.change}", each)
            for each in self.allowed.unused
        ]
        return [*expired, *unused]


def _notice(rule: str, message: str, allowance: allowances.Allowance) -> Finding:
    return Finding(rule, Level.WARNING, message, allowance.source, allowance.line)


def to_findings(report: Report) -> list[Finding]:
    """Return the differences as findings, with verdicts and witnesses as details."""
    return [*(_finding(report, each) for each in report.differences), *report.notices]


def _finding(report: Report, difference: Difference) -> Finding:
    change = difference.change
    details: dict[str, JSON] = {
        "id": difference.id,
        "outcome": difference.outcome.value,
        "audiences": {
            audience.value: _verdict(verdict)
            for audience, verdict in difference.decided.verdicts.items()
        },
    }
    values = {"before": change.before, "after": change.after}
    details |= {name: value for name, value in values.items() if value is not None}
    allowance = report.allowed.by_change.get(difference.id)
    if allowance is not None:
        details["allowed"] = {
            "reason": allowance.reason,
            "expires": None if allowance.expires is None else allowance.expires.isoformat(),
        }
    subject = f"{difference.crd} {change.version}".strip()
    return Finding(
        change.rule,
        report.level(difference),
        f"{change.message}; {affected(difference)}",
        difference.source,
        difference.line,
        subject,
        change.path,
        details,
    )


def _verdict(verdict: Verdict) -> JSON:
    fields: dict[str, JSON] = {"verdict": verdict.outcome.value, "reason": verdict.reason}
    if verdict.witness is not None:
        fields["witness"] = verdict.witness.fields
    if verdict.outcome is Outcome.UNPROVED:
        fields["draws"] = verdict.draws
    return fields


def affected(difference: Difference) -> str:
    """Return what a change means, in a few words."""
    if difference.outcome is Outcome.SAFE:
        reasons = dict.fromkeys(v.reason for v in difference.decided.verdicts.values())
        return f"safe: {'; '.join(reasons)}"
    parts = [
        f"{verdict.outcome} for {audience}: {verdict.reason}"
        for audience, verdict in difference.decided.verdicts.items()
        if verdict.outcome is not Outcome.SAFE
    ]
    return "; ".join(parts)


def shown_witness(witness: Witness) -> Iterator[str]:
    """Yield the lines that show a witness."""
    if witness.old is not None:
        yield f"stored: {_brief(_without_own(witness.old))}"
    if witness.object is not None and witness.request != "read":
        yield f"{witness.request}: {_brief(_without_own(witness.object))}"
    elif witness.request == "read":
        yield "read"
    else:
        yield witness.request
    yield f"before: {_brief(_without_own(witness.before))}"
    yield f"now: {_brief(_without_own(witness.after))}"


def _without_own(value: JSON) -> JSON:
    """Return an object without its type, name and what the API server gives it."""
    if not isinstance(value, dict) or "apiVersion" not in value or "metadata" not in value:
        return value
    return {
        key: child for key, child in value.items() if key not in {"apiVersion", "kind", "metadata"}
    }


def _brief(value: JSON) -> str:
    text = value if isinstance(value, str) else canonical.dumps(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def rules(report: Report) -> dict[str, str]:
    """Return descriptions of the rules that were found, for SARIF."""
    return {each.change.rule: each.change.rule.replace("-", " ") for each in report.differences}


def structured(report: Report, form: findings.Format, *, command: str) -> str:
    """Return the report in a format for machines."""
    return findings.rendered(
        to_findings(report),
        form,
        command=command,
        passed=report.names,
        rules=rules(report),
        more={"summary": report.summary},
    )


def markdown(report: Report) -> str:
    """Return the report for a pull request."""
    lines = ["## API compatibility", "", f"{report.summary}.", ""]
    wanted = [each for each in report.differences if each.outcome is not Outcome.SAFE]
    if wanted:
        lines += [
            "| | CRD | field | change | writers | readers | stored |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [_row(report, each) for each in wanted]
        lines.append("")
        for each in wanted:
            lines += _details(each)
    lines += _safe_changes([each for each in report.differences if each.outcome is Outcome.SAFE])
    lines += [f"- {notice}" for notice in report.notices]
    return "\n".join(lines).rstrip() + "\n"


_MARKS: Final = {Level.ERROR: "❌", Level.WARNING: "allowed", Level.NOTE: "✅"}


def _row(report: Report, difference: Difference) -> str:
    change = difference.change
    cells = [
        _MARKS[report.level(difference)],
        f"{difference.crd} {change.version}".strip(),
        f"`{change.path}`" if change.path else "",
        change.message,
        *(
            difference.decided.verdicts[a].outcome.value if a in difference.decided.verdicts else ""
            for a in Audience
        ),
    ]
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    return _in_a_line(text.replace("|", "\\|"))


def _in_a_line(text: str) -> str:
    return " ".join(text.split())


def _details(difference: Difference) -> Iterator[str]:
    yield f"<details><summary><code>{difference.id}</code></summary>"
    yield ""
    for audience, verdict in difference.decided.verdicts.items():
        yield f"- **{audience}**: {verdict.outcome}: {_cell(verdict.reason)}"
        if verdict.witness is not None:
            yield ""
            yield "  ```"
            yield from (f"  {_in_a_line(line)}" for line in shown_witness(verdict.witness))
            yield "  ```"
            yield ""
    yield "</details>"
    yield ""


def _safe_changes(differences: Sequence[Difference]) -> Iterator[str]:
    if not differences:
        return
    yield f"<details><summary>{len(differences)} safe changes</summary>"
    yield ""
    for each in differences:
        yield f"- `{each.id}`: {_cell(each.change.message)}"
    yield ""
    yield "</details>"
    yield ""
