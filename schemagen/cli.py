"""``schemagen``: from models to CRD files, and whether those files are current.

Each command imports what it alone needs when it runs: generating should take no time. What goes
wrong is said by ``commandline``.
"""

import inspect
import pathlib
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from schemagen import commandline, crd, files, yaml
from schemagen.model import registry
from schemagen.problems import UserError

app = typer.Typer(
    name="schemagen",
    cls=commandline.Group,
    help="Kubernetes APIs from Pydantic models.",
    epilog=commandline.EPILOG,
    no_args_is_help=True,
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
        typer.Option(
            "--check",
            help="Write nothing; exit 1 if a file in --out is not current, or no kind writes it "
            "any more.",
        ),
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

    All files are written, or none. Files in --out that the same Api wrote for a kind that it has no
    more are named, and stay.

    Conversions between versions are checked against the models first.

    Exit codes: 0 written or current, 1 --check found a file that is not, 2 they would be refused,
    a conversion does not fit, the Api cannot be read, or a file cannot be written.
    """
    crds = _crds(reference, storage, fit_apply=fit_apply, max_description=max_description)
    if judged:
        _approve(crds, reference)
    options = {
        "--storage": storage,
        "--fit-apply": "" if fit_apply else None,
        "--max-description": max_description,
    }
    said = [f" {name} {value}".rstrip() for name, value in options.items() if value is not None]
    generator = f"schemagen generate {reference}"
    command = f"{generator}{''.join(said)}"
    texts = files.generated_files(crds.items(), command=command)
    if out is None:
        if check:
            raise UserError(
                "expected --out with --check, got none: which files are to be compared?"
            )
        typer.echo("---\n".join(texts.values()), nl=False)
        return
    leftovers = files.leftovers(out, texts, command=generator)
    if check:
        raise typer.Exit(_compare(texts, leftovers, out, command))
    _write({out / name: text for name, text in texts.items()})
    for path in leftovers:
        typer.echo(f"left {path}: no kind of {reference} writes it any more; delete it", err=True)


@app.command()
def schema(
    reference: ApiReference,
    out: Annotated[pathlib.Path, typer.Option("--out", "-o", help="Folder for the files.")],
) -> None:
    """Write a JSON Schema for editors for every kind and version.

    The first line `# yaml-language-server: $schema=FILE` of a manifest makes an editor use it.

    Exit codes: 0 written or current, 2 the Api cannot be read, or a file cannot be written.
    """
    import json

    from schemagen import editor

    api = files.load_api(reference)
    texts = {}
    for kind in api:
        for version in kind.versions:
            with commandline.about(f"describing {_named(kind, version)}"):
                found = editor.schema_of(api, kind, version)
                text = json.dumps(found, indent=2, ensure_ascii=False)
            texts[out / f"{kind.name.lower()}_{version.name}.json"] = f"{text}\n"
    _write(texts)


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
    strict: Annotated[bool, typer.Option(help="Refuse unknown fields, as kubectl does.")] = True,
) -> None:
    """Judge manifests as kubectl and the API server would, in their words, without a cluster.

    Objects of other kinds are counted and passed over. Exit codes: 0 every object would be taken,
    1 one would be refused, 2 the Api, a file or the judge cannot be read.
    """
    from schemagen import judge, validation

    with judge.Judge() as asked:
        report = validation.Report(files.load_api(reference), asked, strict=strict)
        for path in file:
            for line in report.lines(*_manifest(path)):
                typer.echo(line)
    if not report.taken + report.refused + report.foreign:
        typer.echo("schemagen: expected objects to judge, got none", err=True)
        raise typer.Exit(1)
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

    Exit codes: 0 written, 2 the Api cannot be read, or the file cannot be written.
    """
    from schemagen import policy as policies

    api = files.load_api(reference)
    with commandline.about(f"writing the policies of {reference}"):
        found = [*policies.policies(api)]
    header = f"# Generated by `schemagen policy {reference}`; change the models and run it again.\n"
    text = header + "---\n".join(map(yaml.dumps, found))
    if out is None:
        typer.echo(text, nl=False)
    else:
        _write({out: text})


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
    from schemagen.agreement import report

    apis = [files.load_api(reference) for reference in references]
    raise typer.Exit(1 if report.run(apis, number, seed, server) else 0)


@app.command()
def roundtrip(
    references: Annotated[
        list[str], typer.Argument(metavar="MODULE:API...", help="Where the Apis are.")
    ],
    number: Annotated[
        int, typer.Option("--number", "-n", min=1, help="How many round trips in all.")
    ] = 2000,
    seed: Annotated[int, typer.Option(help="Names the run: the same one draws the same.")] = 0,
    kind: Annotated[str | None, typer.Option(help="Only this kind.")] = None,
    part: Annotated[
        str, typer.Option(metavar="NUMBER/OF", help="Only a part of the run, such as 2/4.")
    ] = "1/1",
    server: Annotated[
        str,
        typer.Option(
            metavar="embedded|kubeconfig|none",
            help="Also change a sample in a real API server, with the webhooks: one started for "
            "this, or that of KUBECONFIG, in a namespace that is deleted afterwards.",
        ),
    ] = "none",
    sample: Annotated[
        int, typer.Option(min=1, help="How many round trips in all the real API server makes.")
    ] = 1000,
) -> None:
    """Change drawn objects through each of their versions, and look what the others lose.

    Between two versions objects are pruned, defaulted, admitted and stored as by an API server. A
    loss is reported with the smallest object and change that show it. Exit codes: 0 nothing is
    lost, 1 something is, 2 the Api cannot be read or there is no such API server.
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


def _manifest(path: pathlib.Path) -> tuple[bytes, str]:
    """A manifest's bytes, and what to call it."""
    return files.read_bytes(path), files.name_of(path)


def _crds(
    reference: str, storage: str | None, *, fit_apply: bool, max_description: int | None
) -> dict[str, dict[str, Any]]:
    """The CRDs by the names of their files."""
    from schemagen import conversions
    from schemagen.versions import unsatisfiable, verification

    api = _stored_as(files.load_api(reference), storage)
    found, schemas = {}, {}
    for kind in api:
        with commandline.about(f"generating {_named(kind, kind.hub)}"):
            made = crd.crd(api, kind, max_description=max_description)
        found[f"{api.group}_{kind.plural}.yaml"] = made
        for version, defined in zip(kind.versions, made["spec"]["versions"], strict=True):
            schemas[version.model] = defined["schema"]["openAPIV3Schema"]
    conversions.check(api, lambda version: schemas[version.model])
    for line in (*unsatisfiable.lines(api), *verification.advice(api)):
        typer.echo(f"warning: {line}", err=True)
    return {name: _fitted(name, made) for name, made in found.items()} if fit_apply else found


def _named(kind: registry.Kind, version: registry.Version) -> str:
    """``Widget v1 (widgets.py:7)``."""
    try:
        place = inspect.getsourcelines(version.model)[1]
        where = f" ({inspect.getfile(version.model)}:{place})"
    except (OSError, TypeError):  # made in an interpreter
        where = ""
    return f"{kind.name} {version.name}{where}"


def _approve(crds: dict[str, dict[str, Any]], reference: str) -> None:
    """End the command if the API server would refuse a CRD; say so if nobody can tell.

    What is new on this machine is also generated in other processes: it must come out the same.
    """
    from schemagen import approval, judge, reproducible

    if not all(map(approval.is_known, crds.values())):
        changing = [*reproducible.differences(reference, files.load_api(reference))]
        for line in changing:
            typer.echo(line, err=True)
        if changing:
            raise UserError("another run would write something else; nothing was written")
    try:
        with judge.Judge() as asked:
            refused = [line for one in crds.values() for line in approval.refusals(one, asked)]
    except judge.JudgeMissingError as error:
        typer.echo(f"schemagen: not judged: {error}", err=True)
        return
    for line in refused:
        typer.echo(line, err=True)
    if refused:
        raise UserError("the API server would refuse what these models say; nothing was written")


def _fitted(name: str, found: dict[str, Any]) -> dict[str, Any]:
    from schemagen import fit

    fitted = fit.for_apply(found)
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
    """Tell which files are not current, and what would change; the exit code."""
    stale = [name for name, text in texts.items() if _differs(folder / name, text)]
    for name in stale:
        typer.echo(f"{folder / name}: not current; run `{command} -o {folder}`")
        typer.echo(_difference(folder / name, texts[name]), nl=False)
    for path in leftovers:
        typer.echo(f"{path}: no kind writes it any more; delete it")
    return 1 if stale or leftovers else 0


def _difference(path: pathlib.Path, text: str) -> str:
    """What would change in a file, as ``diff -u`` shows it."""
    import difflib

    text_before = path.read_text(errors="replace") if path.is_file() else ""
    before = text_before.splitlines(keepends=True)
    after = text.splitlines(keepends=True)
    return "".join(difflib.unified_diff(before, after, str(path), "generated now"))


def _differs(path: pathlib.Path, text: str) -> bool:
    return not path.is_file() or path.read_bytes() != text.encode()


def main() -> None:
    """The console script."""
    app()
