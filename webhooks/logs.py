"""Where log lines of a process go: standard error, as JSON."""

import sys

import structlog


def to_stderr() -> None:
    """One JSON object a line, with level and time."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
