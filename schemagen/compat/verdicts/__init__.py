"""Verdicts on changes for writers, readers and stored objects, with witnesses."""
