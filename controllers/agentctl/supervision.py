"""Programs that are started anew when they end, and their user told. Shell: processes, a thread."""

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Final

from controllers.devcluster import processes
from webhooks.local_server import Running, ServerError

# As a kubelet's back-off begins and ends, but for somebody who watches.
_PAUSES_SECONDS: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_LOOK_SECONDS: Final = 0.2


@contextlib.contextmanager
def kept_running(
    name: str, start: Callable[[], Running], say: Callable[[str], None]
) -> Iterator[Running]:
    """Start a program, and start it anew whenever it ends; its value is how it first began.

    Args:
        name: What it is called.
        start: Starts it and waits until it is ready.
        say: Takes a line for the user.

    Raises:
        ServerError: It did not start the first time.
    """
    first = start()
    keeping = _Keeping(name, start, say, first)
    thread = threading.Thread(target=keeping.keep, name=f"keeps {name}", daemon=True)
    thread.start()
    try:
        yield first
    finally:
        keeping.stopped.set()
        thread.join()
        processes.stop(keeping.running.process)


class _Keeping:
    """Looks after a program until it is told to stop."""

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

    def keep(self) -> None:
        """Start it anew whenever it has ended."""
        while not self.stopped.wait(_LOOK_SECONDS):
            code = self.running.process.poll()
            if code is not None:
                self._say(f"the {self._name} ended with exit code {code}: it is started anew")
                self._start_anew()

    def _start_anew(self) -> None:
        """Try until it starts; each failure is told, and the pauses become longer."""
        for pause in itertools.chain(_PAUSES_SECONDS, itertools.repeat(_PAUSES_SECONDS[-1])):
            if self.stopped.wait(pause):
                return
            processes.stop(self.running.process)  # its streams
            try:
                self.running = self._start()
            except ServerError as error:
                self._say(str(error))
            else:
                self._say(f"the {self._name} is up again")
                return
