"""Processes and what they started. Shell: /proc."""

import contextlib
import os
import pathlib


def children_of(process: int) -> list[int]:
    """The ids of the processes that one has started and that run; none if it has ended."""
    with contextlib.suppress(OSError):
        tasks = pathlib.Path(f"/proc/{process}/task").glob("*/children")
        return [int(child) for task in tasks for child in task.read_text().split()]
    return []


def family_of(process: int) -> list[int]:
    """Its own id, and those of its children and theirs."""
    return [process, *(one for child in children_of(process) for one in family_of(child))]


def resident_bytes(process: int) -> int:
    """The memory of a process."""
    pages = pathlib.Path(f"/proc/{process}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
