"""Common frame of every command: exit codes and error output. Shell.

Every failure becomes one line on standard error and a documented exit code. A traceback is shown
only if KUBEWRIGHT_TRACEBACK=1 is set.
"""

import contextlib
import errno
import io
import os
import pathlib
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

import typer

from schemagen import exception_origin, interrupts
from schemagen.cli import help_text
from schemagen.interrupts import INTERRUPTED
from schemagen.problems import UserError

WRONG_INPUT: Final = 2
INTERNAL_ERROR: Final = 70
"""EX_SOFTWARE of sysexits.h."""
OUTPUT_CLOSED: Final = 141
"""Same for SIGPIPE: the reader has closed the pipe (`| head`)."""
TERMINATED: Final = 143

TRACEBACK_VARIABLE: Final = "KUBEWRIGHT_TRACEBACK"

EPILOG: Final = (
    f"Exit codes common to all commands: {WRONG_INPUT} wrong input, or a file or module "
    f"that cannot be used; {INTERNAL_ERROR} an internal error, which is a bug: report it with what "
    f"{TRACEBACK_VARIABLE}=1 shows; {INTERRUPTED} Ctrl-C; {TERMINATED} SIGTERM; "
    f"{OUTPUT_CLOSED} the reader closed the output."
)


class Group(help_text.Group):
    """A program's commands, each guarded: ``typer.Typer(name=PROGRAM, cls=Group)``."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Parse the program's own options; a failure becomes a message and an exit code."""
        try:
            return super().make_context(*args, **options)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - typer has no class for misuse
            refuse(self.name or "", error)

    def invoke(self, ctx: Any) -> Any:
        """Run the command, turning exceptions into a message and an exit code."""
        invoke(self.name or "", lambda: super(Group, self).invoke(ctx))


def invoke(program: str, act: Callable[[], object]) -> None:
    """Run ``act`` as ``guarded`` does, within typer."""
    code = guarded(program, act)
    if code:
        raise typer.Exit(code)


def guarded(program: str, act: Callable[[], object]) -> int:
    """Run ``act`` and return the exit code; typer's own exceptions (Exit, usage errors) pass.

    An integer that ``act`` returns is the exit code.
    """
    _prepare_streams()
    _prepare_home()
    try:
        interrupts.raise_again()
        with _ended_by_sigterm():
            returned = act()
            _flush()
    except BaseException as error:
        # typer.Exit and click's usage errors carry their own exit code.
        if isinstance(error, typer.Abort) or (
            isinstance(error, Exception) and hasattr(error, "exit_code")
        ):
            code = ended(program, error) if _is_misuse(error) else _flushed(program)
            if code:
                return code
            raise
        return ended(program, error)
    return returned if isinstance(returned, int) else 0


def refuse(program: str, error: BaseException) -> NoReturn:
    """End a program whose own options are wrong, or whose help cannot be written."""
    if isinstance(error, OSError | SystemExit) or _is_misuse(error):
        raise typer.Exit(ended(program, error)) from error
    raise error


def complain(program: str, message: str) -> None:
    """Write an error message to standard error, each line prefixed with the program."""
    with contextlib.suppress(OSError, ValueError):
        for line in message.splitlines() or [""]:
            sys.stderr.write(f"{program}: {line}\n")
        sys.stderr.flush()


@contextlib.contextmanager
def about(what: str) -> Iterator[None]:
    """Add what was being processed to unexpected exceptions raised inside the context."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, UserError):
            error.add_note(f"while {what}")
        raise


class _TerminatedError(KeyboardInterrupt):
    """Raised on SIGTERM, so that cleanup runs as it does for Ctrl-C."""


def ended(program: str, error: BaseException) -> int:
    """Report why a command ended; return its exit code."""
    if os.environ.get(TRACEBACK_VARIABLE):
        traceback.print_exception(error)
    code, message = (0, "") if _is_cut_help(error) else _verdict(error)
    if message:
        complain(program, message)
    with contextlib.suppress(OSError, ValueError):
        _flush()
    if isinstance(error, OSError) or code == OUTPUT_CLOSED or _is_cut_help(error):
        _abandon_output()
    return code


def _verdict(error: BaseException) -> tuple[int, str]:
    """Return the exit code and the message for the exception that ended a command."""
    match error:
        case _ if _is_misuse(error):
            return WRONG_INPUT, _misuse(error)
        case UserError():
            return WRONG_INPUT, f"{error.source}{error}"
        case KeyboardInterrupt():
            return TERMINATED if isinstance(error, _TerminatedError) else INTERRUPTED, ""
        case SystemExit() if _is_own_exit(error):
            return _exit_code(error)
        case OSError():
            return _of_system(error)
        case _:
            return _unexpected(error)


def _is_misuse(error: BaseException) -> bool:
    """Return whether options or arguments are wrong; typer exports no class for all of these.

    A program without arguments shows its help, which is such an error as well.
    """
    return hasattr(error, "format_message") and type(error).__name__ != "NoArgsIsHelpError"


def _misuse(error: Any) -> str:
    """Return typer's message on one line; its own box is cut at a width, also in logs."""
    message = " ".join(error.format_message().split()).rstrip(".")
    return f"{message}; see {error.ctx.command_path} --help" if error.ctx else message


