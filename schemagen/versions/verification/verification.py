"""Check conversions against the models of both versions, before generating or serving.

Start reading at ``faults``. Each step is walked beside the schemas of its value before and after
(``step_types``): nonexistent paths, fields without a step, steps that do not fit the types and
fields written by two steps are faults. Pairs of functions are tried on generated values
(``function_trials``).
"""

import itertools
from collections.abc import Callable
from typing import TypeAlias

from schemagen.model import registry
from schemagen.schema.keywords import Schema, SchemaError
from schemagen.versions import records, schema_coverage, schema_places
from schemagen.versions.schema_places import Fault, Node
from schemagen.versions.verification import step_types


class ConversionError(SchemaError):
    """A conversion does not fit the models of its versions. Read by the API author."""


SchemaOf: TypeAlias = Callable[[registry.Version], Schema]


def model_schema(version: registry.Version) -> Schema:
    """Return the schema of a version's model."""
    return schema_coverage.schema_of(version.model)


def check(api: registry.Api, schema_of: SchemaOf = model_schema) -> None:
    """Check every conversion of an API.

    Args:
        api: The API.
        schema_of: Returns the schema of a version; may be cached by the caller.

    Raises:
        ConversionError: naming each fault with kind, versions, field and correction.
    """
    found = [
        f"{kind.name} {older.name} <-> {newer.name}: {fault}"
        for kind in api
        for older, newer in itertools.pairwise(kind.versions)
        for fault in faults(older, newer, schema_of)
    ]
    if found:
        raise ConversionError("\n".join(found))


def faults(
    older: registry.Version,
    newer: registry.Version,
    schema_of: SchemaOf = model_schema,
) -> list[Fault]:
    """Return the errors of the conversion between two adjacent versions."""
    if older.conversion is None:
        return []
    old, new = (schema_places.root(version.name, schema_of(version)) for version in (older, newer))
    walk = walked(older.conversion, old, new)
    found = walk.faults
    if not found:
        found = _tried(walk, older.conversion, old, new)
    return list(dict.fromkeys(found))


def advice(api: registry.Api) -> list[str]:
    """Return a line for each possible improvement of an API's conversions."""
    return [
        f"{kind.name} {older.name} <-> {newer.name}: {version}"
        for kind in api
        for older, newer in itertools.pairwise(kind.versions)
        if older.conversion is not None
        for version in walked(
            older.conversion,
            *(
                schema_places.root(version.name, model_schema(version))
                for version in (older, newer)
            ),
        ).advice
    ]


def walked(conversion: registry.ConversionProtocol, old: Node, new: Node) -> step_types.Walk:
    """Walk the steps of a conversion; functions remain to be tried."""
    walk = step_types.Walk()
    if isinstance(conversion, records.Conversion):
        walk.conversion(conversion, old, new)
    return walk


def _tried(
    walk: step_types.Walk, conversion: registry.ConversionProtocol, old: Node, new: Node
) -> list[Fault]:
    # Generating values needs libraries that take longer to load than the other checks to run.
    from schemagen.versions.verification import function_trials  # noqa: PLC0415 - as above

    if not isinstance(conversion, records.Conversion):
        return function_trials.of_conversion(conversion, old, new)
    return [fault for trial in walk.trials for fault in function_trials.of_step(trial)]
