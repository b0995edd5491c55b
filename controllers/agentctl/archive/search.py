"""Implements ``agentctl archive``: searches the archive of deleted runs. Shell: its files."""

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
from controllers.runs.retention import archive
from controllers.runs.retention.archive import Archived
from schemagen.versions import durations

Output = Literal["table", "json", "jsonl"]
_COLUMNS: Final = ("NAMESPACE", "NAME", "AGENT", "PHASE", "REASON", "ENDED", "ARCHIVED")
# A table is as wide as its widest row, so all its rows are held in memory.
_ROWS_PER_TABLE: Final = 1000


def list_runs(
    directory: pathlib.Path, filters: Mapping[str, str | None], limit: int | None, output: Output
) -> Exit:
    """List runs; return the exit code.

    Args:
        directory: Archive directory.
        filters: As ``archive.Filters``, but with unparsed times.
        limit: Maximum number of runs.
        output: Output format.
    """
    try:
        runs = _found(directory, filters, limit)
        match output:
            case "table":
                _table(runs)
            case "json":
                _array(runs)
            case "jsonl":
                _lines(runs)
    except (archive.ArchiveError, ValueError) as error:
        return _complained(str(error), Exit.WRONG)
    return Exit.OK


def show_run(directory: pathlib.Path, filters: Mapping[str, str | None], output: Output) -> Exit:
    """Show the most recently archived run; return the exit code."""
    try:
        run = next(_found(directory, filters, 1), None)
    except (archive.ArchiveError, ValueError) as error:
        return _complained(str(error), Exit.WRONG)
    if run is None:
        criteria = ", ".join(f"{name} {value}" for name, value in filters.items() if value)
        return _complained(
            f"expected a run with {criteria} in {directory}, got none", Exit.UNSATISFIED
        )
    match output:
        case "table":
            _fields(run)
        case "json":
            session.show(_text(run, indent=2))
        case "jsonl":
            _lines([run])
    return Exit.OK


def when(text: str, now: dt.datetime) -> dt.datetime:
    """Parse an RFC 3339 time, a date, or a duration before ``now``. Pure.

    Raises:
        ValueError: The text is none of these.
    """
    ago = durations.seconds_of(text)
    try:
        time = now - dt.timedelta(seconds=ago) if ago else dt.datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError(
            "expected a time such as 2026-01-31, 2026-01-31T12:00:00Z, or 36h for 36 hours "
            f"ago, got {text[:64]!r}"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=dt.UTC)


def _found(
    directory: pathlib.Path, filters: Mapping[str, str | None], limit: int | None
) -> Iterator[Archived]:
    now = kube.utc_now()
    times = {name: when(text, now) for name in ("since", "until") if (text := filters.get(name))}
    return archive.query(
        directory,
        limit=limit,
        say=session.complain,
        namespace=filters.get("namespace"),
        agent=filters.get("agent"),
        phase=filters.get("phase"),
        name=filters.get("name"),
        uid=filters.get("uid"),
        since=times.get("since"),
        until=times.get("until"),
    )


def _complained(message: str, code: Exit) -> Exit:
    session.complain(message)
    return code


# --- showing ------------------------------------------------------------------------------------


def _table(runs: Iterator[Archived]) -> None:
    """Print tables of a bounded number of rows, so that a long list needs no memory."""
    head: list[tuple[str, ...]] = [_COLUMNS]
    while rows := [_row(run) for run in itertools.islice(runs, _ROWS_PER_TABLE)]:
        first, *others = [*head, *rows]
        session.show(tables.text(first, others))
        head = []
    if head:
        session.complain("no archived runs found")


def _row(entry: Archived) -> tuple[str, ...]:
    fields = _said(entry)
    return tuple(fields[name.capitalize()] for name in _COLUMNS)


def _fields(entry: Archived) -> None:
    for name, value in _said(entry).items():
        if value:
            session.show(f"{name + ':':<11}{value}")


def _said(entry: Archived) -> dict[str, str]:
    metadata, status = entry.run["metadata"], entry.run.get("status") or {}
    agent = ((entry.run.get("spec") or {}).get("agentRef") or {}).get("name")
    # The same time as retention uses.
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
        "Archived": _time(entry.at),
    }
    return {name: _plain(str(value or "")) for name, value in values.items()}


def _plain(text: str) -> str:
    """Return a single line without terminal control characters: agents are untrusted."""
    return "".join(character if character.isprintable() else " " for character in text)


def _array(runs: Iterable[Archived]) -> None:
    """Print a JSON array with one item in memory at a time."""
    before = "[\n"
    for entry in runs:
        sys.stdout.write(before + _text(entry, indent=2))
        before = ",\n"
    sys.stdout.write("[]\n" if before == "[\n" else "\n]\n")


def _lines(runs: Iterable[Archived]) -> None:
    for entry in runs:
        session.show(_text(entry))


def _text(entry: Archived, indent: int | None = None) -> str:
    value = {"archivedAt": _time(entry.at), "run": entry.run}
    return json.dumps(value, indent=indent, ensure_ascii=False)


def _time(when: dt.datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"
