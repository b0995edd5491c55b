"""What an agent says about its loop: a file that anything may be in. Shell: reads it."""

import os
import pathlib

import msgspec

from controllers.runner import errors, status, workspace
from controllers.runner.errors import JSON


def read(path: pathlib.Path) -> tuple[dict[str, JSON] | None, str | None]:
    """What the agent says about its loop, or why that cannot be told; or neither."""
    most = status.MAX_LOOP_CONTROL_BYTES
    if not os.path.lexists(path):
        return None, None
    said = None
    try:
        said = msgspec.json.decode(workspace.read_regular(path))
        is_small = isinstance(said, dict) and len(status.encoded(said)) <= most
    except (errors.RunnerError, msgspec.DecodeError, UnicodeError, RecursionError):
        is_small = False
    if not is_small:
        return None, f"expected a JSON object of at most {most} bytes, got something else"
    return said, None
