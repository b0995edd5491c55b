"""The API server's validation of values, in Python, used by models."""

import functools

from schemagen import canonical
from schemagen.checking.checker import Checked, Checker
from schemagen.checking.normalization import NormalizedObject
from schemagen.model import base, registry
from schemagen.schema import structural
from schemagen.schema.keywords import Schema


@functools.cache
def of(model: type[base.Model]) -> Checker:
    """Return the checker of a model's schema.

    Raises:
        structural.SchemaError: if the model cannot be expressed as a schema.
    """
    schema = structural.schema_of(model, descriptions=False)
    return Checker(schema, is_root=issubclass(model, base.Resource))


_OF_KEYWORDS: dict[bytes, Checker] = {}


def of_keywords(schema: Schema) -> Checker:
    """Return the checker of a schema without a model, such as a wire type's."""
    key = canonical.dumps(schema)
    if key not in _OF_KEYWORDS:
        _OF_KEYWORDS[key] = Checker(schema)
    return _OF_KEYWORDS[key]


@functools.cache
def of_version(version: registry.Version) -> Checker:
    """Return the checker of a version: its model's schema and its scale subresource."""
    schema = structural.schema_of(version.model, descriptions=False)
    return Checker(schema, is_root=True, scale=version.scale)


__all__ = ["Checked", "Checker", "NormalizedObject", "of", "of_keywords", "of_version"]
