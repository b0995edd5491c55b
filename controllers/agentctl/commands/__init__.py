"""The command groups of ``agentctl``: options and help; what they do is imported when they run."""
