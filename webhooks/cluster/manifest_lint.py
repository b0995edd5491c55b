"""Findings of ``webhooks lint`` in manifests, by file and line. Pure."""

import dataclasses
import datetime as dt

from schemagen import judge
from schemagen.problems import JSON
from schemagen.yaml import manifests
from webhooks.cluster import lint
from webhooks.cluster.findings import Finding, Level


@dataclasses.dataclass(frozen=True)
class Located:
    """A finding with its file and line."""

    file: str
    line: int
    finding: Finding

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.finding}"

    @property
    def members(self) -> JSON:
        """The JSON form."""
        finding = self.finding
        return {
            "file": self.file,
            "line": self.line,
            "where": finding.where,
            "level": finding.level,
            "rule": finding.rule,
            "message": finding.message,
        }


@dataclasses.dataclass
class Report:
    """The findings so far.

    Attributes:
        count: Number of checked objects.
        findings: In manifest order.
    """

    count: int = 0
    findings: list[Located] = dataclasses.field(default_factory=list)

    def read(self, content: bytes, source: str, checker: judge.Judge, now: dt.datetime) -> None:
        """Check a manifest.

        Raises:
            manifests.ManifestError: The manifest cannot be read; earlier findings are kept.
        """
        for document in manifests.read(content, source):
            self.count += len(_checked(document))
            self.findings += (
                Located(source, document.line_of(finding.field), finding)
                for finding in _findings(document, checker, now)
            )

    @property
    def levels(self) -> list[Level]:
        """The level of each finding."""
        return [located.finding.level for located in self.findings]


def _findings(document: manifests.Object, checker: judge.Judge, now: dt.datetime) -> list[Finding]:
    """Put kubectl's own refusal first: nothing is sent in that case."""
    objects = _checked(document)
    refusals = [lint.refused(document.refusal)] if document.refusal and objects else []
    return [*refusals, *sorted(lint.findings(objects, now, checker))]


def _checked(document: manifests.Object) -> list[JSON]:
    """Return the checked objects: the object itself, or the items of a list kubectl refuses."""
    items = document.value.get("items")
    objects = items if document.refusal and isinstance(items, list) else [document.value]
    return [value for value in objects if lint.is_checked(value)]
