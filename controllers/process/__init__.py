"""Shared by all server processes: health, logs, and the processes they start."""
