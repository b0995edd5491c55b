"""The console script ``webhooks``, and ``python -m webhooks``."""

# First, so that Ctrl-C shows no traceback while the rest is imported.
from schemagen import interrupts as _interrupts  # noqa: F401
from webhooks import cli


def main() -> None:
    """Run the command."""
    cli.main()


if __name__ == "__main__":
    main()
