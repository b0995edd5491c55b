"""Suppressed findings: per rule and per field, each with a reason, by annotation or in a file.

The annotation ``lint.kubewright.dev/ignore`` of a CRD has a line for each suppression,
``RULE [PATH]: REASON``. A file lists them under ``suppress`` as ``rule``, ``crd``, ``version``,
``path`` and ``reason``. A ``*`` in a path or name stands for any text.
"""

import dataclasses
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from schemagen import yaml
from schemagen.compat import sources
from schemagen.compat.findings import Finding, Level
from schemagen.problems import JSON, UserError, quoted

ANNOTATION: Final = "lint.kubewright.dev/ignore"
UNUSED: Final = "suppression-unused"
INVALID: Final = "suppression-invalid"
_LINE: Final = re.compile(r"([\w-]+)(?:\s+([^:\s]+))?\s*:\s*(\S.*)")
_FIELDS: Final = frozenset({"rule", "crd", "version", "path", "reason"})


@dataclasses.dataclass(frozen=True)
class Suppression:
    """An entry that keeps findings from being reported.

    Attributes:
        rule: A rule's id.
        reason: For the readers of the file.
        crd: Names of CRDs.
        version: Names of versions.
        path: Paths, as findings have them.
        source: The file or CRD that has it, for messages.
        line: From 1; 0 if unknown.
    """

    rule: str
    reason: str
    crd: str = "*"
    version: str = "*"
    path: str = "*"
    source: str = ""
    line: int = 0

    def suppresses(self, finding: Finding) -> bool:
        """Return whether it applies to a finding, whose subject is the CRD and its version."""
        name, _, version = finding.subject.partition(" ")
        return (
            self.rule == finding.rule
            and _matches(self.crd, name)
            and _matches(self.version, version)
            and _matches(self.path, finding.path)
        )

    @property
    def shown(self) -> str:
        """Return it as in an annotation, without the reason."""
        return " ".join(part for part in (self.rule, self.path) if part != "*")


def _matches(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None


@dataclasses.dataclass(frozen=True)
class Config:
    """A configuration file.

    Attributes:
        select: Rules and themes that run.
        ignore: Rules and themes that do not.
        suppress: Suppressions.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    suppress: tuple[Suppression, ...] = ()


def config(content: bytes, source: str, known: Collection[str]) -> Config:
    """Read a configuration file.

    Raises:
        UserError: if it is not one; the message says what was expected.
    """
    try:
        value = yaml.load(content)
    except yaml.YAMLError as error:
        raise UserError(f"{source}:{error.line}: expected YAML: {error.problem}") from error
    if value is None:
        return Config()
    if not isinstance(value, dict) or not value.keys() <= {"select", "ignore", "suppress"}:
        raise UserError(f"{source}: expected select, ignore and suppress, got {quoted(value)}")
    lists = {name: value.get(name) or [] for name in ("select", "ignore", "suppress")}
    for name, items in lists.items():
        if not isinstance(items, list):
            raise UserError(f"{source}: expected a list as {name}, got {quoted(items)}")
    return Config(
        tuple(map(str, lists["select"])),
        tuple(map(str, lists["ignore"])),
        tuple(
            _entry(entry, f"{source}: suppress[{index}]", source, known)
            for index, entry in enumerate(lists["suppress"])
        ),
    )


def _entry(entry: JSON, where: str, source: str, known: Collection[str]) -> Suppression:
    if not isinstance(entry, dict) or not entry.keys() <= _FIELDS:
        raise UserError(
            f"{where}: expected rule, crd, version, path and reason, got {quoted(entry)}"
        )
    if not all(isinstance(value, str) for value in entry.values()):
        raise UserError(f"{where}: expected texts, got {quoted(entry)}")
    if entry.get("rule") not in known:
        raise UserError(f"{where}: expected the id of a rule, got {quoted(entry.get('rule'))}")
    if not entry.get("reason", "").strip():
        raise UserError(f"{where}: expected a reason, got none")
    return Suppression(**entry, source=source)


def of_annotation(
    definition: sources.Definition, known: Collection[str]
) -> tuple[list[Suppression], list[Finding]]:
    """Return a CRD's own suppressions, and findings about lines that are none."""
    annotations = definition.value["metadata"].get("annotations")
    text = annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
    if not isinstance(text, str):
        return [], []
    line = definition.line_of("metadata.annotations")
    suppressions, problems = [], []
    for entry in filter(None, map(str.strip, text.splitlines())):
        match = _LINE.fullmatch(entry)
        if match is None or match[1] not in known:
            problems.append(
                Finding(
                    INVALID,
                    Level.ERROR,
                    f"expected RULE [PATH]: REASON in the annotation {ANNOTATION}, got "
                    f"{quoted(entry)}",
                    definition.source,
                    line,
                    definition.name,
                )
            )
            continue
        rule, path, reason = match.groups()
        suppressions.append(
            Suppression(
                rule,
                reason,
                crd=definition.name,
                path=path or "*",
                source=definition.source,
                line=line,
            )
        )
    return suppressions, problems


def apply(
    findings: Sequence[Finding], suppressions: Sequence[Suppression], ran: Collection[str]
) -> tuple[list[Finding], int]:
    """Return the findings that are reported, and the number of suppressed ones.

    Suppressions of rules that ran and found nothing there are reported as well.
    """
    used: set[Suppression] = set()
    kept: list[Finding] = []
    for finding in findings:
        matching = [entry for entry in suppressions if entry.suppresses(finding)]
        used.update(matching)
        if not matching:
            kept.append(finding)
    unused = [entry for entry in suppressions if entry not in used and entry.rule in ran]
    return [*kept, *_unused(unused)], len(findings) - len(kept)


def _unused(suppressions: Sequence[Suppression]) -> Iterator[Finding]:
    for entry in suppressions:
        yield Finding(
            UNUSED,
            Level.WARNING,
            f"expected a finding to suppress, got none for {entry.shown!r}; leave it out",
            entry.source,
            entry.line,
            "" if "*" in entry.crd else entry.crd,
            "" if entry.path == "*" else entry.path,
        )
