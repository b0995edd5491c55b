"""Defaulting and validation beyond the schema, one module per kind; and policies."""
