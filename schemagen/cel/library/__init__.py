"""Functions available to rules: CEL's own, its extensions, and Kubernetes' (1.37)."""

from schemagen.cel.library import (
    addresses,
    conversions,
    formatting,
    lists,
    namedformats,
    optionals,
    quantities,
    regexes,
    semvers,
    strings,
    timestamps,
    urls,
)
from schemagen.cel.library.registry import FUNCTIONS

_MODULES = (
    addresses,
    conversions,
    formatting,
    lists,
    namedformats,
    optionals,
    quantities,
    regexes,
    semvers,
    strings,
    timestamps,
    urls,
)
"""Imported to register their functions."""

__all__ = ["FUNCTIONS"]
