"""An Api's webhooks on the author's machine: ``dev``, tests, review of a file."""
