"""What an adapter gets beside its own settings."""

import dataclasses
from collections.abc import Mapping

from controllers.runner import logs, processes, workspace
from controllers.runner.errors import JSON


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Where an adapter runs its agent."""

    place: workspace.Workspace
    environment: Mapping[str, str] = dataclasses.field(repr=False)
    """The runner's own, which the agent gets as well; it holds secrets."""
    names: Mapping[str, JSON]
    """What templates may name."""
    signals: processes.Signals
    tee: logs.Tee
    grace_seconds: float
