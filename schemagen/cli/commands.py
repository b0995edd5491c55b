"""``schemagen``: generate CRD files from models and check that they are current.

Commands import their dependencies lazily, to keep startup fast. Errors are reported by
``frame``.
"""

import inspect
import pathlib
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from schemagen import files, yaml
from schemagen.cli import check, diff, frame, lint, preflight, validate
from schemagen.crd import definitions
from schemagen.model import registry
from schemagen.problems import UserError

app = typer.Typer(
    name="schemagen",
    cls=frame.Group,
    help="Generate Kubernetes APIs from Pydantic models.",
    epilog=frame.EPILOG,
    no_args_is_help=True,
)

ApiReference = Annotated[
    str,
    typer.Argument(metavar="MODULE:API", help="Api to load, such as crds:api."),
]


# Number of places listed in a warning; the rest are counted.
_SHOWN = 3


@app.callback()
def _main() -> None:
    """Generate Kubernetes APIs from Pydantic models."""


@app.command()
def generate(
    reference: ApiReference,
    out: Annotated[
        pathlib.Path | None,
        typer.Option(
            "--out", "-o", help="Output directory, one file per kind; standard output by default."
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            help="Storage version for every kind that has this version, such as v1alpha1."
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Write nothing; exit 1 if a file in --out is outdated or orphaned.",
        ),
    ] = False,
    fit_apply: Annotated[
        bool,
        typer.Option(
            "--fit-apply",
            help="Drop descriptions, deepest first, until each CRD fits kubectl apply.",
        ),
    ] = False,
    max_description: Annotated[
        int | None,
        typer.Option(
            min=0, help="Maximum description length in characters; 0 drops all descriptions."
        ),
    ] = None,
    judged: Annotated[
        bool,
        typer.Option(
            "--judge/--no-judge", help="Validate the CRDs with the API server's own code first."
        ),
    ] = True,
) -> None:
    """Validate the CustomResourceDefinitions of an Api with the API server's code and write them.

    Either all files are written or none. Orphaned files in --out, of kinds that the Api no longer
    has, are listed but not deleted.

    Conversions between versions are checked against the models first.

    Exit codes: 0 written or current; 1 --check found an outdated file; 2 the API server would
    refuse a CRD, a conversion is invalid, the Api cannot be loaded or a file cannot be written.
    """
    crds = _crds(reference, storage, fit_apply=fit_apply, max_description=max_description)
    if judged:
        _approve(crds, reference)
    options = {
        "--storage": storage,
        "--fit-apply": "" if fit_apply else None,
        "--max-description": max_description,
    }
    flags = [f" {name} {value}".rstrip() for name, value in options.items() if value is not None]
    generator = f"schemagen generate {reference}"
    command = f"{generator}{''.join(flags)}"
    texts = files.generated_files(crds.items(), command=command)
    if out is None:
        if check:
            raise UserError("expected --out with --check, got none; name the directory to compare")
        typer.echo("---\n".join(texts.values()), nl=False)
        return
    leftovers = files.leftovers(out, texts, command=generator)
    if check:
        raise typer.Exit(_compare(texts, leftovers, out, command))
    _write({out / name: text for name, text in texts.items()})
    for path in leftovers:
        typer.echo(
            f"left {path}: no kind of {reference} generates it any more; delete it", err=True
        )


@app.command()
def schema(
    reference: ApiReference,
    out: Annotated[pathlib.Path, typer.Option("--out", "-o", help="Output directory.")],
) -> None:
    """Write a JSON Schema for editors for every kind and version.

    The first line `# yaml-language-server: $schema=FILE` of a manifest makes an editor use it.

    Exit codes: 0 written or current; 2 the Api cannot be loaded or a file cannot be written.
    """
    import json

    from schemagen.crd import editor_schema

    api = files.load_api(reference)
    texts = {}
    for kind in api:
        for version in kind.versions:
            with frame.about(f"describing {_named(kind, version)}"):
                json_schema = editor_schema.schema_of(api, kind, version)
                text = json.dumps(json_schema, indent=2, ensure_ascii=False)
            texts[out / f"{kind.name.lower()}_{version.name}.json"] = f"{text}\n"
    _write(texts)


