"""``agentctl run wait``, and its conditions."""
