"""The hub version, used by rules, controllers and conversions."""

from crds.v1beta1 import agentrun, core, implementationspec

GROUP = "agents.proompteng.ai"
VERSION = "v1beta1"

__all__ = ["GROUP", "VERSION", "agentrun", "core", "implementationspec"]
