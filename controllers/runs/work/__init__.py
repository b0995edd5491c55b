"""The work of a run: prepared from its spec and the objects that it refers to."""
