"""What a process of the server sets up before it works. Shell: the interpreter and its log."""

import sys
from typing import Final

import structlog

# JSON of up to 1,024 levels (orjson's bound) is walked and written with two calls a level.
RECURSION_LIMIT: Final = 4096


def allow_deep_json() -> None:
    """Let values be walked that are as deep as orjson reads them."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))


def log_to_stderr() -> None:
    """One JSON object a line on standard error, with level and time."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
