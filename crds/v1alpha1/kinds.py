"""The kinds of v1alpha1, each with its conversion to v1beta1."""

from collections.abc import Callable, Iterable
from typing import Final

from crds import hub
from crds.v1alpha1 import (
    agent,
    agent_warnings,
    agentprovider,
    agentrun,
    agentrun_warnings,
    implementationsource,
    implementationspec,
    memory,
    versioncontrolprovider,
)
from crds.v1alpha1.conversions import (
    agent_conversion,
    agentprovider_conversion,
    agentrun_conversion,
    implementationsource_conversion,
    implementationspec_conversion,
    memory_conversion,
    versioncontrolprovider_conversion,
)
from schemagen import Conversion, Problem, Resource, Version
from schemagen.problems import JSON

# See docs/deprecation.md; the API server sends it as a warning with every v1alpha1 response.
SERVED_UNTIL: Final = "2027-08-24"


def deprecation(kind: str) -> str:
    """Return the deprecation warning: at most 256 printable characters."""
    return (
        f"{hub.GROUP}/v1alpha1 {kind} is deprecated and served until at least {SERVED_UNTIL}; "
        f"use {hub.GROUP}/{hub.VERSION} (see docs/deprecation.md of Kubewright)"
    )


def _version(
    model: type[Resource],
    conversion: Conversion,
    warnings: Callable[[JSON], Iterable[Problem]] | None = None,
) -> Version:
    return Version(
        "v1alpha1",
        model,
        conversion=conversion,
        # v1alpha1 accepts every manifest that the published API accepts.
        hub_rules="warn",
        warnings=warnings,
        deprecated=deprecation(model.__name__),
    )


VERSIONS: Final = (
    _version(agent.Agent, agent_conversion.CONVERSION, agent_warnings.warnings),
    _version(agentprovider.AgentProvider, agentprovider_conversion.CONVERSION),
    _version(agentrun.AgentRun, agentrun_conversion.CONVERSION, agentrun_warnings.warnings),
    _version(implementationspec.ImplementationSpec, implementationspec_conversion.CONVERSION),
    _version(implementationsource.ImplementationSource, implementationsource_conversion.CONVERSION),
    _version(memory.Memory, memory_conversion.CONVERSION),
    _version(
        versioncontrolprovider.VersionControlProvider, versioncontrolprovider_conversion.CONVERSION
    ),
)
"""v1alpha1 of each kind that has it."""
