"""Entry point of the console script ``agentctl`` and of ``python -m controllers.agentctl``."""

import os
import signal

# Same as schemagen.interrupts, which would load Pydantic for each `agentctl get`.
_INTERRUPTED = 130


def main() -> None:
    """Run the command; Ctrl-C during the imports shows no traceback either."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
    from controllers.agentctl import cli  # noqa: PLC0415 - after the handler

    signal.signal(signal.SIGINT, handler)
    cli.main()


def _end(*_: object) -> None:
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
