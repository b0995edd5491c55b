"""An event loop whose time passes only while everything waits: hours in milliseconds."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """For code without I/O; ``time()`` is its clock."""

    def __init__(self) -> None:
        self._virtual = 0.0
        super().__init__(_Selector(self._pass_time))

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._virtual

    def _pass_time(self, seconds: float) -> None:
        self._virtual += seconds


class _Selector(selectors.SelectSelector):
    def __init__(self, pass_time: Any) -> None:
        super().__init__()
        self._pass_time = pass_time

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        if not found:
            assert timeout is not None, "expected something to wait for: nothing ever happens"
            self._pass_time(timeout)
        return found


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Run on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
