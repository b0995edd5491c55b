"""Logging of the controller: a JSON object per line on standard error. Shell: the loggers."""

import logging
from typing import Any, Final

import structlog

from controllers.process import setup

_SHARED: Final[list[Any]] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    # Adds structured fields: extra={"url": ...}.
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso"),
]


def begin(level: str) -> None:
    """Configure logging at a level, in the format of `webhooks serve`."""
    handler = logging.StreamHandler(setup.log_stream())
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
