"""The adapter `exec`: writes files, runs a program to its end. Shell around `plan`."""

import dataclasses
import re
import signal
import time
from collections.abc import Callable, Mapping

from controllers.runner import errors, processes, spec, status, templates, workspace
from controllers.runner.adapters import context
from controllers.runner.errors import JSON

_VARIABLE = re.compile(r"[^=\0]+")


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """Command, variables and files with rendered templates."""

    command: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = dataclasses.field(repr=False)
    files: tuple[tuple[str, str], ...] = dataclasses.field(repr=False)


def plan(command: spec.Command, names: Mapping[str, JSON]) -> Plan:
    """Render the templates of a command.

    Raises:
        SpecError: A text contains NUL, or the name of a variable is invalid.
    """

    def fill(template: str) -> str:
        return templates.render(template, names)

    filled = Plan(
        (command.binary, *map(fill, command.args)),
        tuple((name, fill(value)) for name, value in command.variables),
        tuple((fill(file.path), fill(file.content)) for file in command.files),
    )
    for index, argument in enumerate(filled.command[1:]):
        _refuse_nul(argument, f"adapter.exec.args[{index}]")
    _refuse_nul(command.binary, "adapter.exec.binary")
    for name, value in filled.variables:
        if not _VARIABLE.fullmatch(name):
            raise errors.SpecError(
                "expected a variable name without = and NUL, got "
                f"{errors.quoted(name)}, at adapter.exec.env"
            )
        # Not the value: it may be a secret.
        _refuse_nul(value, f"adapter.exec.env.{name}")
    return filled


def _refuse_nul(text: str, where: str) -> None:
    if "\0" in text:
        raise errors.SpecError(f"expected text without NUL, got NUL, at {where}")


def run(settings: spec.Command, around: context.Context) -> status.Outcome:
    """Run the program to its end and return the outcome.

    Raises:
        RunnerError: It was not started.
    """
    todo = plan(settings, around.names)
    for path, content in todo.files:
        workspace.write(around.place.inside(path), content.encode())
    if around.signals.is_asked():
        return status.cancelled()
    with processes.Child(
        todo.command,
        directory=str(around.place.root),
        environment={**around.environment, **dict(todo.variables)},
        signals=around.signals,
    ) as child:
        code, is_cancelled = _watch(child, around)
    ended = status.ended(code, is_cancelled=is_cancelled)
    return dataclasses.replace(ended, binary=todo.command[0], args=todo.command[1:])


def _watch(
    child: processes.Child,
    around: context.Context,
    now: Callable[[], float] = time.monotonic,
) -> tuple[int, bool]:
    """Forward output and signals; return the exit code, and whether a stop was requested."""
    killed_at: float | None = None
    is_cancelled = False
    while True:
        match child.next_event(killed_at):
            case processes.Output(data=data):
                around.tee.write(data)
            case processes.StopAsked():
                child.signal(signal.SIGTERM)
                killed_at = killed_at if is_cancelled else now() + around.grace_seconds
                is_cancelled = True
            case processes.TimedOut():
                child.signal(signal.SIGKILL)
                killed_at = None
            case processes.Ended(code=code):
                return code, is_cancelled
