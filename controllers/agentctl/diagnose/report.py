"""Runs checks on a snapshot, each isolated from the others. Pure."""

import dataclasses
import enum
import traceback
from collections.abc import Iterable, Sequence

from controllers.agentctl.diagnose import suppressions
from controllers.agentctl.diagnose.check import Check, Finding, Severity
from controllers.agentctl.diagnose.observation import NotObservedError, Snapshot
from controllers.agentctl.diagnose.suppressions import Suppressed
from controllers.agentctl.exits import Exit


class Status(enum.StrEnum):
    """Outcome of a check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """A part of the cluster that is needed could not be read."""
    CRASHED = "crashed"
    """The check has a bug."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The result of a check.

    Attributes:
        check: The check.
        findings: Reported findings.
        suppressed: Suppressed findings.
        unread: Why it is incomplete; empty if it is not.
        crash: The traceback of its bug; empty if there is none.
    """

    check: Check
    findings: tuple[Finding, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()
    unread: str = ""
    crash: str = ""

    @property
    def status(self) -> Status:
        """The outcome in a word; the worst of several."""
        severities = {self.severity_of(finding) for finding in self.findings}
        if Severity.ERROR in severities:
            return Status.FAILED
        if self.crash:
            return Status.CRASHED
        if self.unread:
            return Status.UNKNOWN
        return Status.WARNING if severities else Status.OK

    def severity_of(self, finding: Finding) -> Severity:
        """Return the severity of one of its findings."""
        return finding.severity or self.check.severity


@dataclasses.dataclass(frozen=True)
class Report:
    """The results of all checks that ran."""

    seen: Snapshot
    outcomes: tuple[Outcome, ...]

    def count(self, status: Status) -> int:
        """Return the number of checks with an outcome."""
        return sum(outcome.status is status for outcome in self.outcomes)

    @property
    def exit_code(self) -> Exit:
        """The exit code, which is the same for every output format."""
        if self.seen.is_unreachable:
            return Exit.API
        if self.count(Status.FAILED):
            return Exit.UNSATISFIED
        if self.count(Status.CRASHED):
            return Exit.INTERNAL_ERROR
        return Exit.API if self.count(Status.UNKNOWN) else Exit.OK


def report(seen: Snapshot, checks: Iterable[Check]) -> Report:
    """Run checks on a snapshot."""
    return Report(seen, tuple(_outcome(check, seen) for check in checks))


def _outcome(check: Check, seen: Snapshot) -> Outcome:
    findings: list[Finding] = []
    unread, crash = "", ""
    try:
        # Extended one by one: what was found before an error is kept.
        for finding in check.judge(seen):
            findings.append(finding)  # noqa: PERF402 - see above
    except NotObservedError as error:
        unread = str(error)
    except Exception:  # noqa: BLE001 - a bug of one check must not hide the results of the others
        crash = traceback.format_exc()
    kept, suppressed = _divided(check, findings)
    return Outcome(check, kept, suppressed, unread, crash)


def _divided(
    check: Check, findings: Sequence[Finding]
) -> tuple[tuple[Finding, ...], tuple[Suppressed, ...]]:
    reasons = [
        (finding, suppressions.reason_for(check.id, finding.subject)) for finding in findings
    ]
    kept = tuple(finding for finding, reason in reasons if not reason)
    return kept, tuple(Suppressed(finding, reason) for finding, reason in reasons if reason)
