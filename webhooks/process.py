"""What a process of the server sets up before it works. Shell: the interpreter and its log."""

import logging
import sys
from typing import Final

import structlog

# JSON of up to 1,024 levels (orjson's bound) is walked and written with two calls a level.
RECURSION_LIMIT: Final = 4096
OWN_PACKAGES: Final = ("certs", "controllers", "webhooks")


def allow_deep_json() -> None:
    """Let values be walked that are as deep as orjson reads them."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))


def log_to_stderr() -> None:
    """One JSON object a line on standard error, with level and time."""
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*processors, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    # What libraries log, and the packages below, comes by the standard library.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=processors,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    for package in OWN_PACKAGES:
        logging.getLogger(package).setLevel(logging.INFO)
