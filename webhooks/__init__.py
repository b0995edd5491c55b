"""Admission and conversion webhooks for any ``schemagen.Api``: a pure core and a TLS server."""

# First, so that Ctrl-C shows no traceback while the rest is imported.
from schemagen import interrupts as _interrupts  # noqa: F401
