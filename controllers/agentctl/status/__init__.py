"""``agentctl status``: the state of the control plane at a glance, judged by the diagnosis."""
