"""Reads the loop control file of an agent, which may contain anything. Shell: reads it."""

import os
import pathlib

import msgspec

from controllers.runner import errors, status, workspace
from controllers.runner.errors import JSON


def read(path: pathlib.Path) -> tuple[dict[str, JSON] | None, str | None]:
    """Return the content of the loop control file, or what is wrong with it, or neither."""
    max_bytes = status.MAX_LOOP_CONTROL_BYTES
    if not os.path.lexists(path):
        return None, None
    content = None
    try:
        content = msgspec.json.decode(workspace.read_regular(path))
        is_small = isinstance(content, dict) and len(status.encoded(content)) <= max_bytes
    except (errors.RunnerError, msgspec.DecodeError, UnicodeError, RecursionError):
        is_small = False
    if not is_small:
        return None, f"expected a JSON object of at most {max_bytes} bytes, got another value"
    return content, None