def _is_cut_help(error: BaseException) -> bool:
    """Return whether help was written to a closed pipe, as in `--help | head`."""
    cause = error.__context__ if isinstance(error, SystemExit) else error  # rich exits the program
    frames = traceback.walk_tb(error.__traceback__)
    return isinstance(cause, BrokenPipeError) and any(
        frame.f_code.co_name == "format_help" for frame, _ in frames
    )


def _is_own_exit(error: SystemExit) -> bool:
    place = exception_origin.raised_at(error)
    return place is None or place.owner != "user"


def _exit_code(error: SystemExit) -> tuple[int, str]:
    if isinstance(error.__context__, BrokenPipeError):  # rich.console.Console.on_broken_pipe
        return OUTPUT_CLOSED, ""
    if error.code is None or isinstance(error.code, int):
        return error.code or 0, ""
    return WRONG_INPUT, str(error.code)


def _of_system(error: OSError) -> tuple[int, str]:
    """Describe an OSError: rarely a bug, and never a problem of the user's object.

    Only errors of writing standard output have no file name.
    """
    if error.errno == errno.EPIPE:
        return OUTPUT_CLOSED, ""
    what = error.strerror or str(error) or type(error).__name__
    if error.filename is not None:
        return WRONG_INPUT, f"expected to use {_text(error.filename)}, got an error: {what}"
    if error.errno in {errno.ENOSPC, errno.EIO, errno.EBADF, errno.EDQUOT, errno.EFBIG}:
        return WRONG_INPUT, f"expected to write standard output, got an error: {what}"
    return _unexpected(error)


def _text(name: object) -> str:
    return os.fsdecode(name) if isinstance(name, bytes) else str(name)


def _unexpected(error: BaseException) -> tuple[int, str]:
    """Describe an unexpected exception: in the user's code if it was raised there, else a bug."""
    place = exception_origin.raised_at(error)
    notes = "".join(f" {note}" for note in getattr(error, "__notes__", ()))
    if place is not None and place.owner == "user":
        return WRONG_INPUT, f"{place}: {exception_origin.sentence(error)}{notes}"
    where = f" at {place}" if place is not None else ""
    return INTERNAL_ERROR, (
        f"internal error{notes}: {exception_origin.sentence(error)}{where}; this is a bug: "
        f"please report it with what the same command shows with {TRACEBACK_VARIABLE}=1"
    )


def _prepare_streams() -> None:
    """Use UTF-8 whatever the locale, as YAML and JSON do; escape what cannot be encoded."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _prepare_home() -> None:
    """Set HOME, as container runtimes do, also for a user unknown to the system.

    Libraries such as kubernetes.aio read it when imported.
    """
    try:
        pathlib.Path.home()
    except RuntimeError:
        os.environ["HOME"] = "/"


def _flush() -> None:
    if sys.stdout is not None and not sys.stdout.closed:
        sys.stdout.flush()


def _flushed(program: str) -> int:
    """Flush the output of a successful command; return the exit code if that fails."""
    try:
        _flush()
    except OSError as error:
        return ended(program, error)
    return 0


def _abandon_output() -> None:
    """Discard further output, so that Python does not report the error again at exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Unwind on SIGTERM to remove temporary files; servers install their own handlers."""

    def end(*_: object) -> None:
        raise _TerminatedError

    try:
        before = signal.signal(signal.SIGTERM, end)
    except ValueError:  # not the main thread: a test, or a program embedding the command
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
