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

# What the runner itself prints, beside the log of its agent, is in no log of a workspace.
LOG: Final = pathlib.PurePath(".agent", "runner.log")
_CHUNK: Final = 1024 * 1024


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
            for step, name in self._folders(run):
                place = workspaces.place(self._root, run.metadata.namespace, name)
                yield step, place.workspace / LOG
        except RuntimeFault as error:
            raise CommandError(error.message) from error

    def _folders(self, run: views.Run) -> Iterator[tuple[str, str]]:
        latest = max(run.status.attempt, 1)
        attempt, wanted = self._which.attempt or latest, self._which.step
        steps = (run.status.workflow or {}).get("steps") or ()
        if not steps and not wanted:
            yield "", naming.of_key(f"{run.metadata.uid}/{attempt}")
            return
        if attempt != latest:
            raise CommandError(
                f"expected --attempt {latest} of a workflow, got {attempt}: which workspaces "
                "earlier ones had is not known any more"
            )
        for one in steps:
            name = (one.get("jobRef") or {}).get("name")
            if name and wanted in {"", one.get("name")}:
                yield "" if wanted else str(one.get("name")), str(name)

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
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return
                file.seek(self._read.setdefault(path, 0))
                while data := file.read(_CHUNK):
                    self._read[path] += len(data)
                    yield data
