"""Bytes for interfaces that only read files, such as ssl's: in memory where the system supports it.

A full disk or a read-only file system thus cannot prevent a renewed certificate from being used,
and keys are never written to disk.
"""

import contextlib
import os
import pathlib
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def paths_of(*contents: bytes) -> Iterator[list[str]]:
    """Provide paths with the contents inside the context, for this process only."""
    with contextlib.ExitStack() as stack:
        if hasattr(os, "memfd_create") and pathlib.Path("/proc/self/fd").is_dir():
            yield [stack.enter_context(_in_memory(content)) for content in contents]
            return
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="kubewright-"))
        paths = [pathlib.Path(folder, str(number)) for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        yield [str(path) for path in paths]


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    with os.fdopen(os.memfd_create("kubewright", os.MFD_CLOEXEC), "wb") as file:
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"
