"""A review in, a response out. Pure."""
