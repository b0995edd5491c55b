"""What ends the agent-runner, each with an exit code of its own; the message is one line.

::

    RunnerError
    |-- UsageError        64   how the runner was started: the command line or a variable
    |-- SpecError         65   what agent-runner.json or run.json says
    |   `-- OutsideError  65   a path that leads out of the workspace
    |-- InputError        66   a file that is named cannot be read
    |-- OutputError       73   a file cannot be written
    |-- PromptError       78   the system prompt is missing, or is not the expected one
    |-- StartError       126   the agent's program cannot be executed
    `-- NotFoundError    127   the agent's program does not exist

64 to 78 are those of sysexits.h, 126 and 127 those of a shell.
The message goes to standard error and into status.json: whoever wrote the provider reads it.
"""

from typing import Any, ClassVar, TypeAlias

JSON: TypeAlias = Any
"""What stands in a JSON document."""

MAX_QUOTED = 256


class RunnerError(Exception):
    """The agent was not run."""

    exit_code: ClassVar[int]


class UsageError(RunnerError):
    """The command line or a variable of the runner's own is wrong."""

    exit_code = 64


class SpecError(RunnerError):
    """agent-runner.json or run.json is wrong."""

    exit_code = 65


class OutsideError(SpecError):
    """A path leads out of the workspace."""


class InputError(RunnerError):
    """A file cannot be read."""

    exit_code = 66


class OutputError(RunnerError):
    """A file cannot be written."""

    exit_code = 73


class PromptError(RunnerError):
    """The system prompt is missing, or not the one that is expected."""

    exit_code = 78


class StartError(RunnerError):
    """The agent's program cannot be executed."""

    exit_code = 126


class NotFoundError(RunnerError):
    """The agent's program does not exist."""

    exit_code = 127


def quoted(text: str) -> str:
    """Return a text as it may stand in a message: on one line, and not too long."""
    cut = text if len(text) <= MAX_QUOTED else f"{text[: MAX_QUOTED - 1]}…"
    return repr(cut)
