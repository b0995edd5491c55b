"""Entry point of the console script and of ``python -m schemagen``."""

import gc


def main() -> None:
    """Run the command, then exit without a final garbage collection."""
    gc.set_threshold(200_000, 50, 50)
    from schemagen.cli import commands  # noqa: PLC0415 - imports make most of the garbage

    commands.main()


if __name__ == "__main__":
    main()
