"""The page of a version, and the page that lists all kinds. Pure."""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from typing import Final

from schemagen import yaml
from schemagen.pages import frame
from schemagen.pages.examples import Example
from schemagen.pages.frame import Entry
from schemagen.pages.markup import Element, Node, Verbatim, tag
from schemagen.pages.reference import fields, tree
from schemagen.pages.reference.constraints import Fact
from schemagen.pages.reference.fields import Field
from schemagen.pages.reference.history import History
from schemagen.problems import JSON

INDEX: Final = "index.html"
_MAX_KINDS: Final = 12
_SUMMARY_CHARACTERS: Final = 100


@dataclasses.dataclass(frozen=True)
class VersionPage:
    """A version of a kind, with what its page says.

    Attributes:
        definition: The CRD.
        version: The entry of ``spec.versions``.
        examples: Objects that the API server accepts.
        history: What changed since the version before; None for the first.
    """

    definition: JSON
    version: JSON
    examples: tuple[Example, ...] = ()
    history: History | None = None

    @property
    def kind(self) -> str:
        """Return the kind."""
        return str(self.definition["spec"]["names"]["kind"])

    @property
    def name(self) -> str:
        """Return the version."""
        return str(self.version["name"])

    @property
    def file(self) -> str:
        """Return the file's name."""
        return f"{self.definition['metadata']['name']}-{self.name}.html"

    @property
    def api_version(self) -> str:
        """Return ``GROUP/VERSION``."""
        return f"{self.definition['spec']['group']}/{self.name}"

    @property
    def schema(self) -> JSON:
        """Return the schema of its objects."""
        return (self.version.get("schema") or {}).get("openAPIV3Schema") or {}

    @property
    def description(self) -> str:
        """Return what the schema says of the kind."""
        return str(self.schema.get("description") or "")


# --- a version ----------------------------------------------------------------------------------


def of_version(page: VersionPage, siblings: Sequence[VersionPage], kinds: Sequence[Entry]) -> str:
    """Return the page of a version.

    Args:
        page: The version.
        siblings: All versions of its kind, the newest first.
        kinds: Links to the other kinds, if they are few.
    """
    below = fields.of(page.schema)
    body: list[Node] = [*_examples(page), *_fields(page, below), *_history(page, below)]
    contents = [
        ("On this page", [*_sections(page, below)]),
        ("Versions", [(sibling.name, sibling.file) for sibling in siblings]),
    ]
    if 1 < len(kinds) <= _MAX_KINDS:
        contents.append(("Kinds", list(kinds)))
    return frame.page(
        f"{page.kind} {page.name}",
        lead=[*tree.prose(page.description), *tree.facts(_facts(page)), *_notes(page)],
        body=body,
        trail=[("All kinds", INDEX)],
        contents=contents,
    )


def _sections(page: VersionPage, below: Sequence[Field]) -> Iterable[Entry]:
    if page.examples:
        yield "Example", "#example"
    yield "Fields", "#fields"
    yield from ((field.name, f"#{tree.anchor(field.steps)}") for field in below)
    if page.history is not None:
        yield f"Changes since {page.history.since}", "#changes"


def _facts(page: VersionPage) -> Iterable[Fact]:
    spec, version = page.definition["spec"], page.version
    names = spec["names"]
    yield Fact("apiVersion", values=(page.api_version,))
    yield Fact("kind", values=(page.kind,))
    yield Fact("Scope", {"Cluster": "cluster"}.get(str(spec.get("scope")), "namespace"))
    kubectl = [names.get("plural"), *(names.get("shortNames") or ())]
    yield Fact("kubectl get", values=tuple(str(name) for name in kubectl if name))
    served = "served" if version.get("served") else "not served"
    yield Fact("Version", f"{served}, {'stored' if version.get('storage') else 'not stored'}")
    subresources = version.get("subresources")
    if isinstance(subresources, dict) and subresources:
        yield Fact("Subresources", values=tuple(map(str, subresources)))
    columns = version.get("additionalPrinterColumns") or ()
    if columns:
        yield Fact("Columns", values=tuple(str(column.get("name")) for column in columns))
    selectable = version.get("selectableFields") or ()
    if selectable:
        yield Fact("Selectable", values=tuple(str(field.get("jsonPath")) for field in selectable))


def _notes(page: VersionPage) -> Iterable[Node]:
    if page.version.get("deprecated"):
        text = str(page.version.get("deprecationWarning") or f"{page.api_version} is deprecated.")
        yield tag("div", tag("p", tag("strong", "Deprecated. "), text), class_="note")


