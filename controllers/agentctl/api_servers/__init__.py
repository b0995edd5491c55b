"""API servers that ``schemagen`` compares with, by entry point."""
