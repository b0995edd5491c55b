"""``schemagen``: from models to CRD files, and whether those files are current.

Each command imports what it alone needs when it runs: generating should take no time.
"""

import pathlib
import sys
from typing import Annotated, Any

import typer

from schemagen import crd, files, structural
from schemagen.model import registry

app = typer.Typer(
    help="Kubernetes APIs from Pydantic models.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)

ApiReference = Annotated[
    str, typer.Argument(metavar="MODULE:API", help="Where the Api is, such as crds:api.")
]


# Places named in a line; the others are counted.
_SHOWN = 3


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
    fit_apply: Annotated[
        bool,
        typer.Option(
            "--fit-apply",
            help="Leave out descriptions, the deepest first, until kubectl apply takes each CRD.",
        ),
    ] = False,
    max_description: Annotated[
        int | None,
        typer.Option(min=0, help="Longest description, in characters; 0 leaves all of them out."),
    ] = None,
    judged: Annotated[
        bool, typer.Option("--judge/--no-judge", help="Ask the API server's own code first.")
    ] = True,
) -> None:
    """Write the CustomResourceDefinitions of an Api, once the API server's code has taken them.

    Exit codes: 0 written or current, 1 --check found a file that is not, 2 they would be refused,
    or the Api cannot be read.
    """
    crds = _crds(reference, storage, fit_apply=fit_apply, max_description=max_description)
    if judged:
        _approve(crds)
    options = {
        "--storage": storage,
        "--fit-apply": "" if fit_apply else None,
        "--max-description": max_description,
    }
    said = [f" {name} {value}".rstrip() for name, value in options.items() if value is not None]
    command = f"schemagen generate {reference}{''.join(said)}"
    texts = files.generated_files(crds.items(), command=command)
    if out is None:
        if check:
            raise _failure("expected --out with --check, got none: which files are to be compared?")
        typer.echo("---\n".join(texts.values()), nl=False)
    elif check:
        raise typer.Exit(_compare(texts, out, command))
    else:
        _write(texts, out)


@app.command()
def schema(
    reference: ApiReference,
    out: Annotated[pathlib.Path, typer.Option("--out", "-o", help="Folder for the files.")],
) -> None:
    """Write a JSON Schema for editors for every kind and version.

    The first line `# yaml-language-server: $schema=FILE` of a manifest makes an editor use it.
    """
    import json

    from schemagen import editor

    try:
        api = files.load_api(reference)
        schemas = {
            f"{kind.name.lower()}_{version.name}.json": editor.schema_of(api, kind, version)
            for kind in api
            for version in kind.versions
        }
    except (files.ApiNotFoundError, structural.SchemaError) as error:
        raise _failure(error) from error
    texts = {
        name: json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        for name, value in schemas.items()
    }
    _write(texts, out)


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
    from schemagen import documents, judge, validation

    try:
        with judge.Judge() as asked:
            report = validation.Report(files.load_api(reference), asked, strict=strict)
            for path in file:
                for line in report.lines(*_manifest(path)):
                    typer.echo(line)
    except (files.ApiNotFoundError, documents.DocumentError, judge.JudgeError) as error:
        raise _failure(error) from error
    typer.echo(report.summary, err=True)
    raise typer.Exit(1 if report.refused else 0)


@app.command()
def policy(
    reference: ApiReference,
    out: Annotated[
        pathlib.Path | None,
        typer.Option("--out", "-o", help="File to write; standard output if absent."),
    ] = None,
) -> None:
    """Write ValidatingAdmissionPolicies for what no schema can hold: bytes, requests, namespaces.

    The API server runs them by itself: no webhook is called.
    """
    from schemagen import policy as policies

    try:
        found = [*policies.policies(files.load_api(reference))]
    except (files.ApiNotFoundError, structural.SchemaError) as error:
        raise _failure(error) from error
    header = f"# Generated by `schemagen policy {reference}`; change the models and run it again.\n"
    text = header + "---\n".join(map(files.to_yaml, found))
    if out is None:
        typer.echo(text, nl=False)
    else:
        _write({out.name: text}, out.parent)


