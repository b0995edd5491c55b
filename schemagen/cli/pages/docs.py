"""``schemagen docs``: the reference of CRDs. Shell."""

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from schemagen import files
from schemagen.cli import check
from schemagen.cli.pages import output

if TYPE_CHECKING:
    from schemagen import judge
    from schemagen.compat import sources
    from schemagen.pages.examples import Example, Given
    from schemagen.pages.reference import history, site


def docs(
    references: check.References,
    out: Annotated[pathlib.Path, typer.Option("--out", "-o", help="Output directory.")],
    title: Annotated[
        str | None, typer.Option(help="Title of the first page; by default the API groups.")
    ] = None,
    examples: output.Samples = None,
    checks: output.Checks = False,
) -> None:
    """Write the reference of every kind and version as static pages.

    Each page has the fields with their constraints, defaults and CEL rules, an example that the API
    server's own code accepted, and what changed since the version before. Pages load nothing else,
    and work without JavaScript, which only adds search.

    Exit codes: 0 written or current; 1 --check found an outdated page; 2 a CRD or an example
    cannot be read or would be refused, or a page cannot be written.
    """
    from schemagen.compat import sources
    from schemagen.pages.reference import site

    definitions = [*sources.by_name(sources.read_all(*references)).values()]
    groups = dict.fromkeys(str(definition.value["spec"].get("group")) for definition in definitions)
    shown = _examples(definitions, examples or ())
    texts = site.files(
        definitions,
        title=title or f"API reference: {', '.join(groups)}",
        examples=lambda name, version: shown.get((name, version), ()),
        moved=_moved(references),
    )
    raise typer.Exit(
        output.finish({out / name: text for name, text in texts.items()}, checks=checks)
    )


def _moved(references: Sequence[str]) -> "site.Moved":
    """Return what is known of the conversions of the references that are Apis."""
    from schemagen.compat import sources
    from schemagen.pages.guide import moves

    apis = [
        files.load_api(reference)
        for reference in references
        if not pathlib.Path(reference).exists() and sources.is_api(reference)
    ]

    def moved(name: str, old: str, new: str) -> "history.Moves":
        return tuple(move for api in apis for move in moves.of(api, name, old, new))

    return moved


def _examples(
    definitions: "Sequence[sources.Definition]", paths: Sequence[str]
) -> "Mapping[tuple[str, str], Sequence[Example]]":
    """Return the examples of each version of each CRD; none where there is no judge."""
    from schemagen import judge
    from schemagen.pages import examples

    given = examples.read(paths) if paths else ()
    try:
        with judge.Judge() as oracle:
            return {
                key: found
                for definition in definitions
                for key, found in _of_definition(definition, given, oracle)
            }
    except judge.JudgeMissingError as error:
        typer.echo(f"schemagen: pages have no examples: {error}", err=True)
        return {}


def _of_definition(
    definition: "sources.Definition", given: "Sequence[Given]", oracle: "judge.Judge"
) -> "Iterator[tuple[tuple[str, str], Sequence[Example]]]":
    from schemagen import judge
    from schemagen.pages import examples
    from schemagen.problems import UserError

    try:
        with oracle.load(definition.value) as loaded:
            found = examples.Examples(loaded, definition.value, given)
            for version in definition.value["spec"]["versions"]:
                yield (definition.name, version["name"]), found.of(version)
    except judge.JudgeMissingError:
        raise
    except judge.JudgeError as error:
        raise UserError(
            f"{definition.source}: expected a CRD that the API server accepts, got "
            f"{definition.name}: {error}"
        ) from error
