"""The archive of deleted runs. Shell: files; the interface is ``Archive``.

::

    DIRECTORY/lock                            held by the writer
    DIRECTORY/NAMESPACE/YYYY-MM-DD.jsonl.gz   {archivedAt, run} per line; the day of archivedAt
"""

import contextlib
import dataclasses
import datetime as dt
import fcntl
import io
import itertools
import logging
import os
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, TypedDict, Unpack

import msgspec

from controllers import kube
from controllers.kube import JSON
from controllers.runs import projections
from controllers.runs.retention import archive_files, retention_policy
from schemagen import canonical, files

_SUFFIX: Final = ".jsonl.gz"
_SEGMENT: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_SLACK: Final = dt.timedelta(days=1)
_log = logging.getLogger(__name__)


class ArchiveError(Exception):
    """Runs could not be archived, or the archive not be read; for the operator."""


@dataclasses.dataclass(frozen=True, slots=True)
class Archived:
    """A run at the time of its deletion.

    Attributes:
        at: Time of archiving.
        run: The complete object without managedFields.
    """

    at: dt.datetime
    run: JSON


class Filters(TypedDict, total=False):
    """Filters of archived runs; absent or None matches any."""

    namespace: str | None
    agent: str | None
    phase: str | None
    name: str | None
    uid: str | None
    since: dt.datetime | None
    """Ended at or after this time."""
    until: dt.datetime | None
    """Ended before this time."""


