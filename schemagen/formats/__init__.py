"""The API server's ``format`` checks: a predicate for each."""

from schemagen.formats.numbers import (
    decoded,
    is_json_integer,
    is_number,
    range_problem,
    type_problem,
)
from schemagen.formats.strings import STRING_FORMATS, is_known, is_string_format

__all__ = [
    "STRING_FORMATS",
    "decoded",
    "is_json_integer",
    "is_known",
    "is_number",
    "is_string_format",
    "range_problem",
    "type_problem",
]
