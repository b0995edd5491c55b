"""``agentctl explain``: why a run is in its state."""
