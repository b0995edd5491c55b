"""Checks of an object besides the rules of its kind."""
