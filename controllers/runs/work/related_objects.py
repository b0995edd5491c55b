"""The objects that a run refers to. Pure."""

import dataclasses
from collections.abc import Mapping

from controllers.runs import json_access
from controllers.runs.runtimes.base import JSON
from crds.admission.pods import pod_sources


@dataclasses.dataclass(frozen=True, slots=True)
class Related:
    """The objects that a run refers to; None if missing.

    Attributes:
        agent: The complete Agent.
        provider: The AgentProvider of that agent.
        implementations: ImplementationSpecs of the run and its steps, by name.
        memory: The Memory of the run, its agent or its namespace.
        memory_problem: Why no attempt may start with this memory; empty if it is usable.
    """

    agent: JSON = None
    provider: JSON = None
    implementations: Mapping[str, JSON] = dataclasses.field(default_factory=dict)
    memory: JSON = None
    memory_problem: str = ""


def agent_name(run: JSON) -> str:
    """Return the name of the run's agent."""
    return str(json_access.at(run, "spec", "agentRef", "name") or "")


def implementation_names(run: JSON) -> tuple[str, ...]:
    """Return the names of the ImplementationSpecs of a run and its steps."""
    spec = run.get("spec") or {}
    named = (
        json_access.at(own, "implementation", "specRef", "name")
        for _, own in (("", spec), *pod_sources.steps(spec))
    )
    return tuple({str(name): None for name in named if name})


def memory_name(run: JSON, agent: JSON) -> str:
    """Return the name of the run's memory, or else its agent's; empty if neither has one."""
    name = json_access.at(run, "spec", "memoryRef", "name") or json_access.at(
        agent, "spec", "memoryRef", "name"
    )
    return str(name or "")