@app.command("judge")
def judge_(
    references: Annotated[
        list[str], typer.Argument(metavar="MODULE:API...", help="Where the Apis are.")
    ],
    number: Annotated[
        int, typer.Option("--number", "-n", min=1, help="How many objects to draw in all.")
    ] = 2000,
    seed: Annotated[int, typer.Option(help="Names the run: the same one draws the same.")] = 0,
    server: Annotated[
        str,
        typer.Option(
            metavar="embedded|kubeconfig|none",
            help="The real API server to ask: one started for this, that of KUBECONFIG, or none.",
        ),
    ] = "embedded",
) -> None:
    """Ask the models, the API server's code in process and a real API server about drawn objects.

    Every split verdict, and every message or field path that differs, is reported with the smallest
    object that shows it. Exit codes: 0 all agree, 1 a split, 2 a judge is missing.
    """
    from schemagen import judge
    from schemagen.agreement import report

    try:
        apis = [files.load_api(reference) for reference in references]
        is_split = report.run(apis, number, seed, server)
    except (
        files.ApiNotFoundError,
        structural.SchemaError,
        judge.JudgeError,
        report.NoServerError,
    ) as error:
        raise _failure(error) from error
    raise typer.Exit(1 if is_split else 0)


def _manifest(path: pathlib.Path) -> tuple[str, str]:
    """A manifest's text, and what to call it."""
    if str(path) == "-":
        return sys.stdin.read(), "standard input"
    try:
        return path.read_text(), str(path)
    except (OSError, UnicodeDecodeError) as error:
        raise _failure(f"expected to read {path}: {error}") from error


def _crds(
    reference: str, storage: str | None, *, fit_apply: bool, max_description: int | None
) -> dict[str, dict[str, Any]]:
    """The CRDs by the names of their files."""
    try:
        api = _stored_as(files.load_api(reference), storage)
        found = {
            f"{api.group}_{kind.plural}.yaml": crd.crd(api, kind, max_description=max_description)
            for kind in api
        }
    except (files.ApiNotFoundError, structural.SchemaError) as error:
        raise _failure(error) from error
    return {name: _fitted(name, one) for name, one in found.items()} if fit_apply else found


def _approve(crds: dict[str, dict[str, Any]]) -> None:
    """End the command if the API server would refuse a CRD; say so if nobody can tell."""
    from schemagen import approval, judge

    try:
        with judge.Judge() as asked:
            refused = [line for one in crds.values() for line in approval.refusals(one, asked)]
    except judge.JudgeMissingError as error:
        typer.echo(f"schemagen: not judged: {error}", err=True)
        return
    for line in refused:
        typer.echo(line, err=True)
    if refused:
        raise _failure("the API server would refuse what these models say; nothing was written")


def _fitted(name: str, found: dict[str, Any]) -> dict[str, Any]:
    from schemagen import fit

    try:
        fitted = fit.for_apply(found)
    except fit.TooLargeError as error:
        raise _failure(error) from error
    if fitted.left_out:
        shown = ", ".join(fitted.left_out[:_SHOWN])
        more = f" and {len(fitted.left_out) - _SHOWN} more" * (len(fitted.left_out) > _SHOWN)
        typer.echo(f"{name}: left out the descriptions of {shown}{more}", err=True)
    return fitted.crd


def _stored_as(api: registry.Api, storage: str | None) -> registry.Api:
    if storage is None:
        return api
    try:
        return api.stored_as(storage)
    except ValueError as error:
        raise _failure(error) from error


def _write(texts: dict[str, str], folder: pathlib.Path) -> None:
    for name, text in texts.items():
        changed = files.write_if_changed(folder / name, text)
        typer.echo(f"{'wrote' if changed else 'current'} {folder / name}")


def _compare(texts: dict[str, str], folder: pathlib.Path, command: str) -> int:
    """Tell which files are not current, and what would change; the exit code."""
    stale = [name for name, text in texts.items() if _differs(folder / name, text)]
    for name in stale:
        typer.echo(f"{folder / name}: not current; run `{command} -o {folder}`")
        typer.echo(_difference(folder / name, texts[name]), nl=False)
    return 1 if stale else 0


def _difference(path: pathlib.Path, text: str) -> str:
    """What would change in a file, as ``diff -u`` shows it."""
    import difflib

    before = path.read_text().splitlines(keepends=True) if path.is_file() else []
    after = text.splitlines(keepends=True)
    return "".join(difflib.unified_diff(before, after, str(path), "generated now"))


def _differs(path: pathlib.Path, text: str) -> bool:
    return not path.is_file() or path.read_text() != text


def _failure(message: Exception | str) -> typer.Exit:
    source = message.source if isinstance(message, structural.SchemaError) else ""
    typer.echo(f"schemagen: {source}{message}", err=True)
    return typer.Exit(2)


def main() -> None:
    """The console script."""
    app()
