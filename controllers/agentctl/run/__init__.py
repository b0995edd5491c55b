"""``agentctl run``."""
