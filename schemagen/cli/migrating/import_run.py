"""The steps of ``schemagen import``; loaded when it runs. Shell: files."""

import itertools
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import typer

from schemagen import files, judge
from schemagen.cli import frame
from schemagen.compat import sources
from schemagen.migrate.importing import modules, verification
from schemagen.problems import UserError

_MODULE: Final = "models.py"
# Places listed for one CRD; the rest are counted.
_SHOWN: Final = 20


def run(references: Sequence[str], out: pathlib.Path | None, *, verify: bool, force: bool) -> int:
    """Read CRDs, and write or verify their models; return the exit code."""
    is_package = out is not None and out.suffix != ".py"
    if out is not None and is_package and out.is_file():
        raise UserError(f"expected FILE.py or a directory as --out, got {out}, a file")
    definitions = sources.by_name(sources.read_all(*references))
    _approve(definitions.values())
    groups = _by_group([definition.value for definition in definitions.values()])
    if len(groups) > 1 and not is_package and not (verify and out is None):
        raise UserError(
            f"expected CRDs of one API group for one module, got {', '.join(groups)}; name a "
            "directory with --out, for a package of each"
        )
    written = {group: _texts(group, crds, is_package) for group, crds in groups.items()}
    if verify and not _is_same(written, groups):
        return 1
    if out is None:
        if not verify:
            typer.echo(
                "".join(text for texts in written.values() for text in texts.values()), nl=False
            )
        return 0
    _write(_placed(written, out, is_package=is_package), force=force)
    return 0


def _approve(definitions: Iterable[sources.Definition]) -> None:
    """Refuse CRDs that the API server would refuse.

    Raises:
        UserError: with a line for each cause.
    """
    lines: list[str] = []
    with judge.Judge() as oracle:
        for definition in definitions:
            verdict = oracle.check(definition.value, strict=False)
            if verdict.allowed:
                continue
            place = f"{definition.source}: {definition.name}"
            lines += [f"{place}: {cause.field}: {cause.message}" for cause in verdict.causes]
            lines += [] if verdict.causes else [f"{place}: {verdict.message}"]
    if lines:
        raise UserError(
            "\n".join((*lines, "expected CRDs that the API server accepts; correct them first"))
        )


def _by_group(crds: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    ordered = sorted(crds, key=lambda crd: (crd["spec"]["group"], crd["metadata"]["name"]))
    grouped = itertools.groupby(ordered, key=lambda crd: str(crd["spec"]["group"]))
    return {group: [*members] for group, members in grouped}


def _texts(group: str, crds: Sequence[Mapping[str, Any]], is_package: bool) -> dict[str, str]:
    with frame.about(f"writing the models of {group}"):
        return modules.package(crds) if is_package else {_MODULE: modules.single(crds)}


def _is_same(
    written: Mapping[str, Mapping[str, str]], groups: Mapping[str, Sequence[Mapping[str, Any]]]
) -> bool:
    """Tell for each CRD whether its models generate it; return whether all do."""
    found = {
        name: places
        for group, texts in written.items()
        for name, places in verification.differences(texts, groups[group]).items()
    }
    for name, places in found.items():
        for place in places[:_SHOWN]:
            typer.echo(f"{name}: {place}", err=True)
        if len(places) > _SHOWN:
            typer.echo(f"{name}: and {len(places) - _SHOWN} more", err=True)
        if not places:
            typer.echo(f"{name}: the same", err=True)
    return not any(found.values())


def _placed(
    written: Mapping[str, Mapping[str, str]], out: pathlib.Path, *, is_package: bool
) -> dict[pathlib.Path, str]:
    if not is_package:
        (texts,) = written.values()
        return {out: texts[_MODULE]}
    return {
        (out if len(written) == 1 else out / _package_name(group)) / file: text
        for group, texts in written.items()
        for file, text in texts.items()
    }


def _package_name(group: str) -> str:
    """Return ``cert_manager_io`` of ``cert-manager.io``."""
    name = group.replace(".", "_").replace("-", "_")
    return name if name.isidentifier() else f"group_{name}"


def _write(texts: Mapping[pathlib.Path, str], *, force: bool) -> None:
    existing = [*_existing(texts)]
    if existing and not force:
        raise UserError(f"expected no file yet at {', '.join(existing)}; give --force to overwrite")
    for path, is_changed in files.write_all(texts).items():
        typer.echo(f"{'wrote' if is_changed else 'current'} {path}")


def _existing(texts: Mapping[pathlib.Path, str]) -> Iterator[str]:
    """Yield the files that would be overwritten with something else."""
    for path, text in texts.items():
        if path.exists() and not (path.is_file() and path.read_bytes() == text.encode()):
            yield str(path)
