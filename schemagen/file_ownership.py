"""Check who could have written a file: executables must come from the user or root. Shell.

The file and every directory and symbolic link on its path are checked. A directory writable by
others is accepted if sticky, as /tmp: others cannot replace files in it.
"""

import os
import pathlib
import stat
from collections.abc import Iterator
from typing import Final

_MAX_LINKS: Final = 40  # the limit of Linux
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def why_untrusted(path: pathlib.Path) -> str:
    """Return why another user could have written a file or directory; empty if none could.

    Raises:
        OSError: if it, or a directory above it, cannot be inspected.
    """
    for place, status in _way(path):
        if status.st_uid not in {0, os.geteuid()}:
            return f"{place} belongs to another user (uid {status.st_uid})"
        if _is_open(status):
            mode = stat.S_IMODE(status.st_mode)
            return f"{place} is writable by others (mode {mode:04o}): chmod go-w {place}"
    return ""


def _is_open(status: os.stat_result) -> bool:
    if stat.S_ISLNK(status.st_mode):  # never writable, whatever its mode says
        return False
    is_sticky = stat.S_ISDIR(status.st_mode) and bool(status.st_mode & stat.S_ISVTX)
    return bool(status.st_mode & _OTHERS_WRITE) and not is_sticky


def _way(path: pathlib.Path) -> Iterator[tuple[pathlib.Path, os.stat_result]]:
    """Yield every directory and link on the path to a file, from the root, and the file."""
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
            raise OSError(f"expected at most {_MAX_LINKS} symbolic links in {path}")
        target = place.readlink()
        current = pathlib.Path("/") if target.is_absolute() else current
        rest = [*(part for part in target.parts if part != "/"), *rest]
