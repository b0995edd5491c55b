"""Ctrl-C while a command is still importing: it ends as it does later, without a traceback. Shell.

The toolkit loads this first, and it does nothing in programs other than its console scripts. It
imports next to nothing: until it has run, Python shows what Ctrl-C interrupted.
"""

import os
import signal
import sys

INTERRUPTED = 130
"""Exit code of Ctrl-C, as shells say it: 128 and the signal's number."""

_PROGRAMS = {"schemagen", "webhooks"}


def end_quietly() -> None:
    """Let Ctrl-C end the console scripts at once: while they import, there is nothing to undo."""
    is_unhandled = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_unhandled and is_own_program(sys.argv, sys.orig_argv):
        try:
            signal.signal(signal.SIGINT, _end)
        except ValueError:  # not the main thread: a program that has the toolkit inside
            return


def raise_again() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again, so that a command can clean up."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def is_own_program(arguments: list[str], original: list[str]) -> bool:
    """Whether the process is one of the console scripts.

    Args:
        arguments: ``sys.argv``; while ``python -m`` imports a package, it begins with ``-m``.
        original: ``sys.orig_argv``, which the interpreter was started with.
    """
    program = arguments[0] if arguments else ""
    if program != "-m":
        return os.path.basename(program).removesuffix(".exe") in _PROGRAMS  # noqa: PTH119 - no pathlib yet
    module = original[original.index("-m") + 1 :][:1] if "-m" in original else []
    return not _PROGRAMS.isdisjoint(module)


def _end(*_: object) -> None:
    os._exit(INTERRUPTED)  # an exception would be swallowed, or reworded, by what is imported


end_quietly()
