"""``agentctl audit``."""
