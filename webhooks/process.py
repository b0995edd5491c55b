"""What a process of the server sets up before it works. Shell: the interpreter and its log."""

import atexit
import functools
import gc
import logging
import sys
import threading
from typing import Final, TextIO, cast

import structlog

from webhooks import log_writer

# JSON of up to 1,024 levels (orjson's bound) is walked and written with two calls a level.
RECURSION_LIMIT: Final = 4096
# musl gives threads 128 KiB, which such calls may fill.
STACK_BYTES: Final = 16 * 1024 * 1024
# So many new lists and objects make the collector look at them.
GARBAGE_OBJECTS: Final = 200_000
STANDARD_ERROR: Final = 2
OWN_PACKAGES: Final = ("certs", "controllers", "webhooks")


def allow_deep_json() -> None:
    """Let values be walked that are as deep as orjson reads them."""
    threading.stack_size(STACK_BYTES)
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))


def collect_less_garbage() -> None:
    """Spare what is there from being looked at again and again.

    By default, decoding 2 MB of empty lists looks at all objects seven times, for over a second in
    which no other thread runs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS, 10, 10)


@functools.cache
def standard_error() -> log_writer.LogWriter:
    """What writes this process' log: neither a full disk nor a pipe nobody reads holds it up."""
    writer = log_writer.LogWriter(STANDARD_ERROR)
    atexit.register(writer.close)
    return writer


def log_after_fork() -> None:
    """Write the log of a forked process, too: threads are not forked."""
    standard_error.cache_clear()
    log_to_stderr()


def log_stream() -> TextIO:
    """Standard error as a text file for loggers."""
    return cast("TextIO", log_writer.TextStream(standard_error()))


def log_to_stderr() -> None:
    """One JSON object a line on standard error, with level and time."""
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
    # What libraries log, and the packages below, comes by the standard library.
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
