"""A serving certificate in a directory."""