class Archive(Protocol):
    """Stores runs that are deleted from the cluster."""

    def append(self, runs: Sequence[JSON]) -> None:
        """Store runs durably. Called from a thread.

        A run may be stored twice, after a crash before its deletion.

        Raises:
            ArchiveError: They are not stored durably.
        """

    def query(self, *, limit: int | None = None, **filters: Unpack[Filters]) -> Iterator[Archived]:
        """Yield archived runs, newest first; each once, in its last version.

        Raises:
            ArchiveError: The archive cannot be read.
        """

    def trim(self) -> int:
        """Delete parts beyond the archive's own retention; return how many.

        Raises:
            ArchiveError: Deletion failed.
        """


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Retention of an archive; None keeps all. Whole days are deleted, never today.

    Attributes:
        age: Maximum age.
        size_bytes: Maximum size of all files.
    """

    age: dt.timedelta | None = None
    size_bytes: int | None = None


def days_to_delete(sizes: Mapping[dt.date, int], today: dt.date, keep: Keep) -> list[dt.date]:
    """Return the days to delete, oldest first. Pure.

    Args:
        sizes: Bytes per day.
        today: Never deleted.
        keep: The retention.
    """
    chosen, left = [], sum(sizes.values())
    for day in sorted(sizes):
        is_old = keep.age is not None and today - day > keep.age
        is_beyond = keep.size_bytes is not None and left > keep.size_bytes
        if day < today and (is_old or is_beyond):
            chosen.append(day)
            left -= sizes[day]
    return chosen


class FileArchive:
    """An archive in a directory, with one writer at a time.

    Args:
        directory: Created if needed.
        keep: The retention.
        now: Aware UTC time.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        keep: Keep | None = None,
        *,
        now: Callable[[], dt.datetime] = kube.utc_now,
    ) -> None:
        self._directory, self._keep, self._now = directory, keep or Keep(), now
        # Last written file of each namespace, and its length.
        self._known: dict[str, tuple[pathlib.Path, int]] = {}

    def append(self, runs: Sequence[JSON]) -> None:
        """Append runs, as one member per namespace."""
        now = self._now().astimezone(dt.UTC)
        lines: dict[str, list[bytes]] = {}
        for run in runs:
            lines.setdefault(_namespace(run), []).append(_line(run, now))
        with self._locked():
            for namespace, entries in lines.items():
                self._add(namespace, now.date(), archive_files.member(b"".join(entries)))

    def query(self, *, limit: int | None = None, **filters: Unpack[Filters]) -> Iterator[Archived]:
        """See ``query``."""
        return query(self._directory, limit=limit, **filters)

    def trim(self) -> int:
        """Delete days; return how many."""
        if self._keep == Keep():
            return 0
        with self._locked():
            sizes: dict[dt.date, int] = {}
            for path, day in _files(self._directory):
                sizes[day] = sizes.get(day, 0) + path.stat().st_size
            gone = days_to_delete(sizes, self._now().astimezone(dt.UTC).date(), self._keep)
            for path, day in [*_files(self._directory)]:
                if day in gone:
                    path.unlink()
        return len(gone)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the writer lock; failures become ``ArchiveError``."""
        try:
            if not self._directory.is_dir():
                self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                files.sync_directory(self._directory.parent)
            with archive_files.open_private(
                self._directory / "lock", os.O_RDWR | os.O_CREAT
            ) as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise ArchiveError(
                        f"expected to be the only writer of {self._directory}, got another: the "
                        "previous leader is still running, or two controllers share it"
                    ) from error
                yield
        except OSError as error:
            raise ArchiveError(f"could not write the archive {self._directory}: {error}") from error

    def _add(self, namespace: str, day: dt.date, member: bytes) -> None:
        """Write a member atomically, and sync it to disk."""
        folder = self._directory / namespace
        path = folder / f"{day}{_SUFFIX}"
        folder.mkdir(mode=0o700, exist_ok=True)
        start = self._start(namespace, path)
        with archive_files.open_private(path, os.O_RDWR | os.O_CREAT) as file:
            try:
                file.seek(start)
                archive_files.write_synced(file, member)
            except OSError:
                # The caller was not told that it is durable. If this fails too, the next write cuts
                # it off.
                self._known.pop(namespace, None)
                with contextlib.suppress(OSError):
                    file.truncate(start)
                raise
        if self._known.get(namespace, (None, 0))[0] != path:
            # A file's existence is durable only once its directory is synced, whoever created it.
            for each in (folder, self._directory):
                files.sync_directory(each)
        self._known[namespace] = path, start + len(member)

    def _start(self, namespace: str, path: pathlib.Path) -> int:
        """Return the offset of the next member; an incomplete last member is removed first."""
        known, end = self._known.get(namespace, (None, 0))
        size = path.stat().st_size if path.exists() else 0
        if known == path and end == size:
            return size
        for each in {*sorted(path.parent.glob(f"*{_SUFFIX}"))[-1:], path}:
            if each.exists():
                archive_files.truncate_torn(each)
        return path.stat().st_size if path.exists() else 0


def query(
    directory: pathlib.Path,
    *,
    limit: int | None = None,
    say: Callable[[str], None] = _log.warning,
    **filters: Unpack[Filters],
) -> Iterator[Archived]:
    """Yield archived runs: newest day first, within a day by namespace, there newest first.

    Holds one batch at a time in memory, and the UIDs of matching runs to skip duplicates.

    Args:
        directory: Of a ``FileArchive``, which may be writing to it.
        limit: Maximum number of runs.
        say: Called with a message for each damaged part, which is skipped.
        filters: Filters.

    Raises:
        ArchiveError: The archive cannot be read at all.
    """
    try:
        matches = _matching(directory, filters, say)
        # Stop at the limit: the next match may be years back.
        yield from matches if limit is None else itertools.islice(matches, limit)
    except OSError as error:
        raise ArchiveError(f"could not read the archive {directory}: {error}") from error


# ------------------------------------------------------------------------------------- writing


def _namespace(run: JSON) -> str:
    namespace = str(run["metadata"].get("namespace"))
    if not _SEGMENT.fullmatch(namespace):
        raise ArchiveError(f"expected a run with a valid namespace, got {namespace[:64]!r}")
    return namespace


def _line(run: JSON, now: dt.datetime) -> bytes:
    metadata = {name: value for name, value in run["metadata"].items() if name != "managedFields"}
    entry = {"archivedAt": kube.time_text(now), "run": {**run, "metadata": metadata}}
    try:
        return canonical.dumps(entry) + b"\n"
    except RecursionError as error:
        name = run["metadata"].get("name")
        raise ArchiveError(f"expected run {name!r} to be nested less deeply: {error}") from error


# ------------------------------------------------------------------------------------- reading


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    agent_ref: projections.NameRef = projections.NameRef()


class _Run(kube.Projection, frozen=True):
    """The searchable fields of an archived run."""

    spec: _Spec = _Spec()
    status: retention_policy.Status = retention_policy.Status()


class _Entry(msgspec.Struct, frozen=True, rename="camel"):
    """The searchable fields of a line."""

    archived_at: dt.datetime
    run: _Run


class _Content(msgspec.Struct, frozen=True):
    """The content of a matching line."""

    run: dict[str, Any]


_entry = msgspec.json.Decoder(_Entry)
_content = msgspec.json.Decoder(_Content)


def _matching(
    directory: pathlib.Path, filters: Filters, say: Callable[[str], None]
) -> Iterator[Archived]:
    seen: set[str] = set()
    for path in _chosen_files(directory, filters.get("namespace"), filters.get("since")):
        for line, entry in _entries(path, say):
            # Identity never changes, so only lines of the same run can repeat it.
            uid = entry.run.metadata.uid
            if not _matches_identity(entry.run, filters) or uid in seen:
                continue
            seen.add(uid)
            if _matches_state(entry.run, filters):
                yield Archived(entry.archived_at, _content.decode(line).run)
            if filters.get("uid"):
                return


def _chosen_files(
    directory: pathlib.Path, namespace: str | None, since: dt.datetime | None
) -> Iterator[pathlib.Path]:
    """Yield the files to read, in order."""
    if not directory.is_dir():
        raise ArchiveError(f"expected an archive at {directory}, which is not a directory")
    if namespace is not None and not _SEGMENT.fullmatch(namespace):
        raise ArchiveError(f"expected a namespace name, got {namespace[:64]!r}")
    # No run is archived before it ends; clocks may differ.
    first = since.astimezone(dt.UTC).date() - _SLACK if since else dt.date.min
    days, namespaces = set(), set()
    for path, day in _files(directory, namespace or "*"):
        if day >= first:
            days.add(path.name)
            namespaces.add(path.parent)
    for day_name in sorted(days, reverse=True):
        yield from (folder / day_name for folder in sorted(namespaces))


def _files(directory: pathlib.Path, namespace: str = "*") -> Iterator[tuple[pathlib.Path, dt.date]]:
    """Yield all files of an archive, and their days."""
    for path in directory.glob(f"{namespace}/*{_SUFFIX}"):
        with contextlib.suppress(ValueError):
            yield path, dt.datetime.strptime(path.name, f"%Y-%m-%d{_SUFFIX}").date()  # noqa: DTZ007 - a date


def _entries(path: pathlib.Path, say: Callable[[str], None]) -> Iterator[tuple[bytes, _Entry]]:
    """Yield the lines of a file, newest first."""
    try:
        file = io.FileIO(path)
    except FileNotFoundError:
        return  # no runs of the namespace that day, or just deleted
    with file:
        for span in reversed([*archive_files.spans(file)]):
            data = archive_files.read(file, span)
            if data is None:
                say(
                    f"{path}: skipping {span.length} incomplete bytes at byte {span.start}: "
                    "damaged, or an interrupted or in-flight write"
                )
                continue
            for line in reversed(data.splitlines()):
                try:
                    yield line, _entry.decode(line)
                except (msgspec.MsgspecError, RecursionError) as error:
                    say(f"{path}: skipping a line at byte {span.start}: {error}")


def _matches_identity(run: _Run, filters: Filters) -> bool:
    given = (
        (filters.get("name"), run.metadata.name),
        (filters.get("uid"), run.metadata.uid),
        (filters.get("agent"), run.spec.agent_ref.name),
    )
    return all(expected is None or expected == actual for expected, actual in given)


def _matches_state(run: _Run, filters: Filters) -> bool:
    phase, since, until = filters.get("phase"), filters.get("since"), filters.get("until")
    at = retention_policy.ended_at(run.metadata, run.status)
    return (
        (phase is None or phase == run.status.phase)
        and (since is None or at >= since)
        and (until is None or at < until)
    )
