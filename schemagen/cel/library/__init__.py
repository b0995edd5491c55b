"""Functions available to rules: CEL's own, its extensions, and Kubernetes' (1.37)."""

from schemagen.cel.library import (
    conversions,
    formatting,
    lists,
    optionals,
    regexes,
    strings,
    timestamps,
)
from schemagen.cel.library.kubernetes import addresses, named_formats, quantities, semvers, urls
from schemagen.cel.library.registry import FUNCTIONS

_MODULES = (
    addresses,
    conversions,
    formatting,
    lists,
    named_formats,
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
