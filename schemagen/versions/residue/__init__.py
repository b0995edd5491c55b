"""Data that another version cannot express: found, stored and restored."""
