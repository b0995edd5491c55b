"""A request in, a verdict out. Pure."""
