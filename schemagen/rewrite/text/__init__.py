"""The text of manifests: places of nodes, and a new value written into the old text. Pure."""
