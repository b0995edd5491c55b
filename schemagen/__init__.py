"""The toolkit a Kubernetes API is declared with: Pydantic models in, CRDs and conversions out.

Pure but for ``cli``, ``files``, ``agreement`` and ``judge``; imports nothing else of this project.
"""

import importlib
from typing import TYPE_CHECKING, Any, cast

from schemagen.model import verdicts, wire
from schemagen.model.base import (
    Condition,
    JSONObject,
    LocalRef,
    Model,
    ObjectMeta,
    Resource,
    Spec,
    Status,
)
from schemagen.model.markers import (
    Atomic,
    Cel,
    Column,
    EmbeddedResource,
    ExternalDocs,
    Format,
    Granular,
    Immutable,
    IntOrString,
    ListMap,
    ListSet,
    MaxBytes,
    MaxDescription,
    MaxEntries,
    Nullable,
    Policy,
    PreserveUnknown,
    Scale,
    Type,
    at_least_one_of,
    at_most_one_of,
    exactly_one_of,
)
from schemagen.model.registry import Api, Conversion, Facts, Kind, Rules, Version
from schemagen.problems import Cause, FieldPath, Problem, Reason

if TYPE_CHECKING:
    from schemagen.judge import Judge

verdicts.provide(lambda: cast("verdicts.Checks", importlib.import_module("schemagen.checking")))

__all__ = [
    "Api",
    "Atomic",
    "Cause",
    "Cel",
    "Column",
    "Condition",
    "Conversion",
    "EmbeddedResource",
    "ExternalDocs",
    "Facts",
    "FieldPath",
    "Format",
    "Granular",
    "Immutable",
    "IntOrString",
    "JSONObject",
    "Judge",
    "Kind",
    "ListMap",
    "ListSet",
    "LocalRef",
    "MaxBytes",
    "MaxDescription",
    "MaxEntries",
    "Model",
    "Nullable",
    "ObjectMeta",
    "Policy",
    "PreserveUnknown",
    "Problem",
    "Reason",
    "Resource",
    "Rules",
    "Scale",
    "Spec",
    "Status",
    "Type",
    "Version",
    "at_least_one_of",
    "at_most_one_of",
    "exactly_one_of",
    "wire",
]


def __getattr__(name: str) -> Any:
    """Load the judge when it is first asked for: most programs that declare an API never do."""
    if name != "Judge":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module("schemagen.judge").Judge
