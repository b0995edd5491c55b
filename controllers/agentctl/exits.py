"""With which exit code ``agentctl`` ends, and what it says of an error. Pure."""

import enum
from collections.abc import Iterator
from typing import Final

from controllers import kube

_BAD_REQUEST: Final = 400


class Exit(enum.IntEnum):
    """The exit codes of all commands that talk to a cluster."""

    OK = 0
    NOT_AS_WISHED = 1
    """All was asked and answered; the answer is not the one that was hoped for."""
    WRONG = 2
    """Wrong input, or a conflict with what is there."""
    API = 3
    """The Kubernetes API could not be reached, or does not let this user do it."""
    TIMEOUT = 4
    INTERNAL_ERROR = 70
    """A bug (EX_SOFTWARE of sysexits.h); as of all programs here: ``schemagen.commandline``."""
    INTERRUPTED = 130
    """Ctrl-C, as shells say it: 128 and the signal's number."""


class CommandError(Exception):
    """Ends a command; its message is for the user: what was expected, what came, what to do."""

    def __init__(self, message: str, code: Exit = Exit.WRONG) -> None:
        super().__init__(message)
        self.code = code


def code_of(error: Exception) -> Exit:
    """The exit code that an error means."""
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
    """Whether it is the object that was refused, and not the user: by a webhook or a policy."""
    # k8s.io/apiserver v0.37: admission/plugin/webhook/errors, admission/plugin/policy/validating.
    return "denied the request" in error.message or "denied request" in error.message


def lines_of(error: Exception) -> Iterator[str]:
    """What is said of an error: a sentence, and a line for each field that is at fault."""
    causes = error.causes if isinstance(error, kube.ApiError) else ()
    if not causes:
        yield str(error)
        return
    # The API server's sentence holds the causes once more, all in one line.
    told = [f"{one.field}: {one.message}" if one.field else one.message for one in causes]
    head, _, _ = str(error).partition(told[0])
    yield head.rstrip(": [") or str(error)
    for line in told:
        yield f"  {line}"
