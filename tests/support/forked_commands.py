"""The console scripts, run in forks of a process that has imported them: a command takes 20 ms.

A program reads calls and writes outcomes, a line of JSON each: a fork of pytest itself would take
its threads along.
"""

import base64
import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any, Literal, Self, TypeAlias

ROOT = pathlib.Path(__file__).parents[2]
TIMEOUT_SECONDS = 300
_LOOK_SECONDS = 0.05

Program: TypeAlias = Literal["schemagen", "webhooks", "agentctl", "devcluster", "runner"]
Output: TypeAlias = Literal["pipe", "closed", "full"]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a command ended; a code below 0 is the signal that ended it.

    Attributes:
        code: Its exit code.
        out: What it has written to standard output.
        err: Likewise to standard error.
        was_stopped: Whether it had begun to serve, and was ended by SIGTERM.
    """

    code: int
    out: str
    err: str
    was_stopped: bool = False


class Commands:
    """Runs commands one after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-B", "-m", "tests.support.forked_commands"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(TIMEOUT_SECONDS)
        self._process.stdout.close()

    def run(
        self,
        program: Program,
        *arguments: str,
        cwd: pathlib.Path,
        stdin: bytes = b"",
        stdout: Output = "pipe",
        environment: Mapping[str, str] | None = None,
        serving: str | None = None,
    ) -> Outcome:
        """Run a command to its end.

        Args:
            program: Which.
            *arguments: Its arguments.
            cwd: Where.
            stdin: What it reads.
            stdout: What its output is: a file that is kept, a pipe that nobody reads any more, or a
                disk that is full.
            environment: More variables.
            serving: What a command says once it serves; it is ended by SIGTERM then.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        call = {
            "program": program,
            "arguments": arguments,
            "cwd": str(cwd),
            "stdin": base64.b64encode(stdin).decode(),
            "stdout": stdout,
            "environment": dict(environment or {}),
            "serving": serving,
        }
        self._process.stdin.write(f"{json.dumps(call)}\n")
        self._process.stdin.flush()
        return Outcome(**json.loads(self._process.stdout.readline()))


def main() -> None:
    """Answer calls until there are no more."""
    mains = _mains()
    for line in sys.stdin:
        print(json.dumps(_answer(mains, json.loads(line))), flush=True)  # noqa: T201 - the answer


def _mains() -> Mapping[str, Callable[[], object]]:
    """Import the commands, and what they import when they run."""
    import wasmtime  # noqa: F401, PLC0415 - only in the process

    import controllers.devcluster.__main__ as devcluster  # noqa: PLC0415 - likewise
    import controllers.runner.__main__ as runner  # noqa: PLC0415 - likewise
    import crds  # noqa: F401, PLC0415 - likewise
    from controllers.agentctl import cli as agentctl  # noqa: PLC0415 - likewise
    from schemagen import checking, judge  # noqa: F401, PLC0415 - likewise
    from schemagen.cli import commands as schemagen  # noqa: PLC0415 - likewise
    from webhooks import cli as webhooks  # noqa: PLC0415 - likewise

    return {
        "schemagen": schemagen.main,
        "webhooks": webhooks.main,
        "agentctl": agentctl.main,
        "devcluster": lambda: sys.exit(devcluster.main()),
        "runner": lambda: sys.exit(runner.main()),
    }


def _answer(mains: Mapping[str, Callable[[], object]], call: dict[str, Any]) -> dict[str, Any]:
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        _output(call["stdout"], out.fileno()) as descriptor,
    ):
        given.write(base64.b64decode(call["stdin"]))
        given.seek(0)
        pid = os.fork()
        if pid == 0:
            _become(mains[call["program"]], call, (given.fileno(), descriptor, err.fileno()))
        was_stopped = call["serving"] is not None and _stopped(pid, call["serving"], (out, err))
        code = _ended(pid)
        texts = [_text(file) for file in (out, err)]
    return {"code": code, "out": texts[0], "err": texts[1], "was_stopped": was_stopped}


def _stopped(pid: int, serving: str, files: Sequence[IO[bytes]]) -> bool:
    """Wait until a command has ended, or serves and is told to stop."""
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if any(serving in _text(file) for file in files):
            os.kill(pid, signal.SIGTERM)
            return True
        time.sleep(_LOOK_SECONDS)
    return False


def _text(file: IO[bytes]) -> str:
    """What is in a file that another process writes, whose position stays."""
    size = os.fstat(file.fileno()).st_size
    return os.pread(file.fileno(), size, 0).decode(errors="replace")


@contextlib.contextmanager
def _output(what: Output, kept: int) -> Iterator[int]:
    if what == "pipe":
        yield kept
        return
    if what == "full":
        with pathlib.Path("/dev/full").open("wb", buffering=0) as full:
            yield full.fileno()
        return
    reading, writing = os.pipe()
    os.close(reading)
    try:
        yield writing
    finally:
        os.close(writing)


def _become(command: Callable[[], object], call: dict[str, Any], files: Sequence[int]) -> None:
    """Be the command in the fork, and end as its process would."""
    for number, descriptor in enumerate(files):
        os.dup2(descriptor, number)
    signal.alarm(TIMEOUT_SECONDS)
    os.chdir(call["cwd"])
    os.environ.update(call["environment"])
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - what it had read ahead is gone
    sys.argv = [call["program"], *call["arguments"]]
    code: Any = 0
    try:
        command()
    except SystemExit as error:
        code = error.code
    except BaseException:  # noqa: BLE001 - what the interpreter would show
        traceback.print_exc()
        code = 1
    try:
        sys.stdout.flush()
    except OSError:
        traceback.print_exc()
        code = 120
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    main()
