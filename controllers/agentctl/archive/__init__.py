"""``agentctl archive``."""
