"""Logs of runs that the runtime `local` carries out on this machine. Shell: their workspaces."""

import contextlib
import os
import pathlib
import stat
from collections.abc import Callable, Iterator
from typing import Final

from controllers.agentctl import podlogs
from controllers.agentctl.exits import CommandError
from controllers.agentctl.podlogs import Which
from controllers.runs import naming, views
from controllers.runs.runtimes import workspaces
from controllers.runs.runtimes.base import RuntimeFault
from schemagen import files

# What the runner itself prints, beside the log of its agent, is in no log of a workspace.
LOG: Final = pathlib.PurePath(".agent", "runner.log")
_CHUNK: Final = 1024 * 1024


def folder_of(run: views.Run, noted: pathlib.Path | None) -> pathlib.Path | None:
    """The folder in which this machine carried a run out; None if it did not.

    Args:
        run: The run.
        noted: The folder in which it carries out all runs of the cluster, where that is known.
    """
    if noted is not None:
        return noted
    root = files.state_directory() / "workspaces"
    with contextlib.suppress(RuntimeFault, OSError):
        if any(place.exists() for _, place in places(root, run, Which(*run.key))):
            return root
    return None


def workspaces_of(run: views.Run, noted: pathlib.Path | None) -> list[pathlib.Path]:
    """The folders in which this machine carries out, or carried out, a run's latest attempt."""
    root = folder_of(run, noted)
    if root is None:
        return []
    with contextlib.suppress(RuntimeFault, OSError):
        return [
            place.workspace for _, place in places(root, run, Which(*run.key)) if place.exists()
        ]
    return []


def places(
    root: pathlib.Path, run: views.Run, which: Which
) -> Iterator[tuple[str, workspaces.Place]]:
    """Step and workspace of each log of a run that is asked for; the step is empty if it is named.

    Raises:
        CommandError: An attempt whose workspaces nobody knows any more.
        RuntimeFault: A name that is none.
    """
    latest = max(run.status.attempt, 1)
    attempt, wanted = which.attempt or latest, which.step
    namespace = run.metadata.namespace
    steps = (run.status.workflow or {}).get("steps") or ()
    if not steps and not wanted:
        yield "", workspaces.place(root, namespace, naming.of_key(f"{run.metadata.uid}/{attempt}"))
        return
    if attempt != latest:
        raise CommandError(
            f"expected --attempt {latest} of a workflow, got {attempt}: which workspaces "
            "earlier ones had is not known any more"
        )
    for one in steps:
        name = (one.get("jobRef") or {}).get("name")
        if name and wanted in {"", one.get("name")}:
            step = "" if wanted else str(one.get("name"))
            yield step, workspaces.place(root, namespace, str(name))


class Workspaces:
    """Logs in the workspaces below a folder.

    Args:
        root: As ``agentctl controller --workspaces`` has it.
        which: Which logs.
        write: Takes what is to be shown.

    Raises:
        CommandError: There is no such folder.
    """

    def __init__(self, root: pathlib.Path, which: Which, write: Callable[[bytes], None]) -> None:
        if not root.is_dir():
            raise CommandError(
                f"expected the folder of `agentctl controller --runtime local --workspaces` at "
                f"{root}, got none"
            )
        self._root, self._which, self._write = root, which, write
        self._read: dict[pathlib.Path, int] = {}
        self._rests: dict[pathlib.Path, tuple[str, bytes]] = {}
        self.place = f"workspaces below {root}"

    async def show(self, run: views.Run) -> bool:
        """Show the logs one after the other."""
        return await self.finish(run)

    async def follow(self, run: views.Run) -> None:
        """Show the whole lines that came since."""
        for step, path in self._logs(run):
            self._show_new(path, step)

    async def finish(self, run: views.Run) -> bool:
        """Show what is left."""
        await self.follow(run)
        for step, rest in self._rests.values():
            self._write(podlogs.prefixed(rest, step))
        return bool(self._read)

    def _logs(self, run: views.Run) -> Iterator[tuple[str, pathlib.Path]]:
        """Step and path of each log that may be there."""
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
            self._write(podlogs.prefixed(whole + newline, step))

    def _chunks(self, path: pathlib.Path) -> Iterator[bytes]:
        """What is new in a file. An agent may have made it a link or a pipe: that is no log."""
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            # Before there is a file object: of a folder there is none.
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                return
            with os.fdopen(descriptor, "rb") as file:
                file.seek(self._read.setdefault(path, 0))
                while data := file.read(_CHUNK):
                    self._read[path] += len(data)
                    yield data
