"""From one version of an API to the next: the objects of a cluster."""
