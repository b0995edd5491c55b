"""``agentctl delete``."""
