"""The command groups of ``agentctl``: options and help; implementations are imported lazily."""
