"""The Agents Platform API: its kinds and versions, their rules and conversions; pure.

``schemagen generate crds:api`` and ``webhooks serve crds:api`` start here.
"""

from crds.platform import api

__all__ = ["api"]
