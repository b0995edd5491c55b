"""The context of an adapter."""

import dataclasses
from collections.abc import Mapping

from controllers.runner import logs, processes, workspace
from controllers.runner.errors import JSON


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The context that an adapter receives in addition to its settings."""

    place: workspace.Workspace
    environment: Mapping[str, str] = dataclasses.field(repr=False)
    """The runner's own, which is passed to the agent; contains secrets."""
    names: Mapping[str, JSON]
    """Values for templates."""
    signals: processes.Signals
    tee: logs.Tee
    grace_seconds: float
