"""The kinds of v1beta1."""

from typing import Final

from crds.v1beta1 import (
    agent,
    agentprovider,
    agentrun,
    implementationsource,
    implementationspec,
    memory,
    versioncontrolprovider,
)
from schemagen import Resource, Version

_MODELS: Final[tuple[type[Resource], ...]] = (
    agent.Agent,
    agentprovider.AgentProvider,
    agentrun.AgentRun,
    implementationspec.ImplementationSpec,
    implementationsource.ImplementationSource,
    memory.Memory,
    versioncontrolprovider.VersionControlProvider,
)

VERSIONS: Final = tuple(Version("v1beta1", model, storage=True) for model in _MODELS)
"""v1beta1 of each kind."""
