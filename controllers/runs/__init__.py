"""Execution of AgentRuns: a pure planner, an interpreter that acts, and runtimes."""
