"""The whole guide: what to do, in which order, and a chapter for each kind. Pure."""

import dataclasses
from collections.abc import Iterator, Sequence

from schemagen.model import registry
from schemagen.pages.documents import (
    Block,
    Code,
    Document,
    Heading,
    Items,
    Link,
    Listing,
    Table,
    Text,
    paragraph,
    text,
)
from schemagen.pages.guide import kinds
from schemagen.pages.guide.correspondence import Way
from schemagen.pages.guide.kinds import Chapter
from schemagen.versions.residue import storage


@dataclasses.dataclass(frozen=True)
class Guide:
    """Content of the guide.

    Attributes:
        api: The API.
        reference: How commands name it: ``crds:api``.
        old: The version to leave.
        new: The version to go to.
        chapters: The kinds that have both.
        policy: Where the project says how long a version is served; empty for nowhere.
        migrate: The command that migrates stored objects.
    """

    api: registry.Api
    reference: str
    old: str
    new: str
    chapters: Sequence[Chapter]
    policy: str = ""
    migrate: str = "schemagen migrate"


def document(guide: Guide) -> Document:
    """Return the guide as a document."""
    return [
        Heading(1, f"Migrating from {guide.old} to {guide.new}"),
        *_opening(guide),
        *_overview(guide),
        *_timeline(guide),
        *_steps(guide),
        *_back(guide),
        *_annotations(guide),
        *(block for chapter in guide.chapters for block in kinds.blocks(chapter)),
    ]


def _opening(guide: Guide) -> Iterator[Block]:
    yield paragraph(
        "For everyone who has manifests, clients or objects of ",
        Code(f"{guide.api.group}/{guide.old}"),
        ". Both versions are served at the same time: every object can be read and written in "
        "each, whichever it was created in and whichever is stored. So manifests, clients and "
        "stored objects can be migrated in any order, one at a time.",
    )
    yield paragraph(
        "The examples below were converted by the API's own conversion, and the API server's "
        "validation accepted each in its version. What the tables say of values was tried with "
        "values of each field.",
    )


def _overview(guide: Guide) -> Iterator[Block]:
    yield Heading(2, "Overview")
    rows: list[tuple[Text, ...]] = []
    for chapter in guide.chapters:
        found = [match.row for hop in chapter.hops for match in hop.found]
        same = sum(hop.same for hop in chapter.hops)
        counts = [sum(row.way in ways for row in found) for ways in _COLUMNS]
        link = Link(chapter.kind.name, f"#{Heading(2, chapter.kind.name).anchor}")
        rows.append((text(link), *(text(str(count)) for count in (same, *counts))))
    head = (
        "Kind",
        "The same",
        "Renamed or moved",
        "Converted",
        f"Only in {guide.old}",
        f"Only in {guide.new}",
    )
    yield Table("Fields of each kind, counted", head, tuple(rows))


_COLUMNS = (
    {Way.MOVED},
    {Way.CONVERTED, Way.CONSTANT},
    {Way.REMOVED, Way.FORGOTTEN},
    {Way.ADDED},
)


def _timeline(guide: Guide) -> Iterator[Block]:
    yield Heading(2, "Timeline")
    states: dict[tuple[Text, ...], list[str]] = {}
    for chapter in guide.chapters:
        for version in chapter.kind.versions:
            states.setdefault(_state(version), []).append(chapter.kind.name)
    every = len(guide.chapters)
    rows = [
        (*state, ("all kinds",) if len(names) == every else (", ".join(names),))
        for state, names in states.items()
    ]
    head = ("Version", "Served", "Storage version", "Deprecated", "Kinds")
    yield Table("State of each version", head, tuple(rows))
    warnings = {
        version.deprecated.replace(f" {chapter.kind.name} ", " KIND ")
        for chapter in guide.chapters
        for version in chapter.kind.versions
        if version.name == guide.old and isinstance(version.deprecated, str)
    }
    if warnings:
        yield paragraph("The API server answers every request in a deprecated version with:")
        yield Items(tuple((Code(warning),) for warning in sorted(warnings)))
    yield Items(
        (
            text(f"Now: both versions are served. Migrate manifests and clients to {guide.new}."),
            text(
                f"Then: migrate the stored objects, so that {guide.new} is the only version in ",
                Code("status.storedVersions"),
                " of each CRD.",
            ),
            text(f"Last: {guide.old} is no longer served, and removed from the CRD."),
        )
    )
    if guide.policy:
        yield paragraph(
            "How long a version is served: ", Link("deprecation policy", guide.policy), "."
        )


def _state(version: registry.Version) -> tuple[Text, ...]:
    def word(*, is_so: bool) -> Text:
        return ("yes" if is_so else "no",)

    return (
        (Code(version.name),),
        word(is_so=version.served),
        word(is_so=version.storage),
        word(is_so=version.deprecated is not None),
    )


# --- what to do ---------------------------------------------------------------------------------


