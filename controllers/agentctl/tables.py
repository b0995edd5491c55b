"""Text tables, and rendering of meta.k8s.io/v1 Table. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from controllers import kube

ACCEPT: Final = "application/json;as=Table;v=v1;g=meta.k8s.io"
_GAP: Final = "   "
_NONE: Final = "<none>"


def text(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format columns as kubectl does: left aligned, three spaces apart, no trailing spaces."""
    lines = [head, *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    return "\n".join(
        _GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def shown(pages: Sequence[kube.JSON], *, is_wide: bool, with_namespace: bool) -> str:
    """Format the pages of a Table as text; empty if there are no rows.

    Args:
        pages: Of one list.
        is_wide: Whether to include columns with a priority above 0.
        with_namespace: Whether to include a namespace column.
    """
    rows = [row for page in pages for row in page.get("rows") or ()]
    if not rows:
        return ""
    definitions = pages[0]["columnDefinitions"]
    chosen = [
        at
        for at, definition in enumerate(definitions)
        if is_wide or not int(definition.get("priority") or 0)
    ]
    head = [str(definitions[at]["name"]).upper() for at in chosen]
    lines = [[_cell(row["cells"][at]) for at in chosen] for row in rows]
    if with_namespace:
        head.insert(0, "NAMESPACE")
        for line, row in zip(lines, rows, strict=True):
            line.insert(0, _cell(row["object"]["metadata"].get("namespace")))
    return text(head, lines)


def _cell(value: Any) -> str:
    if value is None or value == "":
        return _NONE
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(str(value).splitlines())
