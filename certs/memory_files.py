"""Bytes for interfaces that read files only, such as ssl's: in memory where the system can.

So no full disk and no read-only file system keeps a renewed certificate from being used, and no
key is ever on a disk.
"""

import contextlib
import os
import pathlib
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def paths_of(*contents: bytes) -> Iterator[list[str]]:
    """Paths that have the contents inside the context, for this process alone."""
    with contextlib.ExitStack() as stack:
        if hasattr(os, "memfd_create") and pathlib.Path("/proc/self/fd").is_dir():
            yield [stack.enter_context(_in_memory(content)) for content in contents]
            return
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="kubewright-"))
        found = [pathlib.Path(folder, str(number)) for number in range(len(contents))]
        for path, content in zip(found, contents, strict=True):
            path.write_bytes(content)
        yield [str(path) for path in found]


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    with os.fdopen(os.memfd_create("kubewright", os.MFD_CLOEXEC), "wb") as file:
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"
