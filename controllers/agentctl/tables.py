"""Text in columns, and the API server's own tables (meta.k8s.io/v1 Table). Pure."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from controllers import kube

ACCEPT: Final = "application/json;as=Table;v=v1;g=meta.k8s.io"
_GAP: Final = "   "
_NONE: Final = "<none>"


def text(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as kubectl writes them: left aligned, three blanks apart, none at the end."""
    lines = [head, *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    return "\n".join(
        _GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def shown(pages: Sequence[kube.JSON], *, is_wide: bool, with_namespace: bool) -> str:
    """The pages of a Table as text; empty where they have no rows.

    Args:
        pages: Of one listing.
        is_wide: Whether columns are shown that the API server gives a lower priority.
        with_namespace: Whether rows say in which namespace they are.
    """
    rows = [row for page in pages for row in page.get("rows") or ()]
    if not rows:
        return ""
    definitions = pages[0]["columnDefinitions"]
    chosen = [
        at for at, one in enumerate(definitions) if is_wide or not int(one.get("priority") or 0)
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
