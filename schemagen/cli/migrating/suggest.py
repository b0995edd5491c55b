"""``schemagen suggest``: propose the conversion between versions of a CRD as a file."""

import itertools
import pathlib
from collections.abc import Sequence
from typing import Annotated

import typer

from schemagen.problems import JSON, UserError


def suggest(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A file or directory of CRDs, MODULE:API, a git REV:PATH, or cluster:CONTEXT.",
        ),
    ],
    older: Annotated[
        str | None, typer.Argument(help="Older version. \\[default: all adjacent versions]")
    ] = None,
    newer: Annotated[str | None, typer.Argument(help="Newer version.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="Kind or CRD name, if the source has several CRDs.")
    ] = None,
    given: Annotated[
        pathlib.Path | None,
        typer.Option(
            "--from",
            help="Configuration of declarative-conversion-operator to translate instead; what does "
            "not map becomes a question.",
        ),
    ] = None,
    out: Annotated[
        pathlib.Path | None,
        typer.Option("--out", "-o", help="Output file; standard output by default."),
    ] = None,
) -> None:
    """Suggest the conversion between two versions of a CRD, as a file for --conversions.

    Fields with other names, places, types, units or spellings are matched by their names and
    schemas. What names do not tell is a question: a comment that begins with QUESTION.

    Exit codes: 0 written; 2 the CRD cannot be read, or has no such versions.
    """
    from schemagen.cli import generation
    from schemagen.compat import sources
    from schemagen.versions.declared import foreign, kinds, suggestion

    definition = _chosen([item.value for item in sources.read_all(source)], kind, source)
    name = str(definition["metadata"]["name"])
    nodes = kinds.nodes(definition)
    words = [source, *([older, newer] if older and newer else [])]
    words += ["--kind", kind] if kind else []
    if given is not None:
        words += ["--from", str(given)]
        found = foreign.translated(_configuration(given), name, nodes)
    else:
        found = [suggestion.between(nodes[one], nodes[other])
                 for one, other in _pairs(name, [*nodes], older, newer)]  # fmt: skip
    text = suggestion.text(name, found, f"schemagen suggest {' '.join(words)}")
    if out is None:
        typer.echo(text, nl=False)
    else:
        generation.write({out: text})


def _pairs(
    name: str, names: Sequence[str], older: str | None, newer: str | None
) -> list[tuple[str, str]]:
    """Return the pairs of versions that are meant."""
    if (older is None) != (newer is None):
        raise UserError("expected two versions, or none for all adjacent ones, got one")
    pairs = [(older, newer)] if older and newer else [*itertools.pairwise(names)]
    for version in itertools.chain.from_iterable(pairs):
        if version not in names:
            raise UserError(f"expected a version of {name} ({', '.join(names)}), got {version}")
    if not pairs:
        raise UserError(f"expected two versions of {name}, got {', '.join(names)}")
    return pairs


def _configuration(path: pathlib.Path) -> JSON:
    """Return the configuration in a file."""
    from schemagen import files
    from schemagen.versions.declared import foreign
    from schemagen.yaml import manifests

    source = files.name_of(path)
    documents = [item.value for item in manifests.read(files.read_bytes(path), source)]
    found = [document for document in documents if foreign.is_foreign(document)]
    if len(found) != 1:
        kinds = " or ".join(foreign.KINDS)
        raise UserError(f"expected one {kinds} of {foreign.GROUP} in {source}, got {len(found)}")
    return found[0]


def _chosen(definitions: Sequence[JSON], kind: str | None, source: str) -> JSON:
    """Return the CRD that is meant."""
    found = [
        item
        for item in definitions
        if kind is None or kind in {item["metadata"]["name"], item["spec"]["names"]["kind"]}
    ]
    if len(found) == 1:
        return found[0]
    names = ", ".join(str(item["metadata"]["name"]) for item in found or definitions)
    wanted = "--kind to choose one of" if found else f"a CRD of {kind} among"
    raise UserError(f"expected {wanted} {names} in {source}")
