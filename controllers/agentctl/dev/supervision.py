"""Restarts programs when they exit, and reports it. Shell: processes, a thread."""

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Final

from controllers.process import owned_processes
from webhooks.development.local_server import Running, ServerError

# Starts like a kubelet's back-off, but shorter, for interactive use.
_PAUSES_SECONDS: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_POLL_SECONDS: Final = 0.2


@contextlib.contextmanager
def supervised(
    name: str, start: Callable[[], Running], say: Callable[[str], None]
) -> Iterator[Running]:
    """Run a program, restarting it whenever it exits; yield its first start.

    Args:
        name: Name of the program in messages.
        start: Starts it and waits until it is ready.
        say: Prints a line for the user.

    Raises:
        ServerError: The first start failed.
    """
    first = start()
    supervisor = _Supervisor(name, start, say, first)
    thread = threading.Thread(target=supervisor.supervise, name=f"supervises {name}", daemon=True)
    thread.start()
    try:
        yield first
    finally:
        supervisor.stopped.set()
        thread.join()
        owned_processes.stop(supervisor.running.process)


class _Supervisor:
    """Supervises a program until stopped."""

    def __init__(
        self,
        name: str,
        start: Callable[[], Running],
        say: Callable[[str], None],
        running: Running,
    ) -> None:
        self._name, self._start, self._say = name, start, say
        self.running = running
        self.stopped = threading.Event()

    def supervise(self) -> None:
        """Restart the program whenever it has exited."""
        while not self.stopped.wait(_POLL_SECONDS):
            code = self.running.process.poll()
            if code is not None:
                self._say(f"the {self._name} exited with code {code}: restarting")
                self._restart()

    def _restart(self) -> None:
        """Retry until it starts, with increasing pauses, reporting each failure."""
        for pause in itertools.chain(_PAUSES_SECONDS, itertools.repeat(_PAUSES_SECONDS[-1])):
            if self.stopped.wait(pause):
                return
            owned_processes.stop(self.running.process)  # close its streams
            try:
                self.running = self._start()
            except ServerError as error:
                self._say(str(error))
            else:
                self._say(f"the {self._name} has restarted")
                return
