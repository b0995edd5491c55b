"""The working version: rules, controllers and newer conversions speak of this one."""

from crds.v1beta1 import agentrun, implementationspec

VERSION = "v1beta1"

__all__ = ["VERSION", "agentrun", "implementationspec"]
