"""Progress bars on standard error. Shell."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeAlias

Advance: TypeAlias = Callable[[str, int, int], None]
"""Receives progress: what is done, how many objects are finished, how many are to come."""


@contextlib.contextmanager
def bars() -> Iterator[Advance]:
    """Show a bar for each title, if standard error is a terminal."""
    import rich.console  # noqa: PLC0415 - only for a bar
    import rich.progress  # noqa: PLC0415

    console = rich.console.Console(stderr=True)
    columns = (
        "{task.description}",
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeRemainingColumn(),
    )
    tasks: dict[str, rich.progress.TaskID] = {}
    with rich.progress.Progress(
        *columns, console=console, disable=not console.is_terminal, transient=True
    ) as progress:

        def advance(title: str, done: int, remaining: int) -> None:
            if title not in tasks:
                tasks[title] = progress.add_task(title, total=done + remaining)
            progress.advance(tasks[title], done)

        yield advance
