"""``agentctl diagnose``: a snapshot of a cluster is read once, and judged by independent checks."""
