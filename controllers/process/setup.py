"""Process-wide setup: recursion limit, garbage collection, logging. Shell: the interpreter."""

import atexit
import functools
import gc
import logging
import sys
import threading
from typing import Final, TextIO, cast

import structlog

from controllers.process import log_writer

# JSON of up to 1,024 levels (orjson's limit) is walked and encoded with two calls per level.
RECURSION_LIMIT: Final = 4096
# musl gives threads 128 KiB of stack, which such calls may exceed.
STACK_BYTES: Final = 16 * 1024 * 1024
# Allocations that trigger a garbage collection.
GARBAGE_OBJECTS: Final = 200_000
STANDARD_ERROR: Final = 2
OWN_PACKAGES: Final = ("certs", "controllers", "webhooks")


def allow_deep_json() -> None:
    """Allow values to be walked that are as deep as orjson decodes them."""
    threading.stack_size(STACK_BYTES)
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))


def collect_less_garbage() -> None:
    """Exclude existing objects from garbage collection and collect less often.

    By default, decoding 2 MB of empty lists scans all objects seven times, for more than a second
    in which no other thread runs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS, 10, 10)


@functools.cache
def standard_error() -> log_writer.LogWriter:
    """The writer of this process' log, which neither a full disk nor an unread pipe can block."""
    writer = log_writer.LogWriter(STANDARD_ERROR)
    atexit.register(writer.close)
    return writer


def log_after_fork() -> None:
    """Set up logging in a forked process: threads are not inherited."""
    standard_error.cache_clear()
    log_to_stderr()


def log_stream() -> TextIO:
    """Standard error as a text stream for loggers."""
    return cast("TextIO", log_writer.TextStream(standard_error()))


def log_to_stderr() -> None:
    """Log one JSON object per line to standard error, with level and time."""
    stream = log_stream()
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*processors, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(file=stream),
    )
    # Libraries, and the packages below, log with the standard library.
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=processors,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for package in OWN_PACKAGES:
        logging.getLogger(package).setLevel(logging.INFO)
