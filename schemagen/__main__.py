"""``python -m schemagen``."""

from schemagen import cli

cli.main()
