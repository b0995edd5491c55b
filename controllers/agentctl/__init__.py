"""``agentctl``: the composition root; the only package that may import every other one."""
