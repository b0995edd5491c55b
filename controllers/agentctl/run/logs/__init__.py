"""``agentctl run logs``: logs of pods and workspaces."""
