"""The toolkit a Kubernetes API is declared with: Pydantic models in, CRDs and conversions out.

Pure but for ``cli``, ``files`` and ``judge``; imports nothing else of this project.
"""

from schemagen.model.base import Condition, LocalRef, Model, ObjectMeta, Resource, Spec, Status
from schemagen.model.markers import (
    Atomic,
    Cel,
    Column,
    Format,
    ListMap,
    ListSet,
    MaxBytes,
    MaxEntries,
    Scale,
    at_least_one_of,
    at_most_one_of,
    exactly_one_of,
)
from schemagen.model.registry import Api, Conversion, Facts, Kind, Rules, Version
from schemagen.problems import FieldPath, Problem, Reason

__all__ = [
    "Api",
    "Atomic",
    "Cel",
    "Column",
    "Condition",
    "Conversion",
    "Facts",
    "FieldPath",
    "Format",
    "Kind",
    "ListMap",
    "ListSet",
    "LocalRef",
    "MaxBytes",
    "MaxEntries",
    "Model",
    "ObjectMeta",
    "Problem",
    "Reason",
    "Resource",
    "Rules",
    "Scale",
    "Spec",
    "Status",
    "Version",
    "at_least_one_of",
    "at_most_one_of",
    "exactly_one_of",
]