def _steps(guide: Guide) -> Iterator[Block]:
    names = [guide.api.crd_name(chapter.kind) for chapter in guide.chapters]
    first = names[0]
    yield Heading(2, "Steps")
    yield Heading(3, "Find what is left in the old version")
    yield paragraph(
        "Manifests, and the versions in which objects may be stored. ",
        Code("schemagen validate"),
        " tells each manifest in a deprecated version.",
    )
    yield _shell(
        f"schemagen validate {guide.reference} -f manifests/",
        "kubectl get customresourcedefinitions "
        "-o custom-columns=NAME:.metadata.name,STORED:.status.storedVersions",
    )
    yield Heading(3, "Convert manifests")
    yield paragraph(
        "Comments, order and blank lines are kept. The first command shows the difference, the "
        "second writes the files, the third validates the result.",
    )
    yield _shell(
        f"schemagen convert {guide.reference} -f manifests/ --to {guide.new}",
        f"schemagen convert {guide.reference} -f manifests/ --to {guide.new} --in-place",
        f"schemagen validate {guide.reference} -f manifests/",
    )
    yield paragraph("The API server's own answer, before anything is written:")
    yield _shell(
        "kubectl diff --server-side -f manifests/",
        "kubectl apply --server-side --dry-run=server -f manifests/",
        "kubectl apply --server-side -f manifests/",
    )
    yield Heading(3, "Convert clients")
    yield paragraph(
        f"Clients that name {guide.old} keep working until it is no longer served. A client in "
        "one version sees what clients in the other one write. To read an object in either:",
    )
    plural = first.partition(".")[0]
    yield _shell(
        f"kubectl get {plural}.{guide.old}.{guide.api.group} NAME -o yaml",
        f"kubectl get {plural}.{guide.new}.{guide.api.group} NAME -o yaml",
    )
    yield Heading(3, "Migrate stored objects")
    yield paragraph(
        "An object stays stored in its version until it is written again. Take a backup of etcd, "
        "then look at the plan, run it, and verify it, for each CRD. An interrupted run goes on "
        "with the same command.",
    )
    yield _shell(
        f"{guide.migrate} plan {first} --to {guide.new}",
        f"{guide.migrate} run {first} --to {guide.new}",
        f"{guide.migrate} verify {first} --to {guide.new}",
    )
    yield paragraph("The CRDs:")
    yield Items(tuple((Code(name),) for name in names))
    yield Heading(3, "Remove the old version")
    yield paragraph(
        f"Only once no manifest and no client names {guide.old}: after this, requests in it are "
        "refused.",
    )
    yield _shell(f"{guide.migrate} run {first} --to {guide.new} --drop {guide.old}")


def _shell(*lines: str) -> Listing:
    # Not `sh`: these commands need the reader's files and cluster.
    return Listing("Commands", "console", "".join(f"$ {line}\n" for line in lines))


def _back(guide: Guide) -> Iterator[Block]:
    first = guide.api.crd_name(guide.chapters[0].kind)
    yield Heading(2, "Rollback")
    yield paragraph(
        f"While {guide.old} is served, every step can be taken back, and nothing that was written "
        f"in {guide.new} is lost: what {guide.old} cannot say is kept in an annotation.",
    )
    yield _shell(
        f"schemagen convert {guide.reference} -f manifests/ --to {guide.old} --in-place",
        f"{guide.migrate} rollback {first} --to {guide.old}",
    )
    yield paragraph(
        f"Once {guide.old} is removed from the CRD, its schema has to be added again first: ",
        Code(f"--crds {guide.reference}"),
        " takes it from the API.",
    )


def _annotations(guide: Guide) -> Iterator[Block]:
    older, newer = (
        storage.names(guide.api, version)
        for name in (guide.old, guide.new)
        for version in guide.chapters[0].kind.versions
        if version.name == name
    )
    yield Heading(2, "What is kept where")
    yield paragraph(
        "What one version says and the other cannot is kept with the object, in an annotation, and "
        "put back by the next conversion, unless the field was edited meanwhile. Leave these "
        "annotations as they are; GitOps tools must not remove them.",
    )
    rows = [
        ((Code(one.residue),), (f"fields and values that only {name} can say, but for the status",))
        for one, name in ((older, guide.old), (newer, guide.new))
    ]
    rows += [
        ((Code(one.status),), (f"the same of the status of {name}",))
        for one, name in ((older, guide.old), (newer, guide.new))
    ]
    rows += [
        ((Code(one.overflow),), (f"names the fields of {name} for which there was no room",))
        for one, name in ((older, guide.old), (newer, guide.new))
    ]
    yield Table("Annotations of conversion", ("Annotation", "Content"), tuple(rows))
    lost = [
        (Code(f"{chapter.kind.name} {kinds.path_of(path).text}"),)
        for chapter in guide.chapters
        for hop in chapter.hops
        for match in hop.found
        if match.row.way is Way.FORGOTTEN or match.old.lost or match.new.lost
        for path in [match.row.old or match.row.new or ()]
    ]
    if lost:
        yield paragraph("Not kept:")
        yield Items(tuple(text(*each) for each in lost))
    else:
        yield paragraph("No field was found whose value is lost.")
