"""Conversions compiled to Python, for objects that convert without loss."""
