"""AgentRuns carried out: a pure machine that plans, one interpreter that acts, and runtimes."""
