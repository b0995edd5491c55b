"""The findings of ``webhooks lint`` in manifests, by file and line. Pure."""

import dataclasses
import datetime as dt

from schemagen import judge, manifests
from schemagen.problems import JSON
from webhooks import lint


@dataclasses.dataclass(frozen=True)
class Located:
    """A finding and where it is."""

    file: str
    line: int
    finding: lint.Finding

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.finding}"

    @property
    def members(self) -> JSON:
        """As programs read it."""
        one = self.finding
        return {
            "file": self.file,
            "line": self.line,
            "where": one.where,
            "level": one.level,
            "rule": one.rule,
            "message": one.message,
        }


@dataclasses.dataclass
class Report:
    """What was found in the manifests so far.

    Attributes:
        count: How many objects there was something to say of.
        findings: In the order of the manifests.
    """

    count: int = 0
    findings: list[Located] = dataclasses.field(default_factory=list)

    def read(self, content: bytes, source: str, asked: judge.Judge, now: dt.datetime) -> None:
        """Look at a manifest.

        Raises:
            manifests.ManifestError: if it cannot be read; what was found before stays.
        """
        for one in manifests.read(content, source):
            self.count += len(_looked_at(one))
            self.findings += (
                Located(source, one.line_of(finding.field), finding)
                for finding in _findings(one, asked, now)
            )

    @property
    def levels(self) -> list[lint.Level]:
        """The level of each finding."""
        return [one.finding.level for one in self.findings]


def _findings(one: manifests.Object, asked: judge.Judge, now: dt.datetime) -> list[lint.Finding]:
    """What kubectl says comes first: it sends nothing then."""
    objects = _looked_at(one)
    refusals = [lint.refused(one.refusal)] if one.refusal and objects else []
    return [*refusals, *sorted(lint.findings(objects, now, asked))]


def _looked_at(one: manifests.Object) -> list[JSON]:
    """The object, or what is in a list that kubectl does not take apart."""
    items = one.value.get("items")
    objects = items if one.refusal and isinstance(items, list) else [one.value]
    return [found for found in objects if lint.is_looked_at(found)]
