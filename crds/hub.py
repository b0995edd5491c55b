"""The working version: rules, controllers and newer conversions speak of this one."""

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
