"""``agentctl demo``."""
