"""``schemagen``: from models to CRD files, and whether those files are current."""

import difflib
import json
import pathlib
import sys
from typing import Annotated

import typer

from schemagen import crd, documents, editor, files, judge, structural, validation
from schemagen.model import registry

app = typer.Typer(
    help="Kubernetes APIs from Pydantic models.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)

ApiReference = Annotated[
    str, typer.Argument(metavar="MODULE:API", help="Where the Api is, such as crds:api.")
]


@app.callback()
def _main() -> None:
    """Kubernetes APIs from Pydantic models."""


@app.command()
def generate(
    reference: ApiReference,
    out: Annotated[
        pathlib.Path | None,
        typer.Option(
            "--out", "-o", help="Folder for one file per kind; standard output if absent."
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="Storage version of every kind that has it, such as v1alpha1."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Write nothing; exit 1 if a file in --out is not current."),
    ] = False,
) -> None:
    """Write the CustomResourceDefinitions of an Api."""
    texts = _texts(reference, storage)
    if out is None:
        if check:
            raise _failure("expected --out with --check, got none: which files are to be compared?")
        typer.echo("---\n".join(texts.values()), nl=False)
        return
    stale = [name for name, text in texts.items() if _differs(out / name, text)]
    if check:
        for name in stale:
            typer.echo(f"{out / name}: not current; run `schemagen generate {reference} -o {out}`")
            typer.echo(_difference(out / name, texts[name]), nl=False)
        raise typer.Exit(1 if stale else 0)
    for name, text in texts.items():
        changed = files.write_if_changed(out / name, text)
        typer.echo(f"{'wrote' if changed else 'current'} {out / name}")


@app.command()
def schema(
    reference: ApiReference,
    out: Annotated[pathlib.Path, typer.Option("--out", "-o", help="Folder for the files.")],
) -> None:
    """Write a JSON Schema for editors for every kind and version.

    The first line `# yaml-language-server: $schema=FILE` of a manifest makes an editor use it.
    """
    try:
        api = files.load_api(reference)
        texts = {
            f"{kind.name.lower()}_{version.name}.json": editor.schema_of(api, kind, version)
            for kind in api
            for version in kind.versions
        }
    except (files.ApiNotFoundError, structural.SchemaError) as error:
        raise _failure(str(error)) from error
    for name, value in texts.items():
        text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        changed = files.write_if_changed(out / name, text)
        typer.echo(f"{'wrote' if changed else 'current'} {out / name}")


@app.command()
def validate(
    reference: ApiReference,
    file: Annotated[
        list[pathlib.Path],
        typer.Option(
            "--file",
            "-f",
            help="Manifest to judge; may be repeated; - is standard input.",
            allow_dash=True,
        ),
    ],
    strict: Annotated[
        bool, typer.Option(help="Refuse unknown and repeated fields, as kubectl does.")
    ] = True,
) -> None:
    """Judge manifests as the API server would, in its words, without a cluster.

    Objects of other kinds are counted and passed over. Exit codes: 0 every object would be taken,
    1 one would be refused, 2 the Api, a file or the judge cannot be read.
    """
    try:
        with judge.Judge() as asked:
            report = validation.Report(files.load_api(reference), asked, strict=strict)
            for path in file:
                for line in report.lines(*_manifest(path)):
                    typer.echo(line)
    except (files.ApiNotFoundError, documents.DocumentError, judge.JudgeError) as error:
        raise _failure(str(error)) from error
    typer.echo(report.summary, err=True)
    raise typer.Exit(1 if report.refused else 0)


def _manifest(path: pathlib.Path) -> tuple[str, str]:
    """A manifest's text, and what to call it."""
    if str(path) == "-":
        return sys.stdin.read(), "standard input"
    try:
        return path.read_text(), str(path)
    except (OSError, UnicodeDecodeError) as error:
        raise _failure(f"expected to read {path}: {error}") from error


def _texts(reference: str, storage: str | None) -> dict[str, str]:
    try:
        api = _stored_as(files.load_api(reference), storage)
        documents = [(f"{api.group}_{kind.plural}.yaml", crd.crd(api, kind)) for kind in api]
    except (files.ApiNotFoundError, structural.SchemaError) as error:
        raise _failure(str(error)) from error
    option = f" --storage {storage}" if storage else ""
    return files.generated_files(documents, command=f"schemagen generate {reference}{option}")


def _stored_as(api: registry.Api, storage: str | None) -> registry.Api:
    if storage is None:
        return api
    try:
        return api.stored_as(storage)
    except ValueError as error:
        raise _failure(str(error)) from error


def _difference(path: pathlib.Path, text: str) -> str:
    """What would change in a file, as ``diff -u`` shows it."""
    before = path.read_text().splitlines(keepends=True) if path.is_file() else []
    after = text.splitlines(keepends=True)
    return "".join(difflib.unified_diff(before, after, str(path), "generated now"))


def _differs(path: pathlib.Path, text: str) -> bool:
    return not path.is_file() or path.read_text() != text


def _failure(message: str) -> typer.Exit:
    typer.echo(f"schemagen: {message}", err=True)
    return typer.Exit(2)


def main() -> None:
    """The console script."""
    app()
