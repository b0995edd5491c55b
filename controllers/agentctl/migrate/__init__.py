"""``agentctl migrate``."""
