"""The log of a controller: one JSON object a line on standard error. Shell: the loggers."""

import logging
from typing import Any, Final

import structlog

from webhooks import process

_SHARED: Final[list[Any]] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    # What an event is logged with besides its text: extra={"url": ...}.
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso"),
]


def begin(level: str) -> None:
    """Write down what controllers log, from a level on, as `webhooks serve` does."""
    handler = logging.StreamHandler(process.log_stream())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
