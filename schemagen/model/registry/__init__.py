"""Api -> Kind -> Version: registry of what an API serves, and how its versions relate.

A ``Kind`` lists its versions from oldest to newest. The newest is the hub: rules are written
against it, and each older version provides the conversion to its next newer one.
"""

from schemagen.model.registry.conversions import ConversionProtocol, ExternalConversion
from schemagen.model.registry.declarations import Api, Kind, Version
from schemagen.model.registry.kind_rules import (
    OPERATIONS,
    Facts,
    HubRules,
    NotLookedUpError,
    Operation,
    Rules,
    Subresource,
    User,
)

__all__ = [
    "OPERATIONS",
    "Api",
    "ConversionProtocol",
    "ExternalConversion",
    "Facts",
    "HubRules",
    "Kind",
    "NotLookedUpError",
    "Operation",
    "Rules",
    "Subresource",
    "User",
    "Version",
]
