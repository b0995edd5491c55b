"""The directories of work on this machine: creation, access, deletion. Shell: files.

::

    ROOT/NAMESPACE/run-HASH/started.json     {pid, stamp, at}: its process, see launch
                            cancelled.json   {at}: it must not start, or must end
                            ended.json       {at, exitCode?, error?}
                            kept.json        {seconds}: the run's own retention
                            output.log       output of the runner
                            workspace/       /workspace of a pod
                            root/            all its other paths
    ROOT/NAMESPACE/claims/NAME/              a claim, which is kept

A directory is created and deleted atomically: it is filled under another name (``.new-``).
"""

import contextlib
import dataclasses
import datetime as dt
import errno
import itertools
import os
import pathlib
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from controllers.runs import json_access
from controllers.runs.runtimes import reports
from controllers.runs.runtimes.base import JSON, Code, RuntimeFault
from controllers.runs.runtimes.local import launch
from controllers.runs.runtimes.local.container_environment import ROOT, is_private
from schemagen.files import make_private

_MAX_BYTES: Final = 1024 * 1024
_SEGMENT: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_KEPT: Final = "kept.json"
_NEW, _OLD, _ODD = ".new-", ".old-", ".odd-"
_MAX_SKEW: Final = dt.timedelta(hours=1)
_LONG_AGO: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Initial contents of a workspace; all paths are absolute, as in a pod.

    Attributes:
        files: Path and content.
        folders: Empty directories.
        claims: Path and name of persistent claims.
        workspace: The shared workspace, as in ``container_environment.Surroundings``.
        kept_seconds: Its own retention after the end; None for the default.
    """

    files: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    folders: Sequence[str] = ()
    claims: Mapping[str, str] = dataclasses.field(default_factory=dict)
    workspace: str = ""
    kept_seconds: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Started:
    """The process of the work, and its start."""

    pid: int
    stamp: str
    at: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True)
class Ended:
    """The end of the process, as far as observed."""

    at: dt.datetime
    exit_code: int | None = None
    error: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A directory, as input of ``to_delete``.

    Attributes:
        path: Its path.
        ended: When its work ended, or was cancelled before its start; None while it may run.
        size_bytes: Of all its files.
        age: Its run's own retention; None for the default.
    """

    path: pathlib.Path
    ended: dt.datetime | None
    size_bytes: int
    age: dt.timedelta | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Retention limits of ended work.

    Attributes:
        age: Maximum age.
        count: Maximum number of directories.
        size_bytes: Maximum total size.
        least_age: Minimum age, beyond any limit: a late submission must find its work.
    """

    age: dt.timedelta = dt.timedelta(days=7)
    count: int = 1000
    size_bytes: int = 10 * 1024**3
    least_age: dt.timedelta = dt.timedelta(hours=1)


def to_delete(entries: Iterable[Entry], now: dt.datetime, limits: Limits) -> list[Entry]:
    """Return the directories to delete, oldest first. Pure; excludes work that may run."""
    ended = [(_past(each.ended, now), each) for each in entries if each.ended is not None]
    newest_first = sorted(ended, key=lambda pair: (pair[0], str(pair[1].path)), reverse=True)
    chosen, size_bytes = [], 0
    for rank, (at, entry) in enumerate(newest_first):
        size_bytes += entry.size_bytes
        is_beyond = rank >= limits.count or size_bytes > limits.size_bytes
        if now - at > (entry.age or limits.age) or (is_beyond and now - at > limits.least_age):
            chosen.append(entry)
    return chosen[::-1]


def _past(at: dt.datetime, now: dt.datetime) -> dt.datetime:
    """Return when work ended; times in the future, written by an agent, count as expired."""
    return at if at <= now + _MAX_SKEW else _LONG_AGO


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """The directory of a piece of work, which may not exist."""

    path: pathlib.Path

    @property
    def workspace(self) -> pathlib.Path:
        """The ``/workspace`` of a pod."""
        return self.path / launch.WORKSPACE

    def exists(self) -> bool:
        """Return whether the directory exists; if so, it is complete."""
        return self.path.is_dir()

    def started(self) -> Started | None:
        """Return its process, if it was started."""
        record = _read(self.path / launch.STARTED)
        if record is None:
            return None
        return Started(_int(record.get("pid")) or 0, str(record.get("stamp", "")), _time(record))

    def cancelled(self) -> dt.datetime | None:
        """Return when it was cancelled."""
        record = _read(self.path / launch.CANCELLED)
        return None if record is None else _time(record)

    def ended(self) -> Ended | None:
        """Return how it ended, once observed."""
        record = _read(self.path / launch.ENDED)
        if record is None:
            return None
        error = reports.clean(str(record.get("error") or ""))
        return Ended(_time(record), _int(record.get("exitCode")), error)

    def report(self) -> dict[str, JSON] | None:
        """Return the runner's report, if there is one."""
        data = _bounded(self.workspace / ".agent" / "status.json")
        return None if data is None else reports.read(data)

    def run(self) -> str:
        """Return the name of its run, from ``run.json``; empty if missing."""
        said = (_read(self.workspace / "run.json") or {}).get("agentRun")
        return str(said.get("name") or "") if isinstance(said, dict) else ""

    def make(self, contents: Contents) -> None:
        """Create the directory, unless it exists."""
        with self._emerging() as new:
            for folder in (launch.WORKSPACE, "root"):
                (new / folder).mkdir()
            if contents.kept_seconds is not None:
                launch.publish(new / _KEPT, {"seconds": contents.kept_seconds})
            shared = self.shared(contents.workspace)
            for path, content in contents.files.items():
                _write(_at(new, path, shared), content, is_new=shared is None)
            for path in contents.folders:
                _at(new, path, shared).mkdir(parents=True, exist_ok=True)
            for path, name in contents.claims.items():
                target = self._claim(name)
                target.mkdir(parents=True, exist_ok=True)
                link = _at(new, path)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(target, target_is_directory=True)

    def shared(self, workspace: str) -> pathlib.Path | None:
        """Return the directory of a shared workspace; None without one."""
        if not workspace:
            return None
        name, _, part = workspace.partition("/")
        # Always below the claim.
        below = os.path.normpath(f"/{part}").lstrip("/")
        folder = self._claim(name) / below
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _claim(self, name: str) -> pathlib.Path:
        return self.path.parent / "claims" / segment(name)

    def bury(self, now: dt.datetime) -> None:
        """Record that the work must not start, or must end; the first call determines the time."""
        said = {"at": now.isoformat()}
        if not self.exists():
            with self._emerging() as new:
                launch.publish(new / launch.CANCELLED, said)
        _publish(self.path / launch.CANCELLED, said)

    def settle(self, ended: Ended) -> None:
        """Record how it ended, unless recorded before."""
        said = {"at": ended.at.isoformat(), "exitCode": ended.exit_code, "error": ended.error}
        _publish(self.path / launch.ENDED, said)

    def entry(self) -> Entry:
        """Return the input of ``to_delete``."""
        ended, started = self.ended(), self.started()
        at = ended.at if ended else None
        if started is None:
            # A submission that was killed before starting anything leaves only the directory.
            at = self.cancelled() or _made(self.path)
        return Entry(self.path, at, _size_bytes(self.path), self._age())

    def _age(self) -> dt.timedelta | None:
        seconds = _int((_read(self.path / _KEPT) or {}).get("seconds"))
        return None if seconds is None else dt.timedelta(seconds=seconds)

    @contextlib.contextmanager
    def _emerging(self) -> Iterator[pathlib.Path]:
        """Yield a new directory that is renamed to this one when filled, unless that exists."""
        make_private(self.path.parent)
        new = pathlib.Path(tempfile.mkdtemp(prefix=_NEW, dir=self.path.parent))
        try:
            yield new
            _give_name(new, self.path)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def place(root: pathlib.Path, namespace: str, name: str) -> Place:
    """Return the directory of a piece of work."""
    return Place(root / segment(namespace) / segment(name))