app.command()(validate.validate)


@app.command()
def policy(
    reference: ApiReference,
    out: Annotated[
        pathlib.Path | None,
        typer.Option("--out", "-o", help="Output file; standard output by default."),
    ] = None,
) -> None:
    """Write ValidatingAdmissionPolicies for rules beyond schemas (byte limits, request, namespace).

    The API server evaluates them in process; no webhook is called.

    Exit codes: 0 written; 2 the Api cannot be loaded or the file cannot be written.
    """
    from schemagen.crd import admission_policy as policies

    api = files.load_api(reference)
    with frame.about(f"writing the policies of {reference}"):
        documents = [*policies.policies(api)]
    header = f"# Generated by `schemagen policy {reference}`; change the models and run it again.\n"
    text = header + "---\n".join(map(yaml.dumps, documents))
    if out is None:
        typer.echo(text, nl=False)
    else:
        _write({out: text})


@app.command("judge")
def judge_(
    references: Annotated[
        list[str], typer.Argument(metavar="MODULE:API...", help="Apis to load, such as crds:api.")
    ],
    number: Annotated[
        int, typer.Option("--number", "-n", min=1, help="Total number of objects to generate.")
    ] = 2000,
    seed: Annotated[
        int, typer.Option(help="Random seed; the same seed generates the same objects.")
    ] = 0,
    server: Annotated[
        str,
        typer.Option(
            metavar="embedded|kubeconfig|none",
            help="API server to compare with: a temporary one, the one of KUBECONFIG, or none.",
        ),
    ] = "embedded",
) -> None:
    """Compare the models, the API server's code and a real API server on generated objects.

    Every differing verdict, message or field path is reported with a minimal object that shows
    it. Exit codes: 0 all agree; 1 a difference; 2 a judge is missing.
    """
    from schemagen.differential import report

    apis = [files.load_api(reference) for reference in references]
    raise typer.Exit(1 if report.run(apis, number, seed, server) else 0)


@app.command()
def roundtrip(
    references: Annotated[
        list[str], typer.Argument(metavar="MODULE:API...", help="Apis to load, such as crds:api.")
    ],
    number: Annotated[
        int, typer.Option("--number", "-n", min=1, help="Total number of round trips.")
    ] = 2000,
    seed: Annotated[
        int, typer.Option(help="Random seed; the same seed generates the same objects.")
    ] = 0,
    kind: Annotated[str | None, typer.Option(help="Test only this kind.")] = None,
    part: Annotated[
        str, typer.Option(metavar="NUMBER/OF", help="Run only this shard, such as 2/4.")
    ] = "1/1",
    server: Annotated[
        str,
        typer.Option(
            metavar="embedded|kubeconfig|none",
            help="Also test a sample in a real API server with webhooks: a temporary one, or the "
            "one of KUBECONFIG, in a namespace that is deleted afterwards.",
        ),
    ] = "none",
    sample: Annotated[
        int, typer.Option(min=1, help="Total number of round trips through the real API server.")
    ] = 1000,
) -> None:
    """Edit generated objects through each version and report what other versions lose.

    Between versions, objects are pruned, defaulted, admitted and stored as an API server does. A
    loss is reported with a minimal object and change that show it. Exit codes: 0 nothing is lost;
    1 something is lost; 2 the Api cannot be loaded or the API server is unavailable.
    """
    from schemagen.roundtrip import report

    apis = [files.load_api(reference) for reference in references]
    todo = report.chunks(apis, number, seed, report.part(part), kind)
    opener = report.opener(server)
    title = f"seed {seed}, part {part}"
    is_lossy = report.run(todo, title=title)
    if opener is not None:
        todo = report.chunks(apis, sample, seed, report.part(part), kind)
        is_lossy |= report.run_served(apis, todo, opener, title=title)
    raise typer.Exit(1 if is_lossy else 0)


