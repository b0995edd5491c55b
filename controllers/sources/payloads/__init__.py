"""Payloads of trackers: verified over their bytes, then read as observations of issues. Pure."""
