"""The agent-runner: what runs an agent in a pod, and without one.

It reads `agent-runner.json`, drives the agent by an adapter and leaves `status.json`:
docs/runner.md.
It starts in every pod, so it imports the standard library and msgspec alone, and nothing of ours.
"""

__all__: tuple[str, ...] = ()
