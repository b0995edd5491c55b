"""``schemagen docs`` and ``schemagen guide``: pages for people who use an API."""
