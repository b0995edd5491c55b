"""Who may run: limits on runs in flight, kept by an object replaced by compare-and-swap."""
