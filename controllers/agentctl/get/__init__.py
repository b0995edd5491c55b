"""``agentctl get``."""
