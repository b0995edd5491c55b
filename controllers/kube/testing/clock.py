"""Virtual time: an event loop whose clock passes only while everything waits. Shell: threads.

``asyncio.sleep``, ``asyncio.timeout`` and the loop's ``time()`` follow it; ``Clock`` is for what
takes a clock. Hours take milliseconds, and no test depends on the machine's speed.
"""

import asyncio
import datetime as dt
import functools
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, Final, ParamSpec, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
P = ParamSpec("P")
Ts = TypeVarTuple("Ts")

_RESOLUTION_SECONDS: Final = 1e-6
_MIN_STEP_SECONDS: Final = 0.001
START: Final = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


class DeadlockError(Exception):
    """Every task waits for another one: nothing can ever happen again."""


class Clock:
    """Clocks that follow the running event loop; any loop, though meant for a virtual one.

    Args:
        start: The wall clock's time when the loop's is 0.
    """

    def __init__(self, start: dt.datetime = START) -> None:
        self._start = start

    def seconds(self) -> float:
        """Monotonic seconds; 0 before a loop runs."""
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:
            return 0.0

    def now(self) -> dt.datetime:
        """The wall clock, aware and in UTC."""
        return self._start + dt.timedelta(seconds=self.seconds())


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop for code without real I/O; work in threads takes no virtual time."""

    def __init__(self) -> None:
        self._virtual_seconds = 0.0
        self._in_threads = 0
        super().__init__(_Selector(self))
        # A nanosecond, as of the real clock, is lost in a float of a year: no timer would be due.
        self._clock_resolution = _RESOLUTION_SECONDS

    def time(self) -> float:
        """Seconds since the loop was created."""
        return self._virtual_seconds

    def pass_time(self, seconds: float) -> None:
        """Advance the time, as if nothing had happened meanwhile."""
        self._virtual_seconds += seconds

    @property
    def has_threads(self) -> bool:
        """Whether work in a thread has not ended."""
        return self._in_threads > 0

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> "asyncio.Future[T]":
        """Run in a thread; time stands still until it has ended."""
        future = super().run_in_executor(executor, func, *args)
        self._in_threads += 1
        future.add_done_callback(self._thread_ended)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as asyncio's
        """Wait for the threads; time stands still."""
        del timeout  # Python 3.11 has none
        self._in_threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._in_threads -= 1

    def _thread_ended(self, _: object) -> None:
        self._in_threads -= 1


class _Selector(selectors.DefaultSelector):
    """Instead of waiting it lets time pass."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(None if self._loop.has_threads and timeout != 0 else 0)
        if not ready and timeout is None:
            raise DeadlockError(
                "expected something that is still to happen, got none: every task waits for "
                "another one"
            )
        if not ready and timeout:
            self._loop.pass_time(timeout)
        return ready


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a virtual loop of its own and return its result.

    Raises:
        DeadlockError: It waits for what cannot happen.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def virtual_time(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Decorate an asynchronous test so that it runs in virtual time, under any test runner."""

    @functools.wraps(test)
    def run_test(*args: P.args, **kwargs: P.kwargs) -> T:
        return run(test(*args, **kwargs))

    return run_test


async def settle(predicate: Callable[[], bool], *, within_seconds: float = 3600.0) -> None:
    """Wait until something holds, to one percent of the time that it takes.

    Raises:
        TimeoutError: It did not hold in time.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    async with asyncio.timeout(within_seconds):
        while not predicate():  # noqa: ASYNC110 - of anything
            await asyncio.sleep(max(_MIN_STEP_SECONDS, (clock() - began) / 100))
