"""``schemagen import``: write models of CRDs of any origin."""

import pathlib
from typing import Annotated

import typer


def import_(
    references: Annotated[
        list[str],
        typer.Argument(
            metavar="CRDS...",
            help="Files, directories, patterns, - for standard input, git REV:PATH or "
            "cluster:CONTEXT.",
        ),
    ],
    out: Annotated[
        pathlib.Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE.py|DIR",
            help="A module, or a package with a module for each version; standard output by "
            "default.",
        ),
    ] = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Generate the CRDs of the models, and exit 1 with each place where they differ "
            "from those imported; nothing is written then.",
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
) -> None:
    """Write Pydantic models of CustomResourceDefinitions: all versions, rules and descriptions.

    `schemagen generate` generates the same CRDs from them. Of several API groups, each gets a
    package of its own in the directory --out.

    Exit codes: 0 written; 1 --verify found a difference; 2 a CRD cannot be read, the API server
    would refuse it, or a file exists or cannot be written.
    """
    from schemagen.cli.migrating import import_run

    raise typer.Exit(import_run.run(references, out, verify=verify, force=force))
