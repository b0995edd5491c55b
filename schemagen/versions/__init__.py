"""Conversion between versions: invertible steps, residue, and the API server's own checks."""
