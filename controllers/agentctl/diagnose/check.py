"""Checks and their findings as values. Pure."""

import dataclasses
import enum
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from controllers import kube
from controllers.agentctl.diagnose.observation import Snapshot

IGNORE: Final = "diagnose.kubewright.dev/ignore"
"""Annotation of an object with its suppressions, one per line: ``CHECK: REASON``."""


class Severity(enum.StrEnum):
    """Consequence of a finding; only an error makes the command exit with 1."""

    ERROR = "error"
    WARNING = "warning"


@dataclasses.dataclass(frozen=True, order=True)
class Subject:
    """The object that a finding is about.

    Attributes:
        kind: Its kind.
        namespace: Its namespace; empty for cluster-scoped objects.
        name: Its name.
        ignored: The value of its annotation ``IGNORE``.
    """

    kind: str
    name: str
    namespace: str = ""
    ignored: str = dataclasses.field(default="", compare=False, repr=False)

    @classmethod
    def of(cls, value: kube.JSON) -> "Subject":
        """Return the subject for an object."""
        metadata = value.get("metadata") or {}
        annotations = metadata.get("annotations") or {}
        return cls(
            str(value.get("kind") or ""),
            str(metadata.get("name") or ""),
            str(metadata.get("namespace") or ""),
            str(annotations.get(IGNORE) or ""),
        )

    def __str__(self) -> str:
        name = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {name}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """A problem of an object.

    Attributes:
        subject: The object.
        message: What was expected, and what was observed.
        fix: What to do.
        evidence: Facts that show it, by name.
        severity: None for that of the check.
    """

    subject: Subject
    message: str
    fix: str
    evidence: Mapping[str, str] = dataclasses.field(default_factory=dict)
    severity: Severity | None = None


Judge: TypeAlias = Callable[[Snapshot], Iterator[Finding]]


@dataclasses.dataclass(frozen=True)
class Check:
    """A check; docs/diagnose.md has a section for each.

    Attributes:
        id: Its name: ``lease-held``.
        title: What holds if it passes, as a phrase.
        severity: Severity of its findings.
        judge: Yields the problems of a snapshot.
        is_before_install: Whether it is part of ``--pre``.
        is_after_install: Whether it is part of the diagnosis of an installed platform.
    """

    id: str
    title: str
    severity: Severity
    judge: Judge
    is_before_install: bool = False
    is_after_install: bool = True

    @property
    def runbook(self) -> str:
        """Where the documentation explains it."""
        return f"docs/diagnose.md#{self.id}"
