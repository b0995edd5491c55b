"""Changes between two CRDs: their schemas, versions and definitions."""
