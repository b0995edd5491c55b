"""Execution of AgentRuns: a pure planner, a reconciler that acts, and runtimes."""
