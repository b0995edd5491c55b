"""Kustomizations: their patches, inline or in files, and the versions that they select. Pure."""

import dataclasses
import pathlib
import posixpath
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from schemagen import yaml
from schemagen.compat.findings import Finding
from schemagen.model import registry
from schemagen.problems import JSON
from schemagen.rewrite import documents, objects, patches
from schemagen.rewrite.documents import Change
from schemagen.rewrite.objects import Refusal, Target
from schemagen.rewrite.paths import CannotFollowError, Paths
from schemagen.rewrite.text.places import Place, at, text_of

_GROUP: Final = "kustomize.config.k8s.io/"
NAMES: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_KINDS: Final = {"Kustomization", "Component"}

Selectors = Mapping[str, JSON]
"""The files that are patches, with the ``target`` that a kustomization gives them, or None."""


def is_kustomization(value: JSON, source: str) -> bool:
    """Return whether a document is a kustomization."""
    if not isinstance(value, dict):
        return False
    if str(value.get("apiVersion", "")).startswith(_GROUP):
        return value.get("kind") in _KINDS
    return "kind" not in value and pathlib.PurePath(source).name in NAMES


def references(contents: Mapping[str, bytes]) -> dict[str, JSON]:
    """Return the patch files that kustomizations name, with their targets."""
    found: dict[str, JSON] = {}
    for source, content in contents.items():
        if b"atch" not in content:
            continue
        try:
            values = yaml.load_all(content)
        except yaml.YAMLError:
            continue
        for value in values:
            if is_kustomization(value, source):
                for name, selector in _named_files(value):
                    found[path_of(source, name)] = selector
    return found


def _named_files(value: dict[str, JSON]) -> Iterator[tuple[str, JSON]]:
    for place, selector in _patches(value):
        name = at(value, (*place, "path"))
        if isinstance(name, str):
            yield name, selector
    for name in _list(value.get("patchesStrategicMerge")):
        if isinstance(name, str) and "\n" not in name:
            yield name, None


