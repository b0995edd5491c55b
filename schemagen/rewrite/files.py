"""A file in another version: its documents converted one by one. Pure."""

import dataclasses
import posixpath
from collections.abc import Callable

from schemagen import yaml
from schemagen.compat.findings import Finding, Level
from schemagen.rewrite import documents, helm, kustomize
from schemagen.rewrite.documents import Change, Counts
from schemagen.rewrite.objects import Target
from schemagen.rewrite.text import layout
from schemagen.yaml.manifests import ManifestError


@dataclasses.dataclass
class Result:
    """A file before and after.

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


@dataclasses.dataclass(frozen=True)
class Patches:
    """The files that are patches.

    Attributes:
        selectors: Their names, with the ``target`` of a kustomization, or None.
        refused: Those that stay as they are.
    """

    selectors: kustomize.Selectors = dataclasses.field(default_factory=dict)
    refused: set[str] = dataclasses.field(default_factory=set)


def convert(content: bytes, source: str, target: Target, patches: Patches | None = None) -> Result:
    """Convert the objects of a manifest, of a kustomization or its patch, or of a template.

    Args:
        content: The bytes of the file.
        source: Its name.
        target: The wanted version.
        patches: The files that are patches, which are to be converted before kustomizations.

    Raises:
        ManifestError: if it is not YAML.
    """
    result = Result(source, content, content)
    whole = layout.of(content)
    if whole is not None:
        text = _converted_text(whole.text, result, target, patches or Patches())
        if text is not None:
            result.after = whole.encoded(text)
    elif target.api.group.encode() in content:
        result.findings.append(_not_text(source))
    return result


def _converted_text(text: str, result: Result, target: Target, patches: Patches) -> str | None:
    source, name = result.source, posixpath.normpath(result.source)
    if helm.is_template(source, result.before):
        result.is_judged = False
        written, result.counts, result.findings = helm.convert(text, source, target)
        return written
    if name not in patches.selectors:
        return _converted(
            text, result, lambda found: _converted_document(found, result, target, patches)
        )
    result.is_judged = False
    selector = patches.selectors[name]
    written_patch = _converted(
        text, result, lambda found: kustomize.patched(found, source, target, selector)
    )
    if result.findings:
        patches.refused.add(name)
    return written_patch


def _converted_document(
    document: yaml.Document, result: Result, target: Target, patches: Patches
) -> Change:
    if kustomize.is_kustomization(document.value, result.source):
        result.is_judged = False
        return kustomize.converted(document, result.source, target, patches.refused)
    return documents.converted(document, result.source, target)


def _converted(
    text: str, result: Result, convert_: Callable[[yaml.Document], Change]
) -> str | None:
    """Return a text with its documents converted; None if nothing changes."""
    content = text.encode()
    changed = False
    try:
        found = [*yaml.read(content)]
    except yaml.YAMLError as error:
        message = f"{result.source}:{error.line}: expected YAML: {error.problem}"
        raise ManifestError(message) from error
    for document in reversed(found):
        change = convert_(document)
        written = documents.written(document, change) if change.changed else None
        if change.changed and written is None:
            change.findings.append(documents.unwritable(document, result.source))
            change.counts.converted = 0
        result.findings[:0] = change.findings
        result.counts += change.counts
        if written is not None:
            content = documents.spliced(content, document, written)
            changed = True
    return content.decode() if changed else None


def _not_text(source: str) -> Finding:
    return Finding(
        "layout", Level.ERROR, "expected UTF-8, got other bytes; correct them first", source
    )
