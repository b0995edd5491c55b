"""Which pages a reference has: one for each version of each kind, and the one that lists them."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from schemagen.compat import sources
from schemagen.pages.examples import Example
from schemagen.pages.reference import history, pages
from schemagen.pages.reference.history import Moves
from schemagen.pages.reference.pages import VersionPage
from schemagen.problems import JSON, UserError, quoted

Moved = Callable[[str, str, str], Moves]
"""Fields that the conversion of a CRD moves from one version to the next, by their old place."""
Examples = Callable[[str, str], Sequence[Example]]
"""Examples of a CRD's version."""

_FILE_NAME: Final = re.compile(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?")


def files(
    definitions: Sequence[sources.Definition],
    *,
    title: str,
    examples: Examples = lambda _, __: (),
    moved: Moved = lambda _, __, ___: (),
) -> Mapping[str, str]:
    """Return the pages by file name.

    Args:
        definitions: The CRDs, each once.
        title: Title of the first page.
        examples: From the name of a CRD and of a version to its examples.
        moved: From the name of a CRD and of two versions to the fields that its conversion moves.

    Raises:
        UserError: if a name cannot be that of a file.
    """
    kinds = [_versions(definition, examples, moved) for definition in definitions]
    kinds.sort(key=lambda versions: (versions[0].kind, versions[0].file))
    links = [(versions[0].kind, versions[0].file) for versions in kinds]
    texts = {pages.INDEX: pages.of_index(title, kinds)}
    for versions in kinds:
        for page in versions:
            texts[page.file] = pages.of_version(page, versions, links)
    return texts


def _versions(
    definition: sources.Definition, examples: Examples, moved: Moved
) -> Sequence[VersionPage]:
    """Return the versions of a CRD, the newest first."""
    _check(definition)
    crd = definition.value
    versions = sorted(crd["spec"]["versions"], key=lambda version: rank(version["name"]))
    found = []
    for index, version in enumerate(versions):
        before = versions[index - 1] if index else None
        told = None
        if before is not None:
            names = (before["name"], version["name"])
            told = history.between(before, version, moved(definition.name, *names))
        shown = tuple(examples(definition.name, version["name"]))
        found.append(VersionPage(crd, version, shown, told))
    return found[::-1]


def _check(definition: sources.Definition) -> None:
    spec = definition.value["spec"]
    names = [definition.name, *(str(version["name"]) for version in spec["versions"])]
    for name in names:
        if not _FILE_NAME.fullmatch(name):
            raise UserError(
                f"{definition.source}: expected a name such as widgets.example.com or v1, as the "
                f"API server requires, got {quoted(name)}"
            )
    kind = (spec.get("names") or {}).get("kind")
    if not isinstance(kind, str) or not names[1:]:
        raise UserError(
            f"{definition.source}: expected a kind in spec.names and at least one version, got "
            f"{quoted(kind)} and {len(names) - 1} versions"
        )


_VERSION: Final = re.compile(r"v([0-9]+)(?:(alpha|beta)([0-9]+))?")
_STABILITIES: Final = ("alpha", "beta", None)


def rank(name: JSON) -> tuple[int, ...] | tuple[int, str]:
    """Return the sort key of a version, oldest first: v1alpha1, v1beta1, v1, v2; others before."""
    found = _VERSION.fullmatch(str(name))
    if found is None:
        return (-1, str(name))
    stability = _STABILITIES.index(found[2])
    return (int(found[1]), stability, int(found[3] or 0))
