"""The server of reviews: a supervisor, its workers and their listeners. Shells."""
