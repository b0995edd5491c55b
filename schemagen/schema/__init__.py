"""Models to structural schemas; start reading at ``structural``."""
