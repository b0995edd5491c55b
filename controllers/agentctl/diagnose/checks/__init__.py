"""The checks of ``agentctl diagnose``, by subject: pure functions of a snapshot."""
