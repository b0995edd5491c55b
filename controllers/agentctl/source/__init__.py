"""``agentctl source``."""
