"""Errors of the agent-runner, each with its exit code; the message is one line.

::

    RunnerError
    |-- UsageError        64   invalid command line or environment variable
    |-- SpecError         65   invalid agent-runner.json or run.json
    |   `-- OutsideError  65   a path outside of the workspace
    |-- InputError        66   a file cannot be read
    |-- OutputError       73   a file cannot be written
    |-- PromptError       78   the system prompt is missing or differs from the expected one
    |-- StartError       126   the agent's program cannot be executed
    `-- NotFoundError    127   the agent's program does not exist

64 to 78 are those of sysexits.h, 126 and 127 those of a shell.
The message is printed to standard error and written to status.json, for the provider's author.
"""

from typing import Any, ClassVar, TypeAlias

JSON: TypeAlias = Any
"""A JSON value."""

MAX_QUOTED = 256


class RunnerError(Exception):
    """The agent was not run."""

    exit_code: ClassVar[int]


class UsageError(RunnerError):
    """The command line or an environment variable of the runner is invalid."""

    exit_code = 64


class SpecError(RunnerError):
    """agent-runner.json or run.json is invalid."""

    exit_code = 65


class OutsideError(SpecError):
    """A path is outside of the workspace."""


class InputError(RunnerError):
    """A file cannot be read."""

    exit_code = 66


class OutputError(RunnerError):
    """A file cannot be written."""

    exit_code = 73


class PromptError(RunnerError):
    """The system prompt is missing, or differs from the expected one."""

    exit_code = 78


class StartError(RunnerError):
    """The agent's program cannot be executed."""

    exit_code = 126


class NotFoundError(RunnerError):
    """The agent's program does not exist."""

    exit_code = 127


def quoted(text: str) -> str:
    """Quote a text for a message: on one line, with a limited length."""
    cut = text if len(text) <= MAX_QUOTED else f"{text[: MAX_QUOTED - 1]}…"
    return repr(cut)
