"""Evaluates loop conditions outside the controller's process. Shell: processes."""

import asyncio
import functools
import pathlib
import sys
from typing import Final

import msgspec

from controllers.runs.runtimes.base import Code, RuntimeFault
from controllers.runs.runtimes.workflow import condition_child
from controllers.runs.runtimes.workflow.loops import ConditionError, Question

# CEL's runtime takes 31 MB; an ordinary condition takes little more, and milliseconds.
MEMORY_BYTES: Final = 256 * 1024 * 1024
CPU_SECONDS: Final = 2
DEADLINE_SECONDS: Final = 30.0
# Concurrency limit: users' conditions may use only a part of the machine.
MAX_PROCESSES: Final = 2
_CHILD: Final = str(pathlib.Path(condition_child.__file__))


class _Answer(msgspec.Struct):
    value: bool | None = None
    error: str = ""


_answer: Final = msgspec.json.Decoder(_Answer)


@functools.cache
def _turns(loop: asyncio.AbstractEventLoop) -> asyncio.Semaphore:
    del loop
    return asyncio.Semaphore(MAX_PROCESSES)


async def evaluate(question: Question) -> bool:
    """Return whether a condition holds.

    Raises:
        ConditionError: It cannot be evaluated, or not within the limits.
        RuntimeFault: No process could be started.
    """
    async with _turns(asyncio.get_running_loop()):
        output = await _evaluate(question)
    try:
        answer = _answer.decode(output)
    except msgspec.MsgspecError:
        answer = _Answer(error=_BEYOND)
    if answer.value is None:
        raise ConditionError(f"condition {question.excerpt!r}: {answer.error}")
    return answer.value


_BEYOND: Final = (
    f"expected a result within {MEMORY_BYTES // 1024**2} MiB of memory and {CPU_SECONDS} s, "
    "got none: simplify the condition"
)


async def _evaluate(question: Question) -> bytes:
    """Return the output of the process; empty if the limits ended it."""
    command = (sys.executable, "-I", _CHILD, str(MEMORY_BYTES), str(CPU_SECONDS))
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
        )
    except OSError as error:
        raise RuntimeFault(
            Code.RETRYABLE, f"expected to start a process for a condition: {error.strerror}"
        ) from error
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            output, _ = await process.communicate(question.encoded())
            return output
    except TimeoutError:
        return b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
