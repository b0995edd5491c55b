"""API servers that ``schemagen`` reads or compares with, by entry point."""
