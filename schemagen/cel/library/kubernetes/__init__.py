"""Kubernetes' own CEL functions."""
