"""The folders of work that runs on this machine: made, read, swept. Shell: files.

::

    ROOT/NAMESPACE/run-HASH/started.json     {pid, stamp, at}: who runs it, see launch
                            cancelled.json   {at}: it must not start, or is to end
                            ended.json       {at, exitCode?, error?}
                            kept.json        {seconds}: how long it is kept, where the run says
                            output.log       what the runner printed
                            workspace/       /workspace of a pod
                            root/            all its other paths
    ROOT/NAMESPACE/claims/NAME/              a claim: it stays

A folder appears whole, because it is filled under another name (``.new-``), and goes away whole.
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

from controllers.runs import values
from controllers.runs.runtimes import launch, reports
from controllers.runs.runtimes.base import JSON, Code, RuntimeFault
from controllers.runs.runtimes.pods import ROOT, is_private
from schemagen.files import make_private

_MOST_BYTES: Final = 1024 * 1024
_SEGMENT: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_KEPT: Final = "kept.json"
_NEW, _OLD, _ODD = ".new-", ".old-", ".odd-"
_MAX_SKEW: Final = dt.timedelta(hours=1)
_LONG_AGO: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What is in a workspace from the first; all paths are absolute, as in a pod.

    Attributes:
        files: Path and content.
        folders: Empty ones.
        claims: Path and name of what stays.
        workspace: What steps share, as ``pods.Surroundings`` has it.
        kept_seconds: How long all of it is kept after its end; None is as by default.
    """

    files: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    folders: Sequence[str] = ()
    claims: Mapping[str, str] = dataclasses.field(default_factory=dict)
    workspace: str = ""
    kept_seconds: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Started:
    """Who runs the work, since when."""

    pid: int
    stamp: str
    at: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True)
class Ended:
    """How its process ended, as far as anybody saw."""

    at: dt.datetime
    exit_code: int | None = None
    error: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A folder, as ``to_delete`` sees it.

    Attributes:
        path: Where it is.
        ended: When its work ended, or was cancelled before it began; None while it may run.
        size_bytes: Of all files in it.
        age: How long it is kept by its run's own word; None is as all others.
    """

    path: pathlib.Path
    ended: dt.datetime | None
    size_bytes: int
    age: dt.timedelta | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is kept of work that has ended.

    Attributes:
        age: How long.
        count: How many folders.
        size_bytes: Of all of them.
        least_age: However many there are: a late submission must find what it is about.
    """

    age: dt.timedelta = dt.timedelta(days=7)
    count: int = 1000
    size_bytes: int = 10 * 1024**3
    least_age: dt.timedelta = dt.timedelta(hours=1)


def to_delete(entries: Iterable[Entry], now: dt.datetime, limits: Limits) -> list[Entry]:
    """Which folders go, the oldest first. Pure; none goes whose work may run."""
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
    """When work ended; an agent that wrote of a time to come is not kept until then."""
    return at if at <= now + _MAX_SKEW else _LONG_AGO


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """The folder of one piece of work, which may not be there."""

    path: pathlib.Path

    @property
    def workspace(self) -> pathlib.Path:
        """What is ``/workspace`` in a pod."""
        return self.path / launch.WORKSPACE

    def exists(self) -> bool:
        """Whether there is such a folder; if so, it is complete."""
        return self.path.is_dir()

    def started(self) -> Started | None:
        """Who runs it, or ran it."""
        found = _read(self.path / launch.STARTED)
        if found is None:
            return None
        return Started(_int(found.get("pid")) or 0, str(found.get("stamp", "")), _time(found))

    def cancelled(self) -> dt.datetime | None:
        """Since when it is to end."""
        found = _read(self.path / launch.CANCELLED)
        return None if found is None else _time(found)

    def ended(self) -> Ended | None:
        """How it ended, once somebody has seen that."""
        found = _read(self.path / launch.ENDED)
        if found is None:
            return None
        error = reports.clean(str(found.get("error") or ""))
        return Ended(_time(found), _int(found.get("exitCode")), error)

    def report(self) -> dict[str, JSON] | None:
        """What the runner reported, if it did."""
        data = _bounded(self.workspace / ".agent" / "status.json")
        return None if data is None else reports.read(data)

    def run(self) -> str:
        """The name of the run that works there, by its ``run.json``; empty if that has none."""
        said = (_read(self.workspace / "run.json") or {}).get("agentRun")
        return str(said.get("name") or "") if isinstance(said, dict) else ""

    def make(self, contents: Contents) -> None:
        """Make the folder, unless it is there."""
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
        """The folder of a workspace that steps share; None where there is none."""
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
        """Say that the work must not start, or is to end; the first to say so gives the time."""
        said = {"at": now.isoformat()}
        if not self.exists():
            with self._emerging() as new:
                launch.publish(new / launch.CANCELLED, said)
        _publish(self.path / launch.CANCELLED, said)

    def settle(self, ended: Ended) -> None:
        """Say how it ended, unless that is said."""
        said = {"at": ended.at.isoformat(), "exitCode": ended.exit_code, "error": ended.error}
        _publish(self.path / launch.ENDED, said)

    def entry(self) -> Entry:
        """The folder as ``to_delete`` sees it."""
        ended, started = self.ended(), self.started()
        at = ended.at if ended else None
        if started is None:
            # Of a submission that was killed before it started anything only the folder is left.
            at = self.cancelled() or _made(self.path)
        return Entry(self.path, at, _size_bytes(self.path), self._age())

    def _age(self) -> dt.timedelta | None:
        seconds = _int((_read(self.path / _KEPT) or {}).get("seconds"))
        return None if seconds is None else dt.timedelta(seconds=seconds)

    @contextlib.contextmanager
    def _emerging(self) -> Iterator[pathlib.Path]:
        """A new folder that gets the name of this one when it is filled, unless that is taken."""
        make_private(self.path.parent)
        new = pathlib.Path(tempfile.mkdtemp(prefix=_NEW, dir=self.path.parent))
        try:
            yield new
            _give_name(new, self.path)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def place(root: pathlib.Path, namespace: str, name: str) -> Place:
    """The folder of a piece of work."""
    return Place(root / segment(namespace) / segment(name))


