"""Implements ``schemagen migrate``."""
