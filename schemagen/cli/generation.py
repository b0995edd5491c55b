"""The steps of ``schemagen generate``; loaded when it runs. Shell: files."""

import dataclasses
import difflib
import inspect
import pathlib
from collections.abc import Mapping
from typing import Any, Final

import typer

from schemagen import files
from schemagen.cli import frame
from schemagen.crd import definitions
from schemagen.model import registry
from schemagen.problems import UserError

# Number of places listed in a warning; the rest are counted.
_SHOWN: Final = 3


@dataclasses.dataclass(frozen=True)
class Options:
    """The options as given.

    Attributes:
        reference: The Api to load.
        out: The directory; None for standard output.
        storage: The storage version of kinds that have it.
        check: Whether nothing is written.
        fit_apply: Whether descriptions are dropped until each CRD fits kubectl apply.
        max_description: Maximum description length in characters.
        judged: Whether the API server's own code validates the CRDs first.
    """

    reference: str
    out: pathlib.Path | None
    storage: str | None
    check: bool
    fit_apply: bool
    max_description: int | None
    judged: bool

    @property
    def flags(self) -> str:
        """The options that change what is generated, as on the command line."""
        values = {
            "--storage": self.storage,
            "--fit-apply": "" if self.fit_apply else None,
            "--max-description": self.max_description,
        }
        given = {name: value for name, value in values.items() if value is not None}
        return "".join(f" {name} {value}".rstrip() for name, value in given.items())


def run(options: Options) -> int:
    """Generate, validate, and write or compare; return the exit code."""
    reference, out = options.reference, options.out
    crds = _crds(options)
    if options.judged:
        _approve(crds, reference)
    generator = f"schemagen generate {reference}"
    command = generator + options.flags
    texts = files.generated_files(crds.items(), command=command)
    if out is None:
        if options.check:
            raise UserError("expected --out with --check, got none; name the directory to compare")
        typer.echo("---\n".join(texts.values()), nl=False)
        return 0
    leftovers = files.leftovers(out, texts, command=generator)
    if options.check:
        return _compare(texts, leftovers, out, command)
    write({out / name: text for name, text in texts.items()})
    for path in leftovers:
        typer.echo(
            f"left {path}: no kind of {reference} generates it any more; delete it", err=True
        )
    return 0


def _crds(options: Options) -> dict[str, dict[str, Any]]:
    """Return the CRDs by file name."""
    from schemagen.versions.verification import cached as conversions
    from schemagen.versions.verification import unsatisfiable, verification

    api = _stored_as(files.load_api(options.reference), options.storage)
    crds, schemas = {}, {}
    for kind in api:
        with frame.about(f"generating {named(kind, kind.hub)}"):
            made = definitions.crd(api, kind, max_description=options.max_description)
        crds[f"{api.group}_{kind.plural}.yaml"] = made
        for version, defined in zip(kind.versions, made["spec"]["versions"], strict=True):
            schemas[version.model] = defined["schema"]["openAPIV3Schema"]
    conversions.check(api, lambda version: schemas[version.model])
    for line in (*unsatisfiable.lines(api), *verification.advice(api)):
        typer.echo(f"warning: {line}", err=True)
    if not options.fit_apply:
        return crds
    return {name: _fitted(name, made) for name, made in crds.items()}


def named(kind: registry.Kind, version: registry.Version) -> str:
    """Return ``Widget v1 (widgets.py:7)``."""
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


def write(texts: Mapping[pathlib.Path, str]) -> None:
    """Write files and report which have changed."""
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
    text_before = path.read_text(errors="replace") if path.is_file() else ""
    before = text_before.splitlines(keepends=True)
    after = text.splitlines(keepends=True)
    return "".join(difflib.unified_diff(before, after, str(path), "generated now"))


def _differs(path: pathlib.Path, text: str) -> bool:
    return not path.is_file() or path.read_bytes() != text.encode()
