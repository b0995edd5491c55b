"""Access log, metrics and traces of reviews."""
