"""Who could have written a file: what is executed must come from its user, or from root. Shell.

Looked at are the file and every folder and symbolic link on the way to it. A folder that others
may write to is no obstacle where it is sticky, as /tmp: they cannot replace what is not theirs.
"""

import os
import pathlib
import stat
from collections.abc import Iterator
from typing import Final

_MAX_LINKS: Final = 40  # as Linux follows
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def why_untrusted(path: pathlib.Path) -> str:
    """Why somebody else could have written a file or folder; nothing if nobody could.

    Raises:
        OSError: It, or a folder above it, cannot be looked at.
    """
    for place, status in _way(path):
        if status.st_uid not in {0, os.geteuid()}:
            return f"{place} belongs to another user (uid {status.st_uid})"
        if _is_open(status):
            mode = stat.S_IMODE(status.st_mode)
            return f"{place} is writable by others (mode {mode:04o}): chmod go-w {place}"
    return ""


def _is_open(status: os.stat_result) -> bool:
    if stat.S_ISLNK(status.st_mode):  # nobody can write to one, whatever its mode says
        return False
    is_sticky = stat.S_ISDIR(status.st_mode) and bool(status.st_mode & stat.S_ISVTX)
    return bool(status.st_mode & _OTHERS_WRITE) and not is_sticky


def _way(path: pathlib.Path) -> Iterator[tuple[pathlib.Path, os.stat_result]]:
    """Every folder and link that leads to a file, from the root on, and the file."""
    current, links = pathlib.Path("/"), 0
    rest = [*path.absolute().parts[1:]]
    yield current, current.lstat()
    while rest:
        part = rest.pop(0)
        if part == "..":
            current = current.parent
            continue
        place = current / part
        status = place.lstat()
        yield place, status
        if not stat.S_ISLNK(status.st_mode):
            current = place
            continue
        links += 1
        if links > _MAX_LINKS:
            raise OSError(f"expected at most {_MAX_LINKS} symbolic links on the way to {path}")
        target = place.readlink()
        current = pathlib.Path("/") if target.is_absolute() else current
        rest = [*(part for part in target.parts if part != "/"), *rest]
