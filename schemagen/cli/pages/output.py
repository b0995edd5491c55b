"""Options and output of commands that write pages. Shell."""

import pathlib
from collections.abc import Mapping
from typing import Annotated

import typer

from schemagen import files

Samples = Annotated[
    list[str] | None,
    typer.Option(
        "--examples",
        metavar="PATH",
        help="Manifests to show as examples, a file, directory or pattern; repeatable. Each must "
        "be valid.",
    ),
]
Checks = Annotated[
    bool, typer.Option("--check", help="Write nothing; exit 1 if the output is outdated.")
]


def finish(texts: Mapping[pathlib.Path, str], *, checks: bool) -> int:
    """Write the pages, or compare them; return the exit code."""
    from schemagen.cli import generation

    if not checks:
        generation.write(texts)
        return 0
    outdated = [path for path, text in texts.items() if not _is_current(path, text)]
    for path in outdated:
        typer.echo(f"{path}: not current; run the same command without --check")
    return 1 if outdated else 0


def _is_current(path: pathlib.Path, text: str) -> bool:
    return path.is_file() and files.read_bytes(path) == text.encode(errors="backslashreplace")
