"""Handle Ctrl-C during imports: exit without a traceback, as commands do later. Shell.

Loaded first by the toolkit; does nothing in programs other than its console scripts. It has few
imports, since Python shows a traceback until it has run.
"""

import os
import signal
import sys

INTERRUPTED = 130
"""Exit code for Ctrl-C, by shell convention: 128 plus the signal number."""

_PROGRAMS = {"schemagen", "webhooks"}


def end_quietly() -> None:
    """Let Ctrl-C end the console scripts at once: during imports there is nothing to clean up."""
    is_unhandled = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_unhandled and is_own_program(sys.argv, sys.orig_argv):
        try:
            signal.signal(signal.SIGINT, _end)
        except ValueError:  # not the main thread: a program embedding the toolkit
            return


def raise_again() -> None:
    """Restore KeyboardInterrupt on Ctrl-C, so that a command can clean up."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def is_own_program(arguments: list[str], original: list[str]) -> bool:
    """Return whether the process is one of the console scripts.

    Args:
        arguments: ``sys.argv``; while ``python -m`` imports a package, it begins with ``-m``.
        original: ``sys.orig_argv``, the interpreter's own arguments.
    """
    program = arguments[0] if arguments else ""
    if program != "-m":
        return os.path.basename(program).removesuffix(".exe") in _PROGRAMS  # noqa: PTH119 - no pathlib yet
    module = original[original.index("-m") + 1 :][:1] if "-m" in original else []
    return not _PROGRAMS.isdisjoint(module)


def _end(*_: object) -> None:
    os._exit(INTERRUPTED)  # an imported module could swallow or reword an exception


end_quietly()
