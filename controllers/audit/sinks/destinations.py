"""The destination of an audit log as people write it. Pure, but for what the sinks open later."""

import pathlib
from typing import Final
from urllib import parse

from controllers.audit.sinks.base import Sink
from controllers.audit.sinks.file_sink import FileSink
from controllers.audit.sinks.http_sink import HttpSink
from controllers.audit.sinks.stdout_sink import StdoutSink

STANDARD_OUTPUT: Final = "-"


def sink(destination: str) -> Sink:
    """Return the sink of a destination.

    Args:
        destination: A file, ``-`` for standard output, or a URL of http or https.

    Raises:
        ValueError: It is none of these.
    """
    if destination == STANDARD_OUTPUT:
        return StdoutSink()
    scheme, separator, _ = destination.partition("://")
    if not separator:
        return _file(destination)
    try:
        parts = parse.urlsplit(destination)
        is_usable = scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable, parts = False, parse.SplitResult("", "", "", "", "")
    if not is_usable:
        raise ValueError(
            f"expected a file, - or a URL of http or https for the audit log, got a URL of "
            f"{scheme!r} that cannot be used"
        )
    if "@" in parts.netloc:
        raise ValueError(
            "expected a URL without a user for the audit log: arguments of processes are no secrets"
        )
    return HttpSink(destination)


def _file(destination: str) -> Sink:
    path = pathlib.Path(destination)
    if not destination or path.is_dir():
        raise ValueError(
            f"expected a file, - or a URL for the audit log, got {destination!r}: name a file in "
            "the directory, such as audit.jsonl"
        )
    return FileSink(path)
