"""The workspace: its layout, and access to its files. Shell: reads and writes files.

The layout is part of the runner's contract (docs/runner.md); changes require a new version.
"""

import contextlib
import dataclasses
import errno
import functools
import os
import pathlib
import stat
from collections.abc import Callable, Mapping
from typing import IO, Final

from controllers.runner import errors

LAYOUT: Final = "agents.proompteng.ai/workspace/v1"

POD_ROOT: Final = pathlib.PurePosixPath("/workspace")
"""The workspace of a pod. Specs use such paths, which are mapped to the actual workspace."""

# A ConfigMap with a pod's files is limited to 1 MiB; a file of the `local` runtime may be larger.
MAX_INPUT_BYTES: Final = 4 * 1024 * 1024

# Errors of renaming onto a file that is a mount point, as the kubelet's termination message, or in
# a directory created for such a mount by another user.
_IN_PLACE: Final = {errno.EBUSY, errno.EACCES, errno.EPERM, errno.EXDEV, errno.EROFS}


@dataclasses.dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace and its fixed paths.

    Attributes:
        root: Working directory of the agent.
        folder: Directory of the runner's own files; None for ``.agent`` in it.
    """

    root: pathlib.Path
    folder: pathlib.Path | None = None

    @property
    def own(self) -> pathlib.Path:
        """Directory of the runner's own files."""
        return self.folder or self.root / ".agent"

    @property
    def status_path(self) -> pathlib.Path:
        """The runner's status."""
        return self.own / "status.json"

    @property
    def log_path(self) -> pathlib.Path:
        """The agent's output."""
        return self.own / "runner.log"

    @property
    def layout_path(self) -> pathlib.Path:
        """The version of the workspace's layout."""
        return self.own / "layout"

    @property
    def loop_control_path(self) -> pathlib.Path:
        """The agent's control file for its loop."""
        return self.root / ".agentrun/loop-control.json"

    @property
    def run_path(self) -> pathlib.Path:
        """The run."""
        return self.root / "run.json"

    @property
    def spec_path(self) -> pathlib.Path:
        """The runner's spec, if written by a controller."""
        return self.root / "agent-runner.json"

    def at(self, path: str) -> pathlib.Path:
        """Map a path of the spec: below our root, unless it is another absolute path."""
        pure = pathlib.PurePosixPath(path)
        return self.root / (pure.relative_to(POD_ROOT) if pure.is_relative_to(POD_ROOT) else pure)

    def inside(self, path: str) -> pathlib.Path:
        """Map a path of the spec, resolving symlinks.

        Raises:
            OutsideError: It is outside of the workspace.
        """
        if "\0" in path:
            raise errors.OutsideError(f"expected a path, got NUL in {errors.quoted(path)}")
        real = pathlib.Path(os.path.realpath(self.at(path)))
        if not path or not real.is_relative_to(os.path.realpath(self.root)):
            raise errors.OutsideError(
                f"expected a path inside the workspace {self.root}, got {errors.quoted(path)}"
            )
        return real


def of(environment: Mapping[str, str]) -> Workspace:
    """Return the workspace from AGENT_WORKSPACE, or a pod's.

    Raises:
        UsageError: It, or AGENT_RUNNER_FOLDER, is no absolute path.
    """
    folder = _absolute(environment, "AGENT_RUNNER_FOLDER")
    return Workspace(_absolute(environment, "AGENT_WORKSPACE") or pathlib.Path(POD_ROOT), folder)


def _absolute(environment: Mapping[str, str], name: str) -> pathlib.Path | None:
    """Return the path in a variable; None if unset or empty."""
    path = environment.get(name) or ""
    if path and not path.startswith("/"):
        raise errors.UsageError(f"expected an absolute path in {name}, got {errors.quoted(path)}")
    return pathlib.Path(path) if path else None


def prepare(workspace: Workspace) -> None:
    """Create the workspace if needed, and record its layout.

    Raises:
        OutputError: It cannot be created.
    """
    try:
        workspace.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(workspace.root, error) from error
    # Directories created by a mount may belong to another user; these files are optional.
    with contextlib.suppress(OSError):
        workspace.loop_control_path.parent.mkdir(exist_ok=True)
    with contextlib.suppress(OSError):
        workspace.layout_path.parent.mkdir(exist_ok=True)
        workspace.layout_path.write_text(f"{LAYOUT}\n")


def read(path: pathlib.Path) -> bytes:
    """Read a file.

    Raises:
        InputError: It cannot be read, or is too large.
    """
    return _bounded(path, path.open)


def read_regular(path: pathlib.Path) -> bytes:
    """Read a file that an agent created, but no pipe, which may never end.

    Raises:
        InputError: It cannot be read, is no regular file, or is too large.
    """
    return _bounded(path, functools.partial(_open_regular, path))


def _open_regular(path: pathlib.Path, mode: str) -> IO[bytes]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    # os.fdopen fails for a directory.
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise errors.InputError(f"expected a regular file at {path}, got another type of file")
    return os.fdopen(descriptor, mode)


def _bounded(path: pathlib.Path, opening: Callable[[str], IO[bytes]]) -> bytes:
    try:
        with opening("rb") as file:
            data = file.read(MAX_INPUT_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise errors.InputError(f"could not read {path}: {reason}") from error
    if len(data) > MAX_INPUT_BYTES:
        raise errors.InputError(f"expected at most {MAX_INPUT_BYTES} bytes in {path}, got more")
    return data


def write(path: pathlib.Path, data: bytes) -> None:
    """Write a file, creating its parent directories.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise _unwritable(path, error) from error


def publish(
    path: pathlib.Path,
    data: bytes,
    *,
    replace: Callable[[pathlib.Path, pathlib.Path], object] = os.replace,
) -> None:
    """Write a file atomically.

    If that is not possible, it is written in place: the kubelet mounts the termination message as a
    file, and reads it after the container's end.

    Raises:
        OutputError: It cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        if error.errno not in _IN_PLACE:
            raise _unwritable(path, error) from error
        write(path, data)


def forget(path: pathlib.Path) -> None:
    """Truncate a file if it exists: an earlier run's content must not be mistaken for ours."""
    with contextlib.suppress(OSError):
        os.truncate(path, 0)


def remove(path: pathlib.Path) -> None:
    """Remove a file if it exists, such as from an earlier agent in a shared workspace."""
    with contextlib.suppress(OSError):
        path.unlink()


def _unwritable(path: pathlib.Path, error: OSError) -> errors.OutputError:
    return errors.OutputError(f"could not write {path}: {error.strerror}")
