"""``agentctl dev``: the platform on this machine."""
