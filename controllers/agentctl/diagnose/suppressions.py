"""Findings that an object's annotation suppresses, each with a reason. Pure."""

import dataclasses
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from controllers.agentctl.diagnose.check import IGNORE, Finding, Subject
from schemagen.problems import quoted

_LINE: Final = re.compile(r"\s*(?P<check>[\w-]+)\s*:\s*(?P<reason>\S.*)")


@dataclasses.dataclass(frozen=True)
class Suppressed:
    """A finding that is not reported, and why."""

    finding: Finding
    reason: str


def reason_for(check: str, subject: Subject) -> str:
    """Return why an object suppresses the findings of a check; empty if it does not."""
    return next((reason for name, reason in _entries(subject.ignored) if name == check), "")


def problems(subjects: Sequence[Subject], checks: Collection[str]) -> Iterator[tuple[Subject, str]]:
    """Yield the lines of annotations that name no check, or have no reason."""
    for subject in subjects:
        for line in filter(str.strip, subject.ignored.splitlines()):
            match = _LINE.fullmatch(line)
            if match is None or match["check"] not in checks:
                yield subject, f"expected CHECK: REASON in annotation {IGNORE}, got {quoted(line)}"


def _entries(annotation: str) -> Iterator[tuple[str, str]]:
    for line in annotation.splitlines():
        match = _LINE.fullmatch(line)
        if match is not None:
            yield match["check"], match["reason"].strip()
