"""The documents of a file: what each one is, and its text with the objects converted. Pure."""

import dataclasses
from collections.abc import Iterator

from schemagen import canonical, yaml
from schemagen.compat.findings import Finding, Level
from schemagen.problems import JSON
from schemagen.rewrite import objects, origins
from schemagen.rewrite.objects import Target
from schemagen.rewrite.origins import Origins
from schemagen.rewrite.text import writer
from schemagen.rewrite.text.places import Place, UnsupportedError, text_of, tree_of


@dataclasses.dataclass
class Counts:
    """Counts of objects by outcome.

    Attributes:
        converted: Objects, patches and templates that have the wanted version now.
        unchanged: Those that had it before, or whose kind does not have it.
        foreign: Objects that are not of the Api.
    """

    converted: int = 0
    unchanged: int = 0
    foreign: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.converted + other.converted,
            self.unchanged + other.unchanged,
            self.foreign + other.foreign,
        )


@dataclasses.dataclass
class Change:
    """A change of a document.

    Attributes:
        value: Its new value.
        origins: Where the parts of it come from.
        counts: What became of its objects.
        findings: What has to be done by hand.
        changed: The places of what was converted.
    """

    value: JSON
    origins: Origins
    counts: Counts = dataclasses.field(default_factory=Counts)
    findings: list[Finding] = dataclasses.field(default_factory=list)
    changed: list[Place] = dataclasses.field(default_factory=list)

    @classmethod
    def none(cls, value: JSON) -> "Change":
        """Return no change."""
        return cls(value, dict(origins.identity(value)))

    def put(self, place: Place, value: JSON, found: Origins) -> None:
        """Replace a part of the document."""
        depth = len(place)
        self.value = objects.put(self.value, place, value)
        self.origins = {
            one: origin for one, origin in self.origins.items() if one[:depth] != place
        } | {(*place, *one): (*place, *origin) for one, origin in found.items()}
        self.changed.append(place)


def converted(document: yaml.Document, source: str, target: Target) -> Change:
    """Convert the objects of a document, those of lists too."""
    change = Change.none(document.value)
    for place, value, inherited in _objects(document.value):
        api_version = value.get("apiVersion", inherited.get("apiVersion"))
        kind_name = value.get("kind", inherited.get("kind"))
        found = target.find(api_version, kind_name)
        if found is None:
            if target.is_own(api_version):
                refusal = objects.Refusal(
                    "no-match",
                    f"expected a kind and a version of {target.api.group}, got {kind_name} in "
                    f"{api_version}",
                )
                change.findings.append(_finding(refusal, document, source, place, value))
            else:
                change.counts.foreign += 1
        elif found[1].name == target.version or not target.has(found[0]):
            change.counts.unchanged += 1
        else:
            whole = {"apiVersion": api_version, "kind": kind_name, **value}
            result = target.convert(whole, *found)
            if isinstance(result, objects.Refusal):
                change.findings.append(_finding(result, document, source, place, value))
                continue
            new = {
                name: item
                for name, item in result.value.items()
                if name in value or name not in {"apiVersion", "kind"}
            }
            change.put(place, new, result.origins)
            change.counts.converted += 1
    _convert_list_version(change, target)
    return change


def _objects(value: JSON) -> Iterator[tuple[Place, dict[str, JSON], dict[str, JSON]]]:
    """Yield the objects of a document, with the type that those of a list inherit."""
    if not isinstance(value, dict):
        return
    items, kind = value.get("items"), value.get("kind")
    if not isinstance(items, list) or not isinstance(kind, str) or not kind.endswith("List"):
        yield (), value, {}
        return
    inherited = {}
    if kind != "List":
        inherited = {"apiVersion": value.get("apiVersion"), "kind": kind.removesuffix("List")}
    for index, item in enumerate(items):
        if isinstance(item, dict):
            yield ("items", index), item, inherited


def _convert_list_version(change: Change, target: Target) -> None:
    """Give a list of one kind the version of its items."""
    value = change.value
    is_list = bool(change.changed) and () not in change.changed
    if not is_list or not target.is_own(value.get("apiVersion")):
        return
    change.value = {**value, "apiVersion": f"{target.api.group}/{target.version}"}


def _finding(
    refusal: objects.Refusal,
    document: yaml.Document,
    source: str,
    place: Place,
    value: dict[str, JSON],
) -> Finding:
    line = document.line_of(text_of((*place, *refusal.place))) if place or refusal.place else 0
    return objects.finding(refusal, source, max(line, document.line), subject_of(value))


def subject_of(value: JSON) -> str:
    """Return the kind and the name of an object, as far as present."""
    if not isinstance(value, dict):
        return ""
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return " ".join(str(part) for part in (value.get("kind"), name) if part)


def written(document: yaml.Document, change: Change) -> str | None:
    """Return the text of a changed document; None if it is not written so that edits fit in."""
    try:
        tree = tree_of(document)
    except UnsupportedError:
        return None
    for found in (change.origins, _coarse(change)):
        text = writer.edited(tree, document.value, change.value, found)
        if _means(text, change.value):
            return text
    return None


def _coarse(change: Change) -> Origins:
    """Return the origins of the fields of objects, without what is in them."""

    def is_kept(place: Place) -> bool:
        return all(
            place[: len(one)] != one or len(place) <= len(one) + 1 or place[len(one)] == "metadata"
            for one in change.changed
        )

    return {place: origin for place, origin in change.origins.items() if is_kept(place)}


def _means(text: str, value: JSON) -> bool:
    """Return whether a text is read as a value, and nothing else."""
    try:
        values = yaml.load_all(text.encode())
    except yaml.YAMLError:
        return False
    return [*map(canonical.dumps, values)] == [canonical.dumps(value)]


def spliced(content: bytes, document: yaml.Document, text: str) -> bytes:
    """Return a file with another text of one of its documents; the last is to be replaced first."""
    start, written = document.position, text.encode()
    end = start + len(document.text.encode())
    if end > len(content) or not content[:end].endswith(document.text.encode()):
        written = written.removesuffix(b"\n")  # the reader has added a line feed
        end = min(end, len(content))
    return content[:start] + written + content[end:]


def unwritable(document: yaml.Document, source: str) -> Finding:
    """Return the finding about a document that cannot be edited."""
    return Finding(
        "layout",
        Level.ERROR,
        "expected YAML without explicit or repeated keys, got a document that cannot be edited in "
        "place; convert it by hand",
        source,
        document.line,
        subject_of(document.value),
    )
