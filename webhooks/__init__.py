"""Admission and conversion webhooks for any ``schemagen.Api``: a pure core and a TLS server."""
