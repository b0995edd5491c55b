"""Checks run apart from each other, and the exit code follows from their outcomes."""

import dataclasses
from collections.abc import Iterator

import pytest

from controllers.agentctl.diagnose import output, report
from controllers.agentctl.diagnose.check import Check, Finding, Judge, Severity, Subject
from controllers.agentctl.diagnose.observation import NotObservedError, Reading, Snapshot
from controllers.agentctl.diagnose.reading import reader
from controllers.agentctl.diagnose.report import Status
from controllers.agentctl.exits import Exit

OPTIONS = reader.Options(mode="installed", home="agents", namespace=None, deadline_seconds=1)
SUBJECT = Subject("Memory", "scratch", "default", "known: on purpose\n")
FOUND = Finding(subject=SUBJECT, message="expected a, got b", fix="do c")


@pytest.fixture(scope="module")
def unreachable() -> Snapshot:
    return reader.unreachable(OPTIONS, "connection refused")


@pytest.fixture
def seen(unreachable: Snapshot) -> Snapshot:
    """As if the API server had answered, and everything else failed."""
    return dataclasses.replace(unreachable, version=Reading({"gitVersion": "v1.37.2"}))


def passes(seen: Snapshot) -> Iterator[Finding]:
    del seen
    yield from ()


def finds(seen: Snapshot) -> Iterator[Finding]:
    del seen
    yield FOUND


def cannot_read(seen: Snapshot) -> Iterator[Finding]:
    del seen
    yield FOUND
    raise NotObservedError("Forbidden")


def crashes(seen: Snapshot) -> Iterator[Finding]:
    del seen
    yield from ()
    raise KeyError("spec")


def check(judge: Judge, severity: Severity = Severity.ERROR, name: str = "x") -> Check:
    return Check(name, "it holds", severity, judge)


@pytest.mark.parametrize(
    ("checks", "code"),
    [
        ([check(passes)], Exit.OK),
        ([check(finds, Severity.WARNING)], Exit.OK),
        ([check(finds), check(crashes), check(cannot_read)], Exit.UNSATISFIED),
        ([check(crashes), check(cannot_read, Severity.WARNING)], Exit.INTERNAL_ERROR),
        ([check(passes), check(cannot_read, Severity.WARNING)], Exit.API),
        ([check(finds, name="known")], Exit.OK),
    ],
    ids=["passes", "warns", "fails", "crashes", "is-unknown", "is-suppressed"],
)
def test_exit_code_follows_from_the_worst_outcome(
    seen: Snapshot, checks: list[Check], code: Exit
) -> None:
    found = report.report(seen, checks)

    assert code == found.exit_code
    assert bool(code) == ("<failure" in output.junit(found))


def test_exit_code_of_an_unreachable_api_server_is_its_own(unreachable: Snapshot) -> None:
    found = report.report(unreachable, [check(finds), check(crashes)])

    assert Exit.API == found.exit_code


def test_bug_of_a_check_hides_neither_its_findings_nor_those_of_others(seen: Snapshot) -> None:
    def finds_then_crashes(seen: Snapshot) -> Iterator[Finding]:
        yield from finds(seen)
        yield from crashes(seen)

    found = report.report(seen, [check(finds_then_crashes, name="a"), check(finds, name="b")])

    first, second = found.outcomes
    assert ((FOUND,), (FOUND,)) == (first.findings, second.findings)
    assert "KeyError: 'spec'" in first.crash
    assert "bug: KeyError: 'spec'" in output.table(found)
    assert [Status.FAILED, Status.FAILED] == [first.status, second.status]


def test_reason_that_several_checks_are_unknown_for_is_told_once(seen: Snapshot) -> None:
    checks = [check(cannot_read, Severity.WARNING, name=name) for name in ("a", "b")]

    table = output.table(report.report(seen, checks))

    assert "unknown: Forbidden\n  checks: a, b" in table
    assert "2 checks: 2 unknown" in table