def _examples(page: VersionPage) -> Iterable[Node]:
    for index, example in enumerate(page.examples):
        shown = listing(example.value, f"{page.kind} {page.name}")
        if index:
            yield tag("details", tag("summary", example.title or "Another example"), shown)
            continue
        yield tag("h2", "Example", id="example")
        yield from [tag("p", example.title)] if example.title else []
        yield shown


def listing(value: JSON, about: str) -> Element:
    """Return an object as YAML; what is wider than the page can be scrolled with the keyboard."""
    code = tag("code", yaml.dumps(value))
    return tag("pre", code, tabindex="0", role="region", aria_label=f"Example of {about}")


def _history(page: VersionPage, below: Sequence[Field]) -> Iterable[Node]:
    if page.history is None:
        return
    known = {field.steps for field in fields.every(below)}
    yield tag("h2", f"Changes since {page.history.since}", id="changes")
    if not page.history.changes:
        yield tag("p", "None: both versions have the same fields, and accept the same values.")
        return
    by_field: dict[tuple[tuple[str, ...], bool], list[str]] = {}
    for change in page.history.changes:
        by_field.setdefault((change.steps, change.is_gone), []).append(change.text)
    rows = []
    for (steps, is_gone), texts in by_field.items():
        path: Node = tree.path(fields.shown(steps) or "the object")
        if steps in known and not is_gone:
            path = tag("a", path, href=f"#{tree.anchor(steps)}")
        said = [tag("p", *tree.inline(text)) for text in texts]
        rows.append(tag("tr", tag("td", path), tag("td", *said)))
    head = tag("tr", tag("th", "Field", scope="col"), tag("th", "Change", scope="col"))
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    about = f"Changes since {page.history.since}"
    yield tag("div", table, class_="scroll", tabindex="0", role="region", aria_label=about)


def _fields(page: VersionPage, below: Sequence[Field]) -> Iterable[Node]:
    changes = {} if page.history is None else page.history.by_field
    yield tag("h2", "Fields", id="fields")
    if not below:
        yield tag("p", "The schema names none.")
        return
    search = _search(
        "Search fields by path or description",
        tag("button", "Expand all", type="button", data_opens="true"),
    )
    rules = tree.rules(fields.rules_of(page.schema))
    # The search stays in view as long as its fields do.
    yield tag("section", search, *rules, tree.tree(below, changes), aria_labelledby="fields")


def _search(label: str, *more: Node, results: Iterable[Node] = ()) -> Element:
    """Return the search box, which the script shows."""
    entry = tag("input", id="search", type="search", autocomplete="off", spellcheck="false")
    status = tag("p", role="status")
    line = tag("div", status, *more, class_="search-line")
    name = tag("label", label, " (", tag("kbd", "/"), ")", for_="search")
    return tag("div", name, entry, line, *results, class_="search", role="search", hidden=True)


# --- the index ----------------------------------------------------------------------------------


def of_index(title: str, kinds: Sequence[Sequence[VersionPage]]) -> str:
    """Return the page that lists all kinds.

    Args:
        title: Its title.
        kinds: The versions of each kind, the newest first.
    """
    entries = [
        [f"{page.file}#{tree.anchor(field.steps)}", field.path, f"{page.kind} {page.name}"]
        for pages in kinds
        for page in pages
        for field in fields.every(fields.of(page.schema))
    ]
    # A script's end tag, in a description say, would end the data.
    data = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    search = _search("Search the fields of all kinds", results=[tag("ul", class_="results")])
    body: list[Node] = [
        search,
        tag("ul", *map(_kind, kinds), class_="kinds"),
        tag("script", Verbatim(data), type="application/json", id="index"),
    ]
    versions = sum(map(len, kinds))
    lead = f"{_counted(len(kinds), 'kind')} in {_counted(versions, 'version')}."
    return frame.page(title, lead=[tag("p", lead, class_="lead")], body=body)


def _kind(pages: Sequence[VersionPage]) -> Element:
    newest = pages[0]
    links = [
        tag(
            "li",
            tag("a", page.name, href=page.file),
            " (deprecated)" if page.version.get("deprecated") else [],
        )
        for page in pages
    ]
    return tag(
        "li",
        tag("h2", tag("a", newest.kind, href=newest.file)),
        tree.prose(newest.description)[:1],
        tag("ul", *links, class_="versions", aria_label=f"Versions of {newest.kind}"),
    )


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