def places(root: pathlib.Path) -> list[Place]:
    """All folders of work."""
    return [Place(path) for path in sorted(root.glob("*/run-*"))]


def delete(path: pathlib.Path) -> None:
    """Delete a folder so that nobody sees a part of it."""
    old = path.with_name(f"{_OLD}{path.name}.{os.urandom(4).hex()}")
    with contextlib.suppress(FileNotFoundError):
        path.rename(old)
        _remove(old)


def delete_debris(root: pathlib.Path, before: dt.datetime) -> None:
    """Delete what was left of folders by processes that were killed while they made or deleted."""
    for path in (*root.glob(f"*/{_NEW}*"), *root.glob(f"*/{_OLD}*")):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < before.timestamp():
                _remove(path)


def segment(name: str) -> str:
    """A name that is one step of a path.

    Raises:
        RuntimeFault: It is none.
    """
    if not _SEGMENT.fullmatch(name):
        raise RuntimeFault(
            Code.TERMINAL, f"expected a name of Kubernetes for a folder, got {name[:64]!r}"
        )
    return name


def _give_name(new: pathlib.Path, path: pathlib.Path) -> None:
    """Rename a folder, unless there is one of that name, which is never empty."""
    try:
        new.rename(path)
    except OSError as error:
        if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
            raise


def _at(folder: pathlib.Path, path: str, shared: pathlib.Path | None = None) -> pathlib.Path:
    """Where a path of a pod is; always below the folder, or below the one that is shared."""
    pure = pathlib.PurePosixPath(os.path.normpath(f"/{path.lstrip('/')}"))
    if not pure.is_relative_to(ROOT):
        return folder / "root" / pure.relative_to("/")
    own = folder / launch.WORKSPACE
    place = own if shared is None or is_private(str(pure)) else shared
    return place / pure.relative_to(ROOT)


def _write(path: pathlib.Path, content: bytes, *, is_new: bool = True) -> None:
    """Write a file; in a workspace that steps share, another may have written it before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not is_new:
        path.unlink(missing_ok=True)
    # It may be a secret.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _publish(path: pathlib.Path, value: JSON) -> None:
    """Write a file of our own, unless it is there; what is there and is no file is put aside."""
    if launch.publish(path, value) or _bounded(path) is not None:
        return
    with contextlib.suppress(OSError):
        path.rename(path.with_name(f"{_ODD}{path.name}.{os.urandom(4).hex()}"))
    launch.publish(path, value)


def _read(path: pathlib.Path) -> dict[str, Any] | None:
    """A file of our own; after a power failure it may be there and empty.

    An agent runs as we do, and may have written over it: what is in it is believed as little.
    """
    data = _bounded(path)
    return None if data is None else reports.read(data) or {}


def _bounded(path: pathlib.Path) -> bytes | None:
    """What is in a file; None if there is none. An agent may have made it anything, or endless."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    # Before there is a file object: of a folder there is none.
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(_MOST_BYTES)


def _time(found: Mapping[str, Any]) -> dt.datetime:
    return values.instant(found.get("at")) or _LONG_AGO


def _int(value: JSON) -> int | None:
    """A number that a process, or its exit code, can have."""
    return value if type(value) is int and abs(value) < 2**31 else None


def _made(path: pathlib.Path) -> dt.datetime:
    return dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)


def _size_bytes(path: pathlib.Path) -> int:
    """Of all files below a folder, as far as their paths are not too long to be named."""
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
    """Remove a folder, whatever an agent has made in it.

    Folders that nobody may write to, and more levels than a path or the interpreter's stack can
    have: each folder is moved beside the first one before what is in it is looked at.
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
        with os.scandir(folder) as found:
            return [*found]
    except OSError:
        return []
