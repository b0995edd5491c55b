"""The hub version, used by rules, controllers and conversions."""

from crds.v1beta1 import (
    agent,
    agentprovider,
    agentrun,
    implementationsource,
    implementationspec,
    memory,
    versioncontrolprovider,
)

GROUP = "agents.proompteng.ai"
VERSION = "v1beta1"

__all__ = [
    "GROUP",
    "VERSION",
    "agent",
    "agentprovider",
    "agentrun",
    "implementationsource",
    "implementationspec",
    "memory",
    "versioncontrolprovider",
]
