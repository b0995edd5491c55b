"""Keywords that are null: the API server reads them as absent. Pure."""

from typing import Final

from schemagen.problems import JSON

# Keywords whose values are data, in which null has a meaning.
_DATA: Final = frozenset({"default", "enum", "example"})


def without_nulls(value: JSON, *, is_map: bool = False) -> JSON:
    """Return a schema or CRD without keywords that are null.

    Args:
        value: A schema, a list of some, or a CRD; anything else is returned as it is.
        is_map: Whether it is a map of schemas by name.
    """
    if isinstance(value, list):
        return [*map(without_nulls, value)]
    if not isinstance(value, dict):
        return value
    return {
        word: part
        if word in _DATA and not is_map
        else without_nulls(part, is_map=word == "properties" and not is_map)
        for word, part in value.items()
        if part is not None
    }
