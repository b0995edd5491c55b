"""Runs one command for as long as the process that started this one lives. Shell; stdlib only.

``python keeper.py COMMAND...`` with a pipe as standard input: when the pipe closes, because its
owner closed it or died (even by SIGKILL), the command's process group gets SIGTERM and, after a
grace, SIGKILL. The exit code is the command's. Works alike on Linux and macOS.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading

GRACE_SECONDS = 10.0


def main() -> int:
    """Run the command that the arguments name."""
    child = subprocess.Popen(  # noqa: S603 - the caller's own command
        sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end(child))
    threading.Thread(target=end_with_input, args=(child,), daemon=True).start()
    return child.wait()


def end_with_input(child: "subprocess.Popen[bytes]") -> None:
    """End the command once standard input has ended."""
    while os.read(0, 1024):
        pass
    end(child)


def end(child: "subprocess.Popen[bytes]") -> None:
    """Send SIGTERM to the command's group, and SIGKILL if it takes too long."""
    signal_group(child, signal.SIGTERM)
    timer = threading.Timer(GRACE_SECONDS, signal_group, (child, signal.SIGKILL))
    timer.daemon = True
    timer.start()


def signal_group(child: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    """Send a signal to the command and what it started; no error if they are gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


if __name__ == "__main__":
    sys.exit(main())
