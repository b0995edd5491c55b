"""What an upgrade of CRDs does to the objects of a cluster."""
