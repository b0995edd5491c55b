"""Compatibility of CRDs of any origin: what changed, what it breaks, where it installs."""
