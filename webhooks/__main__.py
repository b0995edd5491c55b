"""``python -m webhooks``."""

from webhooks import cli

cli.main()
