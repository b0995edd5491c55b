"""``agentctl certs``."""
