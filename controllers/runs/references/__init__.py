"""Idempotency keys, and records of work outside the cluster."""