def places(root: pathlib.Path) -> list[Place]:
    """Return all directories of work."""
    return [Place(path) for path in sorted(root.glob("*/run-*"))]


def delete(path: pathlib.Path) -> None:
    """Delete a directory atomically."""
    old = path.with_name(f"{_OLD}{path.name}.{os.urandom(4).hex()}")
    with contextlib.suppress(FileNotFoundError):
        path.rename(old)
        _remove(old)


def delete_debris(root: pathlib.Path, before: dt.datetime) -> None:
    """Delete remains of directories whose creation or deletion was interrupted."""
    for path in (*root.glob(f"*/{_NEW}*"), *root.glob(f"*/{_OLD}*")):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < before.timestamp():
                _remove(path)


def segment(name: str) -> str:
    """Check that a name is a single path segment.

    Raises:
        RuntimeFault: It is not.
    """
    if not _SEGMENT.fullmatch(name):
        raise RuntimeFault(
            Code.TERMINAL, f"expected a Kubernetes name for a directory, got {name[:64]!r}"
        )
    return name


def _give_name(new: pathlib.Path, path: pathlib.Path) -> None:
    """Rename a directory, unless the target exists, which is never empty."""
    try:
        new.rename(path)
    except OSError as error:
        if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
            raise


def _at(folder: pathlib.Path, path: str, shared: pathlib.Path | None = None) -> pathlib.Path:
    """Map a path of a pod; always below the directory, or below the shared one."""
    pure = pathlib.PurePosixPath(os.path.normpath(f"/{path.lstrip('/')}"))
    if not pure.is_relative_to(ROOT):
        return folder / "root" / pure.relative_to("/")
    own = folder / launch.WORKSPACE
    place = own if shared is None or is_private(str(pure)) else shared
    return place / pure.relative_to(ROOT)


