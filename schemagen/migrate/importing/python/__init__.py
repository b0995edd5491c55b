"""Python source as values: expressions, imports, and their layout as ruff's formatter has it."""