def _crds(
    reference: str, storage: str | None, *, fit_apply: bool, max_description: int | None
) -> dict[str, dict[str, Any]]:
    """Return the CRDs by file name."""
    from schemagen.versions.verification import cached as conversions
    from schemagen.versions.verification import unsatisfiable, verification

    api = _stored_as(files.load_api(reference), storage)
    crds, schemas = {}, {}
    for kind in api:
        with frame.about(f"generating {_named(kind, kind.hub)}"):
            made = definitions.crd(api, kind, max_description=max_description)
        crds[f"{api.group}_{kind.plural}.yaml"] = made
        for version, defined in zip(kind.versions, made["spec"]["versions"], strict=True):
            schemas[version.model] = defined["schema"]["openAPIV3Schema"]
    conversions.check(api, lambda version: schemas[version.model])
    for line in (*unsatisfiable.lines(api), *verification.advice(api)):
        typer.echo(f"warning: {line}", err=True)
    return {name: _fitted(name, made) for name, made in crds.items()} if fit_apply else crds


def _named(kind: registry.Kind, version: registry.Version) -> str:
    """``Widget v1 (widgets.py:7)``."""
    try:
        place = inspect.getsourcelines(version.model)[1]
        where = f" ({inspect.getfile(version.model)}:{place})"
    except (OSError, TypeError):  # defined in an interpreter
        where = ""
    return f"{kind.name} {version.name}{where}"


def _approve(crds: dict[str, dict[str, Any]], reference: str) -> None:
    """Exit if the API server would refuse a CRD; warn if no judge is available.

    CRDs new on this machine are also generated in other processes, to check that the output is
    reproducible.
    """
    from schemagen import judge
    from schemagen.crd import approval, reproducibility

    if not all(map(approval.is_known, crds.values())):
        changing = [*reproducibility.differences(reference, files.load_api(reference))]
        for line in changing:
            typer.echo(line, err=True)
        if changing:
            raise UserError("the output differs from run to run; nothing was written")
    try:
        with judge.Judge() as oracle:
            refused = [
                line
                for definition in crds.values()
                for line in approval.refusals(definition, oracle)
            ]
    except judge.JudgeMissingError as error:
        typer.echo(f"schemagen: CRDs were not validated: {error}", err=True)
        return
    for line in refused:
        typer.echo(line, err=True)
    if refused:
        raise UserError("the API server would refuse these CRDs; nothing was written")


def _fitted(name: str, definition: dict[str, Any]) -> dict[str, Any]:
    from schemagen.crd import apply_size

    fitted = apply_size.for_apply(definition)
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
        raise UserError(str(error)) from error


def _write(texts: Mapping[pathlib.Path, str]) -> None:
    for path, is_changed in files.write_all(texts).items():
        typer.echo(f"{'wrote' if is_changed else 'current'} {path}")


def _compare(
    texts: dict[str, str], leftovers: list[pathlib.Path], folder: pathlib.Path, command: str
) -> int:
    """Report outdated and leftover files with their differences; return the exit code."""
    stale = [name for name, text in texts.items() if _differs(folder / name, text)]
    for name in stale:
        typer.echo(f"{folder / name}: not current; run `{command} -o {folder}`")
        typer.echo(_difference(folder / name, texts[name]), nl=False)
    for path in leftovers:
        typer.echo(f"{path}: no kind generates it any more; delete it")
    return 1 if stale or leftovers else 0


def _difference(path: pathlib.Path, text: str) -> str:
    """Return the difference between a file and its generated text, as ``diff -u`` shows it."""
    import difflib

    text_before = path.read_text(errors="replace") if path.is_file() else ""
    before = text_before.splitlines(keepends=True)
    after = text.splitlines(keepends=True)
    return "".join(difflib.unified_diff(before, after, str(path), "generated now"))


def _differs(path: pathlib.Path, text: str) -> bool:
    return not path.is_file() or path.read_bytes() != text.encode()


# Of CRDs of any origin.
app.command()(lint.lint)
app.command()(check.check)
app.command()(diff.diff)
app.command()(preflight.preflight)


def main() -> None:
    """Run the console script."""
    app()