def _list(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else []


# -- one patch


@dataclasses.dataclass(frozen=True)
class _Source:
    """The kind and version that a patch is written for."""

    kind: registry.Kind
    version: registry.Version


def patched(document: yaml.Document, source: str, target: Target, selector: JSON) -> Change:
    """Convert a document that is a patch."""
    change = Change.none(document.value)
    found = _source_of(document.value, target, selector)
    if isinstance(found, Refusal):
        refusals = [found]
    elif found is None:
        change.counts.foreign += 1
        return change
    elif found.version.name == target.version or not target.has(found.kind):
        change.counts.unchanged += 1
        return change
    else:
        group = target.api.group
        way = patches.Way(
            Paths(found.kind, found.version.name, target.version),
            f"{group}/{found.version.name}",
            f"{group}/{target.version}",
        )
        convert = patches.operations if isinstance(document.value, list) else patches.strategic
        result = convert(document.value, way)
        if isinstance(result, objects.Converted):
            change.put((), result.value, result.origins)
            change.counts.converted += 1
            return change
        refusals = result
    for refusal in refusals:
        line = document.line_of(text_of(refusal.place)) if refusal.place else document.line
        subject = documents.subject_of(document.value)
        change.findings.append(objects.finding(refusal, source, line, subject))
    return change


def _source_of(value: JSON, target: Target, selector: JSON) -> _Source | Refusal | None:
    """Return what a patch is for; None if it is not for the Api."""
    chosen = selector if isinstance(selector, dict) else {}
    if isinstance(value, dict) and "apiVersion" in value:
        if not target.is_own(value["apiVersion"]):
            return None
        found = target.find(value["apiVersion"], value.get("kind"))
        return _Source(*found) if found else _unknown("an apiVersion and a kind of the Api")
    kind = _kind_of(chosen, target)
    if kind is None:
        is_own = chosen.get("group") == target.api.group
        return _unknown("a target with a kind of the Api") if is_own else None
    version = _version_of(value, kind, target, chosen.get("version"))
    return _Source(kind, version) if version else _unknown("a target with a version of its kind")


def _version_of(
    value: JSON, kind: registry.Kind, target: Target, selected: JSON
) -> registry.Version | None:
    """Return the version of a patch: the selected one, else that of two which it fits."""
    if selected is not None:
        return kind.version(str(selected))
    others = [version for version in kind.versions if version.name != target.version]
    if len(others) != 1 or not target.has(kind):
        return None
    paths = Paths(kind, others[0].name, target.version)
    return kind.version(target.version) if patches.fits(value, paths) else others[0]


def _kind_of(selector: Mapping[str, JSON], target: Target) -> registry.Kind | None:
    if selector.get("group", target.api.group) != target.api.group:
        return None
    return next((kind for kind in target.api if kind.name == selector.get("kind")), None)


def _unknown(expected: str) -> Refusal:
    return Refusal("by-hand", f"expected a patch for {expected}, got another one; name it")


# -- a kustomization


def converted(
    document: yaml.Document, source: str, target: Target, refused: Collection[str] = ()
) -> Change:
    """Convert the inline patches of a kustomization, and the versions that it selects.

    Args:
        document: The kustomization.
        source: Its file.
        target: The wanted version.
        refused: The patch files that stay as they are: so does the version that they are for.
    """
    change = Change.none(document.value)
    for place, selector in _patches(document.value):
        before = len(change.findings)
        _convert_inline(change, document, source, target, (*place, "patch"), selector)
        name = at(document.value, (*place, "path"))
        is_refused = isinstance(name, str) and path_of(source, name) in refused
        if len(change.findings) == before and not is_refused:
            _select(change, target, (*place, "target"))
    for index, name in enumerate(_list(document.value.get("patchesStrategicMerge"))):
        if isinstance(name, str) and "\n" in name:
            place = ("patchesStrategicMerge", index)
            _convert_inline(change, document, source, target, place, None)
    for index, replacement in enumerate(_list(document.value.get("replacements"))):
        if isinstance(replacement, dict):
            _convert_replacement(change, document, source, target, index)
    if change.changed:
        change.counts.converted = max(1, change.counts.converted)
    return change


def _patches(value: dict[str, JSON]) -> Iterator[tuple[Place, JSON]]:
    """Yield the places of patches that may have a target, and those."""
    for field in ("patches", "patchesJson6902"):
        for index, patch in enumerate(_list(value.get(field))):
            if isinstance(patch, dict):
                yield (field, index), patch.get("target")


def path_of(source: str, name: str) -> str:
    """Return the path of a file that a kustomization names."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), name))


def _select(change: Change, target: Target, place: Place) -> None:
    """Select the objects of a patch in the version that they have now."""
    selector = at(change.value, place)
    if not isinstance(selector, dict) or not isinstance(selector.get("version"), str):
        return
    kind = _kind_of(selector, target)
    is_own = kind is not None and kind.version(selector["version"]) is not None
    if is_own and kind is not None and target.has(kind) and selector["version"] != target.version:
        change.put((*place, "version"), target.version, {(): ()})


def _convert_inline(  # noqa: PLR0917 - the parts of one patch
    change: Change,
    document: yaml.Document,
    source: str,
    target: Target,
    place: Place,
    selector: JSON,
) -> None:
    text = at(change.value, place)
    if not isinstance(text, str):
        return
    # A block starts on the line after its key.
    line = document.line_of(text_of(place)) + ("\n" in text)
    new, found = _converted_text(text, source, target, selector)
    change.counts += found.counts
    change.findings += [_moved(finding, line - 1) for finding in found.findings]
    if new is not None:
        change.put(place, new, {(): ()})


def _moved(finding: Finding, lines: int) -> Finding:
    return dataclasses.replace(finding, line=finding.line + lines)


def _converted_text(
    text: str, source: str, target: Target, selector: JSON
) -> tuple[str | None, Change]:
    """Return an inline patch in the wanted version; None if it does not change."""
    total = Change.none(None)
    content = text.encode()
    changed = False
    try:
        found = [*yaml.read(content)]
    except yaml.YAMLError as error:
        refusal = Refusal("by-hand", f"expected a patch in YAML: {error.problem}; correct it")
        total.findings.append(objects.finding(refusal, source, error.line, ""))
        return None, total
    for document in reversed(found):
        change = patched(document, source, target, selector)
        written = documents.written(document, change) if change.changed else None
        if change.changed and written is None:
            change.findings.append(documents.unwritable(document, source))
            change.counts.converted = 0
        total.counts += change.counts
        total.findings += change.findings
        if written is not None:
            content = documents.spliced(content, document, written)
            changed = True
    return content.decode() if changed else None, total


# -- replacements


def _convert_replacement(
    change: Change, document: yaml.Document, source: str, target: Target, index: int
) -> None:
    """Select the version of a replacement; report its fields that have another place."""
    place: Place = ("replacements", index)
    chosen = [(*place, "source"), *((*one, "select") for one in _targets(change.value, place))]
    for one in chosen:
        selector = at(change.value, one)
        kind = _kind_of(selector, target) if isinstance(selector, dict) else None
        if kind is None or not isinstance(selector, dict):
            continue
        version = selector.get("version")
        if version == target.version or not target.has(kind):
            continue
        is_source = one[-1] == "source"
        fields = [(*one, "fieldPath")] if is_source else _field_paths(change.value, one[:-1])
        for field in fields:
            if not _stays(at(change.value, field), kind, target):
                refusal = Refusal(
                    "by-hand",
                    f"expected a field that is the same in {target.version}, got "
                    f"{at(change.value, field)} of {kind.name}; change it by hand",
                )
                line = document.line_of(text_of(field))
                change.findings.append(objects.finding(refusal, source, line, ""))
        _select(change, target, one)


def _targets(value: JSON, place: Place) -> list[Place]:
    return [
        (*place, "targets", index)
        for index, one in enumerate(_list(at(value, (*place, "targets"))))
        if isinstance(one, dict)
    ]


def _field_paths(value: JSON, place: Place) -> list[Place]:
    found = _list(at(value, (*place, "fieldPaths")))
    return [(*place, "fieldPaths", index) for index, _ in enumerate(found)]


def _stays(field: JSON, kind: registry.Kind, target: Target) -> bool:
    """Return whether a field of a replacement has the same place and value in every version."""
    if not isinstance(field, str):
        return True
    place = tuple(field.split("."))
    for version in kind.versions:
        if version.name != target.version:
            try:
                found = Paths(kind, version.name, target.version).follow(place)
            except CannotFollowError:
                return False
            if found.place != place or not found.is_same:
                return False
    return True
