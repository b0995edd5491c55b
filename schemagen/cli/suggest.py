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
    from schemagen.versions.declared import kinds, suggestion

    definition = _chosen([item.value for item in sources.read_all(source)], kind, source)
    name = str(definition["metadata"]["name"])
    nodes = kinds.nodes(definition)
    if (older is None) != (newer is None):
        raise UserError("expected two versions, or none for all adjacent ones, got one")
    pairs = [*itertools.pairwise(nodes)] if older is None else [(older, newer or "")]
    for version in itertools.chain.from_iterable(pairs):
        if version not in nodes:
            raise UserError(f"expected a version of {name} ({', '.join(nodes)}), got {version}")
    if not pairs:
        raise UserError(f"expected two versions of {name}, got {', '.join(nodes)}")
    found = [suggestion.between(nodes[one], nodes[other]) for one, other in pairs]
    words = [source, *([older, newer] if older and newer else [])]
    words += ["--kind", kind] if kind else []
    text = suggestion.text(name, found, f"schemagen suggest {' '.join(words)}")
    if out is None:
        typer.echo(text, nl=False)
    else:
        generation.write({out: text})


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
