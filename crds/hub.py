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

VERSION = "v1beta1"

__all__ = [
    "VERSION",
    "agent",
    "agentprovider",
    "agentrun",
    "implementationsource",
    "implementationspec",
    "memory",
    "versioncontrolprovider",
]
