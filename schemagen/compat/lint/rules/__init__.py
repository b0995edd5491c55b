"""Lint rules, a module for each theme."""