def _write(path: pathlib.Path, content: bytes, *, is_new: bool = True) -> None:
    """Write a file; in a shared workspace, replace an existing one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not is_new:
        path.unlink(missing_ok=True)
    # It may contain a secret.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _publish(path: pathlib.Path, value: JSON) -> None:
    """Write a file of ours unless it exists; move other kinds of files out of the way."""
    if launch.publish(path, value) or _bounded(path) is not None:
        return
    with contextlib.suppress(OSError):
        path.rename(path.with_name(f"{_ODD}{path.name}.{os.urandom(4).hex()}"))
    launch.publish(path, value)


def _read(path: pathlib.Path) -> dict[str, Any] | None:
    """Read a file of ours, which may be empty after a power failure.

    An agent runs as the same user, and may have overwritten it: the content is not trusted.
    """
    data = _bounded(path)
    return None if data is None else reports.read(data) or {}


def _bounded(path: pathlib.Path) -> bytes | None:
    """Read a file up to a limit; None if it is no regular file. Agents may have replaced it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    # os.fdopen fails for a directory.
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(_MAX_BYTES)


def _time(record: Mapping[str, Any]) -> dt.datetime:
    return json_access.instant(record.get("at")) or _LONG_AGO


def _int(value: JSON) -> int | None:
    """Return a number in the range of a PID or an exit code."""
    return value if type(value) is int and abs(value) < 2**31 else None


def _made(path: pathlib.Path) -> dt.datetime:
    return dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)


def _size_bytes(path: pathlib.Path) -> int:
    """Return the size of all files below a directory, ignoring paths that are too long."""
    total, pending = 0, [os.fspath(path)]
    while pending:
        for entry in _entries(pending.pop()):
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def _remove(path: pathlib.Path) -> None:
    """Remove a directory with anything that an agent may have created in it.

    To handle read-only directories and nesting beyond the limits of paths or recursion, each
    subdirectory is moved beside the first one before its contents are listed.
    """
    count, pending = itertools.count(), [path]
    while pending:
        folder = pending.pop()
        for entry in _entries(folder):
            with contextlib.suppress(OSError):
                if not entry.is_dir(follow_symlinks=False):
                    pathlib.Path(entry.path).unlink()
                    continue
                beside = path.with_name(f"{path.name}.{next(count)}")
                pathlib.Path(entry.path).chmod(0o700)
                pathlib.Path(entry.path).rename(beside)
                pending.append(beside)
        with contextlib.suppress(OSError):
            folder.rmdir()


def _entries(folder: str | pathlib.Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [*entries]
    except OSError:
        return []
