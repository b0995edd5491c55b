"""Defaults and rules that a schema cannot say, a module per kind; and policies."""
