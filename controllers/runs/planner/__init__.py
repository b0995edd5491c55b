"""The next action for a run, by the phase that it is in; start at ``planner``."""
