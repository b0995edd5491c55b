"""``agentctl controller``: a replica of the controller."""
