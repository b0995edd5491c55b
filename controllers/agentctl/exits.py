"""Exit codes and error output of ``agentctl``. Pure."""

import enum
from collections.abc import Iterator
from typing import Final

from controllers import kube

_BAD_REQUEST: Final = 400


class Exit(enum.IntEnum):
    """The exit codes of all commands that access a cluster."""

    OK = 0
    UNSATISFIED = 1
    """The command worked, but the state is not the desired one."""
    WRONG = 2
    """Invalid input, or a conflict with existing objects."""
    API = 3
    """The Kubernetes API is unreachable, or denies access."""
    TIMEOUT = 4
    INTERNAL_ERROR = 70
    """A bug (EX_SOFTWARE of sysexits.h); same as ``schemagen.cli.frame``."""
    INTERRUPTED = 130
    """Ctrl-C: 128 and the signal's number, as shells report it."""


class CommandError(Exception):
    """Ends a command; the message is for the user: what was expected, what came, what to do."""

    def __init__(self, message: str, code: Exit = Exit.WRONG) -> None:
        super().__init__(message)
        self.code = code


def code_of(error: Exception) -> Exit:
    """Return the exit code for an error."""
    match error:
        case CommandError():
            return error.code
        case kube.InvalidError() | kube.ConflictError() | kube.AlreadyExistsError():
            return Exit.WRONG
        case kube.AddressError():
            return Exit.WRONG
        case kube.ApiError() if error.code == _BAD_REQUEST or is_refusal(error):
            return Exit.WRONG
        case kube.KubeError():
            return Exit.API
        case _:
            return Exit.WRONG


def is_refusal(error: kube.ApiError) -> bool:
    """Return whether the object was rejected, by a webhook or a policy, rather than the user."""
    # k8s.io/apiserver v0.37: admission/plugin/webhook/errors, admission/plugin/policy/validating.
    return "denied the request" in error.message or "denied request" in error.message


def lines_of(error: Exception) -> Iterator[str]:
    """Yield the lines to print for an error: a sentence, then a line for each invalid field."""
    causes = error.causes if isinstance(error, kube.ApiError) else ()
    if not causes:
        yield str(error)
        return
    # The API server's message repeats the causes, all on one line.
    problems = [
        f"{cause.field}: {cause.message}" if cause.field else cause.message for cause in causes
    ]
    head, _, _ = str(error).partition(problems[0])
    yield head.rstrip(": [") or str(error)
    for line in problems:
        yield f"  {line}"
