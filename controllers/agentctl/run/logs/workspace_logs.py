"""Logs of runs that the local runtime executes on this machine. Shell: their workspaces."""

import contextlib
import os
import pathlib
import stat
from collections.abc import Callable, Iterator
from typing import Final

from controllers.agentctl.exits import CommandError
from controllers.agentctl.run.logs import pod_logs
from controllers.agentctl.run.logs.pod_logs import LogSelection
from controllers.runs import naming, projections
from controllers.runs.runtimes.base import RuntimeFault
from controllers.runs.runtimes.local import workspaces
from schemagen import files

# Output of the runner itself is not in the workspace.
LOG: Final = pathlib.PurePath(".agent", "runner.log")
_CHUNK: Final = 1024 * 1024


def folder_of(run: projections.Run, noted: pathlib.Path | None) -> pathlib.Path | None:
    """Return the directory in which this machine executed a run; None if it did not.

    Args:
        run: The run.
        noted: Directory in which it executes all runs of the cluster, if known.
    """
    if noted is not None:
        return noted
    root = files.state_directory() / "workspaces"
    with contextlib.suppress(RuntimeFault, OSError):
        if any(place.exists() for _, place in places(root, run, LogSelection(*run.key))):
            return root
    return None


def workspaces_of(run: projections.Run, noted: pathlib.Path | None) -> list[pathlib.Path]:
    """Return the workspaces on this machine of a run's latest attempt."""
    root = folder_of(run, noted)
    if root is None:
        return []
    with contextlib.suppress(RuntimeFault, OSError):
        return [
            place.workspace
            for _, place in places(root, run, LogSelection(*run.key))
            if place.exists()
        ]
    return []


def places(
    root: pathlib.Path, run: projections.Run, which: LogSelection
) -> Iterator[tuple[str, workspaces.Place]]:
    """Yield step and workspace of each selected log; the step is empty if a step was selected.

    Raises:
        CommandError: The workspaces of the attempt are no longer known.
        RuntimeFault: A name is invalid.
    """
    latest = max(run.status.attempt, 1)
    attempt, selected = which.attempt or latest, which.step
    namespace = run.metadata.namespace
    steps = (run.status.workflow or {}).get("steps") or ()
    if not steps and not selected:
        yield "", workspaces.place(root, namespace, naming.of_key(f"{run.metadata.uid}/{attempt}"))
        return
    if attempt != latest:
        raise CommandError(
            f"expected --attempt {latest} of a workflow, got {attempt}: the workspaces of "
            "earlier attempts are no longer known"
        )
    for status in steps:
        name = (status.get("jobRef") or {}).get("name")
        if name and selected in {"", status.get("name")}:
            step = "" if selected else str(status.get("name"))
            yield step, workspaces.place(root, namespace, str(name))


class Workspaces:
    """Logs in the workspaces below a directory.

    Args:
        root: As for ``agentctl controller --workspaces``.
        which: Selects the logs.
        write: Writes output.

    Raises:
        CommandError: The directory does not exist.
    """

    def __init__(
        self, root: pathlib.Path, which: LogSelection, write: Callable[[bytes], None]
    ) -> None:
        if not root.is_dir():
            raise CommandError(
                f"expected the directory of `agentctl controller --runtime local --workspaces` at "
                f"{root}, got none"
            )
        self._root, self._which, self._write = root, which, write
        self._read: dict[pathlib.Path, int] = {}
        self._rests: dict[pathlib.Path, tuple[str, bytes]] = {}
        self.place = f"workspaces below {root}"

    async def show(self, run: projections.Run) -> bool:
        """Print the logs one after the other."""
        return await self.finish(run)

    async def follow(self, run: projections.Run) -> None:
        """Print the complete lines written since the last call."""
        for step, path in self._logs(run):
            self._show_new(path, step)

    async def finish(self, run: projections.Run) -> bool:
        """Print the rest."""
        await self.follow(run)
        for step, rest in self._rests.values():
            self._write(pod_logs.prefixed(rest, step))
        return bool(self._read)

    def _logs(self, run: projections.Run) -> Iterator[tuple[str, pathlib.Path]]:
        """Yield step and path of each log that may exist."""
        try:
            for step, place in places(self._root, run, self._which):
                yield step, place.workspace / LOG
        except RuntimeFault as error:
            raise CommandError(error.message) from error

    def _show_new(self, path: pathlib.Path, step: str) -> None:
        for data in self._chunks(path):
            _, before = self._rests.get(path, (step, b""))
            whole, newline, rest = (before + data).rpartition(b"\n")
            self._rests[path] = step, rest
            self._write(pod_logs.prefixed(whole + newline, step))

    def _chunks(self, path: pathlib.Path) -> Iterator[bytes]:
        """Yield the new contents of a file; symlinks and pipes made by an agent are ignored."""
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            # os.fdopen fails for a directory.
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                return
            with os.fdopen(descriptor, "rb") as file:
                file.seek(self._read.setdefault(path, 0))
                while data := file.read(_CHUNK):
                    self._read[path] += len(data)
                    yield data
