"""The agent-runner, which executes an agent in a pod or as a local process.

It reads `agent-runner.json`, drives the agent by an adapter and writes `status.json`: see
docs/runner.md. It starts in every pod, so it imports only the standard library and msgspec, and
nothing else of this project.
"""

__all__: tuple[str, ...] = ()
