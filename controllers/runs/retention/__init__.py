"""Deletion of ended runs, and their archive."""
