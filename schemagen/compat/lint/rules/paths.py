"""Rules about printer columns, the scale subresource and selectable fields."""

import re
from collections.abc import Iterator
from typing import Final, get_args, get_type_hints

from schemagen.compat.findings import Level
from schemagen.compat.lint.registry import Rule
from schemagen.compat.lint.targets import Found, Target, Version
from schemagen.crd import paths
from schemagen.model import markers
from schemagen.problems import JSON
from schemagen.schema.keywords import Schema

_COLUMN_TYPES: Final = get_args(get_type_hints(markers.Column)["type"])
_COLUMNS: Final = "additionalPrinterColumns"
_SELECTABLE: Final = re.compile(r"spec\.(?:versions\[(\d+)\]\.)?selectableFields\[(\d+)\]")


def _columns(version: Version) -> Iterator[tuple[int, JSON, str]]:
    """Yield the columns that show nothing: index, column, problem."""
    for index, column in enumerate(version.value.get(_COLUMNS) or ()):
        path, type_ = column.get("jsonPath"), column.get("type")
        if isinstance(path, str) and type_ in _COLUMN_TYPES:
            problem = paths.column_problem(version.schema, path, type_)
            if problem is not None:
                yield index, column, problem


def _is_type(column: JSON, schema: Schema) -> bool:
    """Return whether the path leads somewhere, so that only the type does not fit."""
    return paths.column_problem(schema, column["jsonPath"], "string") is None


def _missing(target: Target) -> Iterator[Found]:
    for version in target.versions:
        for index, column, problem in _columns(version):
            if not _is_type(column, version.schema):
                yield _of_column(version, index, column, problem)


def _types(target: Target) -> Iterator[Found]:
    for version in target.versions:
        for index, column, problem in _columns(version):
            if _is_type(column, version.schema):
                yield _of_column(version, index, column, problem)


def _of_column(version: Version, index: int, column: JSON, problem: str) -> Found:
    return Found(
        f"column {column.get('name')}: {problem.replace(' (wire.Timestamp)', '')}",
        version.name,
        column["jsonPath"],
        f"{version.field}.{_COLUMNS}[{index}].jsonPath",
    )


def _scale(target: Target) -> Iterator[Found]:
    for version in target.versions:
        scale: JSON = (version.value.get("subresources") or {}).get("scale")
        for name in paths.SCALE_ROOTS if isinstance(scale, dict) else ():
            path = scale.get(name)
            problem = paths.scale_problem(version.schema, name, path) if path else None
            if problem is not None:
                yield Found(
                    f"{name}: {problem}",
                    version.name,
                    path,
                    f"{version.field}.subresources.scale.{name}",
                )


def _selectable(target: Target) -> Iterator[Found]:
    for cause in target.verdict.causes:
        match = _SELECTABLE.match(cause.field)
        if match:
            version = target.versions[int(match[1] or 0)]
            entry = version.value["selectableFields"][int(match[2])]
            yield Found(
                f"{cause.message}; name a string, boolean or integer outside of lists",
                version.name,
                str(entry.get("jsonPath", "")),
                f"{version.field}.selectableFields[{match[2]}]",
            )


THEME: Final = "paths"

RULES: Final = (
    Rule(
        id="column-path",
        theme=THEME,
        level=Level.WARNING,
        finds="a printer column whose path leads to no field, or that client-go cannot read",
        why="kubectl get shows an empty column",
        fix="correct the path; the finding names the fields that exist",
        check=_missing,
    ),
    Rule(
        id="column-type",
        theme=THEME,
        level=Level.WARNING,
        finds="a printer column whose type does not fit its field",
        why="kubectl get shows an empty column, or <invalid> for a date",
        fix="write the type of the field",
        check=_types,
    ),
    Rule(
        id="scale-path",
        theme=THEME,
        level=Level.ERROR,
        finds="a path of the scale subresource to no field, or to one of another type",
        why="kubectl scale and autoscalers fail, or read 0 replicas",
        fix="name an integer, and a string for the label selector",
        check=_scale,
    ),
    Rule(
        id="selectable-type",
        theme=THEME,
        level=Level.ERROR,
        finds="a selectable field that leads nowhere, or is no string, boolean or integer",
        why="the API server refuses the CRD",
        fix="name a scalar",
        check=_selectable,
    ),
)
