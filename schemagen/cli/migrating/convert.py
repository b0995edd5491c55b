"""``schemagen convert``: manifests in another version of their API, edited in place."""

import dataclasses
import enum
import pathlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from schemagen import files
from schemagen.cli import frame
from schemagen.compat import findings
from schemagen.problems import UserError

if TYPE_CHECKING:
    from schemagen.cli import validation
    from schemagen.rewrite import trees


class Format(enum.StrEnum):
    """How the result is written."""

    TEXT = "text"
    JSON = "json"


def convert(
    reference: Annotated[
        str, typer.Argument(metavar="MODULE:API", help="Api to load, such as crds:api.")
    ],
    file: Annotated[
        list[str],
        typer.Option(
            "--file",
            "-f",
            metavar="PATH",
            help="Manifests to convert: a file, directory or pattern; repeatable; - is standard "
            "input.",
        ),
    ],
    to: Annotated[
        str, typer.Option("--to", metavar="VERSION", help="Version to convert to, such as v1.")
    ],
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Write the files, instead of showing a diff.")
    ] = False,
    output: Annotated[
        Format, typer.Option("--output", "-o", help="Format of the result.")
    ] = Format.TEXT,
) -> None:
    """Convert manifests to another version; lines that need no change stay byte for byte.

    Shows a unified diff, or writes the files. Comments, order, quotes and anchors are kept. Lists,
    JSON, kustomize patches and Helm templates are converted too, as far as they can be followed;
    the rest is reported by line. Each converted object is validated.

    Exit codes: 0 everything is converted; 1 something has to be done by hand, or a converted
    object is not valid; 2 an Api or a file cannot be loaded, whatever became of the others.
    """
    raise typer.Exit(_run(reference, file, to, output, in_place=in_place))


def _run(reference: str, file: Sequence[str], to: str, output: Format, *, in_place: bool) -> int:
    from schemagen import judge
    from schemagen.cli import validation
    from schemagen.compat import api_rules
    from schemagen.rewrite import objects, trees

    if in_place and "-" in file:
        raise UserError("expected files with --in-place, got - (standard input)")
    api = files.load_api(reference)
    target = objects.Target(api, to)
    with judge.Judge() as oracle:
        options = validation.Options(rules=api_rules.ApiRules(api))
        report = validation.Report(api, oracle, options)
        outcome = _Outcome(output, in_place=in_place)
        tree = trees.Tree(file, target)
        for result in tree.results():
            outcome.add(result, [*_refused(report, result)])
    problems = [*tree.problems, *outcome.problems]
    for problem in problems:
        frame.complain("schemagen", problem)
    outcome.end(problems)
    if problems:
        return frame.WRONG_INPUT
    return 1 if outcome.findings else 0


def _refused(report: "validation.Report", result: "trees.Result") -> Iterator[findings.Finding]:
    """Yield why the API server would refuse converted objects."""
    if result.is_judged and result.after != result.before:
        for finding in report.findings(result.after, result.source):
            if finding.level is findings.Level.ERROR:
                yield finding


class _Outcome:
    """Writer of converted files, differences and totals."""

    def __init__(self, output: Format, *, in_place: bool) -> None:
        from schemagen.rewrite.documents import Counts

        self._is_text, self._in_place = output is Format.TEXT, in_place
        self._counts = Counts()
        self._changed: list[dict[str, str]] = []
        self.findings: list[findings.Finding] = []
        self.problems: list[str] = []

    def add(self, result: "trees.Result", refused: Sequence[findings.Finding]) -> None:
        """Write or show a file."""
        from schemagen.rewrite.text import differences

        found = [*result.findings, *refused]
        self.findings += found
        self._counts += result.counts
        if result.after != result.before:
            difference = differences.unified(result.source, result.before, result.after)
            self._changed.append({"source": result.source, "diff": difference})
            if self._in_place and not self._write(result):
                return
            if self._is_text:
                typer.echo(
                    f"converted {result.source}\n" if self._in_place else difference, nl=False
                )
        if self._is_text:
            for finding in found:
                typer.echo(finding.line_text, err=True)

    def _write(self, result: "trees.Result") -> bool:
        """Replace a file, which keeps its mode; return whether that was possible."""
        path = pathlib.Path(result.source).resolve()
        try:
            files.replace(path, result.after, mode=path.stat().st_mode)
        except OSError as error:
            self.problems.append(f"expected to write {result.source}: {error.strerror}")
            return False
        return True

    def end(self, problems: Sequence[str]) -> None:
        """Write the totals."""
        counts = {**dataclasses.asdict(self._counts), "reported": len(self.findings)}
        if self._is_text:
            told = (
                f"{counts['converted']} converted, {counts['unchanged']} unchanged, "
                f"{counts['foreign']} not of this API, {counts['reported']} reported"
            )
            typer.echo(told, err=True)
            return
        unreadable = [
            findings.Finding("unreadable", findings.Level.ERROR, problem) for problem in problems
        ]
        text = findings.rendered(
            [*self.findings, *unreadable],
            findings.Format.JSON,
            command="schemagen convert",
            more={"files": self._changed, "counts": counts},
        )
        typer.echo(text, nl=False)
