"""An issue as the ImplementationSpec that is applied for it. Pure.

Every text of an issue is data: it becomes the value of a field, whole or visibly cut, and no part
of a name but in the few characters that names may have.
"""

import re
from collections.abc import Iterable
from typing import Final

from controllers.kube import JSON
from controllers.sources.api_constants import (
    MANAGER,
    SOURCE_LABEL,
    SPECS,
    STATE_LABEL,
    VERSION_ANNOTATION,
    State,
)
from controllers.sources.issues import Issue, Version
from controllers.sources.payloads import texts
from controllers.sources.source_view import Mapping, Source
from crds import hub, names
from schemagen import canonical

MAX_TEXT_BYTES: Final = hub.implementationspec.TEXT_BYTES
MAX_SUMMARY: Final = 256
MAX_TOPICS: Final = 100
MAX_TOPIC: Final = 256
MAX_EXTERNAL_ID: Final = 512
# Leaves room for a hash of 20 characters in a name of 63, which also fits a label.
_MAX_SLUG: Final = 42

_TITLE, _BODY = "title", "body"
FROM: Final = frozenset({_TITLE, _BODY, "url", "externalId", "labels"})
"""Fields of an issue that may be mapped."""
TO: Final = frozenset({"summary", "text", "description"})
"""Fields of an ImplementationSpec that may be mapped to."""

_DEFAULT: Final = (Mapping(from_=_TITLE, to="summary"), Mapping(from_=_BODY, to="text"))


def name(source: Source, external_id: str) -> str:
    """Return the name of the ImplementationSpec of an issue.

    It is derived from the source as well: two sources that ask for the same issue do not fight.
    GitHub's names ignore case, so that spelling does not matter.
    """
    identifier = external_id.casefold()
    slug = re.sub(r"[^a-z0-9]+", "-", identifier)[-_MAX_SLUG:].strip("-") or "issue"
    # Parts of identifiers are separated by characters that a name does not have.
    digest = names.short(canonical.dumps([source.metadata.name, source.provider, identifier]))
    return f"{slug}-{digest}"


def unknown_fields(mapping: Iterable[Mapping]) -> list[str]:
    """Return the fields of a mapping that do not exist, for people."""
    return [
        f"expected one of {', '.join(sorted(known))}, got {word[:64]!r} at spec.mapping[].{where}"
        for entry in mapping
        for where, word, known in (("from", entry.from_, FROM), ("to", entry.to, TO))
        if word not in known
    ]


def spec(source: Source, issue: Issue, version: Version) -> JSON:
    """Return the ImplementationSpec of an issue, to be applied.

    Every field is always there: what is applied once is never left out later.
    """
    return {
        "apiVersion": SPECS.api_version,
        "kind": SPECS.kind,
        "metadata": {
            "name": name(source, issue.external_id),
            "namespace": source.metadata.namespace,
            "labels": {
                "app.kubernetes.io/managed-by": MANAGER,
                SOURCE_LABEL: names.label(source.metadata.name),
                STATE_LABEL: issue.state.value,
            },
            "annotations": {VERSION_ANNOTATION: str(version)},
        },
        "spec": {
            **_mapped(source, issue),
            "topics": _topics(issue),
            "source": {
                "provider": issue.provider.value,
                "externalId": issue.external_id[:MAX_EXTERNAL_ID],
                "url": issue.url,
            },
        },
    }


def orphan(source: Source, issue: Issue, version: Version) -> JSON:
    """Return an ImplementationSpec whose issue can no longer be followed, to be applied.

    One that does not exist is created: it keeps an older delivery that arrives later from creating
    it as if the issue existed.

    Args:
        source: Its source.
        issue: As it was last seen.
        version: Of the observation that ended it.
    """
    applied = spec(source, issue, version)
    applied["metadata"]["labels"][STATE_LABEL] = State.ORPHANED.value
    return applied


def version_of(known: JSON) -> Version | None:
    """Return which state of its issue an ImplementationSpec shows; None if it does not say."""
    annotations = known["metadata"].get("annotations") or {}
    return Version.parse(annotations.get(VERSION_ANNOTATION, ""))


def is_of(known: JSON, source: Source) -> bool:
    """Return whether an ImplementationSpec is of a source: nobody else's is overwritten."""
    label = (known["metadata"].get("labels") or {}).get(SOURCE_LABEL)
    return bool(label == names.label(source.metadata.name))


def _mapped(source: Source, issue: Issue) -> JSON:
    """Return the fields that are mapped to, each from all of its fields, in the issue's order."""
    values = {
        _TITLE: issue.title,
        "externalId": issue.external_id,
        "url": issue.url,
        "labels": ", ".join(issue.labels),
        _BODY: issue.body,
    }
    wanted = [entry for entry in source.spec.mapping if entry.to in TO] or [*_DEFAULT]
    parts: dict[str, list[str]] = {"summary": [], "text": []}
    for field, value in values.items():
        for entry in wanted:
            if entry.from_ == field and value.strip():
                parts.setdefault(entry.to, []).append(value)
    joined = {to: "\n\n".join(texts_) for to, texts_ in parts.items()}
    # A task needs a text: an issue without a body has said all in its title.
    joined["text"] = joined["text"] or issue.title
    mark = f"\n\n[The text was cut here. All of it: {issue.url or issue.external_id}]"
    return {
        to: texts.shortened(texts.line(text), MAX_SUMMARY)
        if to == "summary"
        else texts.fitting(text, MAX_TEXT_BYTES, mark)
        for to, text in joined.items()
    }


def _topics(issue: Issue) -> list[str]:
    return [texts.shortened(label, MAX_TOPIC) for label in issue.labels[:MAX_TOPICS]]
