"""What ``agentctl archive`` does: searches the archive of deleted runs. Shell: its files."""

import datetime as dt
import itertools
import json
import pathlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal

from controllers import kube
from controllers.agentctl import session, tables
from controllers.agentctl.exits import Exit
from controllers.runs import archive
from controllers.runs.archive import Archived
from schemagen.versions import steps

Output = Literal["table", "json", "jsonl"]
_COLUMNS: Final = ("NAMESPACE", "NAME", "AGENT", "PHASE", "REASON", "ENDED", "ARCHIVED")
# A table is as wide as its widest row, of all that are in memory.
_ROWS_AT_ONCE: Final = 1000


def list_runs(
    directory: pathlib.Path, wanted: Mapping[str, str | None], limit: int | None, output: Output
) -> Exit:
    """List runs; the exit code.

    Args:
        directory: Of the archive.
        wanted: The filters, as ``archive.Filters``, but times as they were written.
        limit: How many at most.
        output: How to show them.
    """
    try:
        found = _found(directory, wanted, limit)
        match output:
            case "table":
                _table(found)
            case "json":
                _array(found)
            case "jsonl":
                _lines(found)
    except (archive.ArchiveError, ValueError) as error:
        return _complained(str(error), Exit.WRONG)
    return Exit.OK


def show_run(directory: pathlib.Path, wanted: Mapping[str, str | None], output: Output) -> Exit:
    """Show the run that was archived last; the exit code."""
    try:
        found = next(_found(directory, wanted, 1), None)
    except (archive.ArchiveError, ValueError) as error:
        return _complained(str(error), Exit.WRONG)
    if found is None:
        asked = ", ".join(f"{name} {value}" for name, value in wanted.items() if value)
        return _complained(
            f"expected a run with {asked} in {directory}, got none", Exit.NOT_AS_WISHED
        )
    match output:
        case "table":
            _fields(found)
        case "json":
            session.show(_text(found, indent=2))
        case "jsonl":
            _lines([found])
    return Exit.OK


def when(text: str, now: dt.datetime) -> dt.datetime:
    """An instant as users write it: RFC 3339, a day, or how long ago. Pure.

    Raises:
        ValueError: It is none of these.
    """
    ago = steps.seconds_of(text)
    try:
        found = now - dt.timedelta(seconds=ago) if ago else dt.datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError(
            "expected an instant such as 2026-01-31, 2026-01-31T12:00:00Z, or 36h for 36 hours "
            f"ago, got {text[:64]!r}"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _found(
    directory: pathlib.Path, wanted: Mapping[str, str | None], limit: int | None
) -> Iterator[Archived]:
    now = kube.utc_now()
    times = {name: when(text, now) for name in ("since", "until") if (text := wanted.get(name))}
    return archive.query(
        directory,
        limit=limit,
        say=session.complain,
        namespace=wanted.get("namespace"),
        agent=wanted.get("agent"),
        phase=wanted.get("phase"),
        name=wanted.get("name"),
        uid=wanted.get("uid"),
        since=times.get("since"),
        until=times.get("until"),
    )


def _complained(message: str, code: Exit) -> Exit:
    session.complain(message)
    return code


# --- showing ------------------------------------------------------------------------------------


def _table(found: Iterator[Archived]) -> None:
    """Tables of some rows each, so that a long list needs no memory."""
    head: list[tuple[str, ...]] = [_COLUMNS]
    while rows := [_row(one) for one in itertools.islice(found, _ROWS_AT_ONCE)]:
        first, *others = [*head, *rows]
        session.show(tables.text(first, others))
        head = []
    if head:
        session.complain("no run was found")


def _row(one: Archived) -> tuple[str, ...]:
    said = _said(one)
    return tuple(said[name.capitalize()] for name in _COLUMNS)


def _fields(one: Archived) -> None:
    for name, value in _said(one).items():
        if value:
            session.show(f"{name + ':':<11}{value}")


def _said(one: Archived) -> dict[str, str]:
    metadata, status = one.run["metadata"], one.run.get("status") or {}
    agent = ((one.run.get("spec") or {}).get("agentRef") or {}).get("name")
    # As retention counts it.
    ended = status.get("completionTime") or status.get("lastUpdateTime")
    values = {
        "Name": metadata.get("name"),
        "Namespace": metadata.get("namespace"),
        "Uid": metadata.get("uid"),
        "Agent": agent,
        "Phase": status.get("phase"),
        "Reason": status.get("reason"),
        "Message": status.get("message"),
        "Created": metadata.get("creationTimestamp"),
        "Started": status.get("startTime"),
        "Ended": ended or metadata.get("creationTimestamp"),
        "Archived": _time(one.at),
    }
    return {name: _plain(str(value or "")) for name, value in values.items()}


def _plain(text: str) -> str:
    """A text in one line that cannot steer a terminal: an agent may have written it."""
    return "".join(one if one.isprintable() else " " for one in text)


def _array(found: Iterable[Archived]) -> None:
    """A JSON array, of which one item is in memory at a time."""
    before = "[\n"
    for one in found:
        sys.stdout.write(before + _text(one, indent=2))
        before = ",\n"
    sys.stdout.write("[]\n" if before == "[\n" else "\n]\n")


def _lines(found: Iterable[Archived]) -> None:
    for one in found:
        session.show(_text(one))


def _text(one: Archived, indent: int | None = None) -> str:
    value = {"archivedAt": _time(one.at), "run": one.run}
    return json.dumps(value, indent=indent, ensure_ascii=False)


def _time(when: dt.datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"
