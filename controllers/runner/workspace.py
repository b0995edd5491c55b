"""The workspace: where things are in it, and what may be written. Shell: reads and writes files.

The layout is part of the runner's contract (docs/runner.md); what changes it gets a new version.
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
"""The workspace of a pod. Specs are written for it, so such a path means ours wherever we are."""

# A ConfigMap, which holds the files in a pod, has at most 1 MiB; a file of the `local` runtime
# may be somewhat larger.
MAX_INPUT_BYTES: Final = 4 * 1024 * 1024

# What renaming onto a file fails with that is mounted by itself, as kubelet does with the
# termination message, or in a folder that was made for such a mount by another user.
_IN_PLACE: Final = {errno.EBUSY, errno.EACCES, errno.EPERM, errno.EXDEV, errno.EROFS}


@dataclasses.dataclass(frozen=True, slots=True)
class Workspace:
    """A folder and the fixed places in it.

    Attributes:
        root: Where the agent works.
        folder: Of the runner's own files, where that is not ``.agent`` in it.
    """

    root: pathlib.Path
    folder: pathlib.Path | None = None

    @property
    def own(self) -> pathlib.Path:
        """Where the runner's own files are."""
        return self.folder or self.root / ".agent"

    @property
    def status_path(self) -> pathlib.Path:
        """What the runner says at its end."""
        return self.own / "status.json"

    @property
    def log_path(self) -> pathlib.Path:
        """What the agent printed."""
        return self.own / "runner.log"

    @property
    def layout_path(self) -> pathlib.Path:
        """Which layout the workspace has."""
        return self.own / "layout"

    @property
    def loop_control_path(self) -> pathlib.Path:
        """What the agent may say about another iteration of its loop."""
        return self.root / ".agentrun/loop-control.json"

    @property
    def run_path(self) -> pathlib.Path:
        """The run."""
        return self.root / "run.json"

    @property
    def spec_path(self) -> pathlib.Path:
        """The spec of the runner, where a controller writes it."""
        return self.root / "agent-runner.json"

    def at(self, path: str) -> pathlib.Path:
        """Return where a path of the spec is: under our root, unless it is another absolute one."""
        pure = pathlib.PurePosixPath(path)
        return self.root / (pure.relative_to(POD_ROOT) if pure.is_relative_to(POD_ROOT) else pure)

    def inside(self, path: str) -> pathlib.Path:
        """Return where a path of the spec is, with links followed.

        Raises:
            OutsideError: That is not in the workspace.
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
    """Return the workspace that AGENT_WORKSPACE names, or a pod's.

    Raises:
        UsageError: It, or AGENT_RUNNER_FOLDER, names no absolute path.
    """
    folder = _absolute(environment, "AGENT_RUNNER_FOLDER")
    return Workspace(_absolute(environment, "AGENT_WORKSPACE") or pathlib.Path(POD_ROOT), folder)


def _absolute(environment: Mapping[str, str], name: str) -> pathlib.Path | None:
    """The path that a variable names; None where it is not set, or empty."""
    path = environment.get(name) or ""
    if path and not path.startswith("/"):
        raise errors.UsageError(f"expected an absolute path in {name}, got {errors.quoted(path)}")
    return pathlib.Path(path) if path else None


def prepare(workspace: Workspace) -> None:
    """Make the workspace, as far as that is left to do, and say which layout it has.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        workspace.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(workspace.root, error) from error
    # Folders that a mount has made may belong to another user; nothing of this is necessary.
    with contextlib.suppress(OSError):
        workspace.loop_control_path.parent.mkdir(exist_ok=True)
    with contextlib.suppress(OSError):
        workspace.layout_path.parent.mkdir(exist_ok=True)
        workspace.layout_path.write_text(f"{LAYOUT}\n")


def read(path: pathlib.Path) -> bytes:
    """Return what is in a file.

    Raises:
        InputError: It cannot be read, or is larger than anything that is meant.
    """
    return _bounded(path, path.open)


def read_regular(path: pathlib.Path) -> bytes:
    """Return what is in a file that an agent left: nothing that is a pipe, which may never end.

    Raises:
        InputError: It cannot be read, is no regular file, or is larger than anything that is meant.
    """
    return _bounded(path, functools.partial(_open_regular, path))


def _open_regular(path: pathlib.Path, mode: str) -> IO[bytes]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    # Before there is a file object: of a folder there is none.
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise errors.InputError(f"expected a regular file at {path}, got something else")
    return os.fdopen(descriptor, mode)


def _bounded(path: pathlib.Path, opening: Callable[[str], IO[bytes]]) -> bytes:
    try:
        with opening("rb") as file:
            data = file.read(MAX_INPUT_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise errors.InputError(f"could not read {path}: {reason}") from error
    if len(data) > MAX_INPUT_BYTES:
        raise errors.InputError(
            f"expected at most {MAX_INPUT_BYTES} bytes in {path}, got more than that"
        )
    return data


def write(path: pathlib.Path, data: bytes) -> None:
    """Write a file, and the folders above it.

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
    """Write a file so that others see it whole or not at all.

    Where that cannot be, it is written in place: kubelet mounts the termination message as a file,
    and reads it when the container has ended.

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
    """Empty a file if it is there: what an earlier run said in it must not be taken for ours."""
    with contextlib.suppress(OSError):
        os.truncate(path, 0)


def remove(path: pathlib.Path) -> None:
    """Remove a file if it is there, as what an earlier agent left in a shared workspace."""
    with contextlib.suppress(OSError):
        path.unlink()


def _unwritable(path: pathlib.Path, error: OSError) -> errors.OutputError:
    return errors.OutputError(f"could not write {path}: {error.strerror}")
