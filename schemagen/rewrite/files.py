"""A file in another version: its documents converted one by one. Pure."""

import dataclasses
from collections.abc import Iterator

from schemagen import yaml
from schemagen.compat.findings import Finding, Level
from schemagen.rewrite import documents, layout
from schemagen.rewrite.documents import Counts
from schemagen.rewrite.objects import Target
from schemagen.yaml.manifests import ManifestError


@dataclasses.dataclass
class Result:
    """What becomes of a file.

    Attributes:
        source: Its name.
        before: Its content.
        after: Its new content.
        counts: What became of its objects.
        findings: What has to be done by hand.
        is_judged: Whether its objects are whole, so that they can be validated.
    """

    source: str
    before: bytes
    after: bytes
    counts: Counts = dataclasses.field(default_factory=Counts)
    findings: list[Finding] = dataclasses.field(default_factory=list)
    is_judged: bool = True


def convert(content: bytes, source: str, target: Target) -> Result:
    """Convert the objects of a manifest.

    Raises:
        ManifestError: if it is not YAML.
    """
    result = Result(source, content, content)
    whole = layout.of(content)
    if whole is not None:
        text = _converted(whole.text.encode(), result, target)
        if text is not None:
            result.after = whole.encoded(text.decode())
    elif target.api.group.encode() in content:
        result.findings.append(_not_text(source))
    return result


def _converted(content: bytes, result: Result, target: Target) -> bytes | None:
    """Return the text with its objects converted; None if nothing changes."""
    pieces: list[tuple[int, int, bytes]] = []
    try:
        for document in yaml.read(content):
            pieces += _piece(content, document, result, target)
    except yaml.YAMLError as error:
        message = f"{result.source}:{error.line}: expected YAML: {error.problem}"
        raise ManifestError(message) from error
    for start, end, part in reversed(pieces):
        content = content[:start] + part + content[end:]
    return content if pieces else None


def _piece(
    content: bytes, document: yaml.Document, result: Result, target: Target
) -> Iterator[tuple[int, int, bytes]]:
    """Yield where a document is in a file, and its new text, if it changes."""
    change = documents.converted(document, result.source, target)
    text = documents.written(document, change) if change.changed else None
    if change.changed and text is None:
        change.findings.append(documents.unwritable(document, result.source))
        change.counts.converted = 0
    result.findings += change.findings
    result.counts += change.counts
    if text is not None:
        start, before = document.position, document.text.encode()
        end, written = start + len(before), text.encode()
        if end > len(content):  # the reader has added a line feed
            end, written = len(content), written.removesuffix(b"\n")
        yield start, end, written


def _not_text(source: str) -> Finding:
    return Finding(
        "layout", Level.ERROR, "expected UTF-8, got other bytes; correct them first", source
    )
