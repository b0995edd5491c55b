"""Effects of an upgrade of CRDs on the objects of a cluster."""
