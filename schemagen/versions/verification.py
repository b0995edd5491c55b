"""Conversions checked against the models of both versions, before anything is generated or served.

Start reading at ``faults``. Each step is walked beside the schemas of its value before and after
(``fitting``): paths that are not there, fields that no step carries, steps that do not fit the
types and two steps that write one field are faults. What is two functions is tried on drawn values
(``trials``).
"""

import itertools

from schemagen.keywords import SchemaError
from schemagen.model import registry
from schemagen.versions import fitting, nodes, records, shape
from schemagen.versions.nodes import Fault


class ConversionError(SchemaError):
    """A conversion does not fit the models of its two versions: the API author reads this."""


def check(api: registry.Api) -> None:
    """Check every conversion of an API.

    Raises:
        ConversionError: naming each fault with the kind, the versions, the field and the way out.
    """
    found = [
        f"{kind.name} {older.name} <-> {newer.name}: {fault}"
        for kind in api
        for older, newer in itertools.pairwise(kind.versions)
        for fault in faults(older, newer)
    ]
    if found:
        raise ConversionError("\n".join(found))


def faults(older: registry.Version, newer: registry.Version) -> list[Fault]:
    """What is wrong with the conversion between two adjacent versions; empty if nothing is."""
    # Drawing needs libraries that take longer to load than most checks to run.
    from schemagen.versions import trials  # noqa: PLC0415 - as above

    conversion = older.conversion
    if conversion is None:
        return []
    if not isinstance(conversion, records.Conversion):
        return trials.of_conversion(conversion, *_roots(older, newer))
    walk = walked(older, newer)
    found = walk.faults or [fault for one in walk.trials for fault in trials.of_step(one)]
    return list(dict.fromkeys(found))


def walked(older: registry.Version, newer: registry.Version) -> fitting.Walk:
    """What the steps of a conversion say by themselves; what is functions is yet to be tried."""
    walk = fitting.Walk()
    if isinstance(older.conversion, records.Conversion):
        walk.conversion(older.conversion, *_roots(older, newer))
    return walk


def _roots(older: registry.Version, newer: registry.Version) -> tuple[nodes.Node, nodes.Node]:
    old, new = (nodes.root(one.name, shape.schema_of(one.model)) for one in (older, newer))
    return old, new
