"""Toolkit for declaring a Kubernetes API: Pydantic models in, CRDs and conversions out.

Pure except for ``cli``, ``judge`` and modules whose docstring says "Shell"; imports no other
package of this project.

>>> from schemagen import Api, Cel, Kind, Resource, Spec, Version
>>> class WidgetSpec(Spec, rules=[Cel("self.min <= self.max", "min must not exceed max")]):
...     "Desired state of a widget."
...     min: int = 0
...     max: int = 10
>>> class Widget(Resource):
...     "An example kind."
...     spec: WidgetSpec
>>> api = Api("example.com", (Kind("Widget", "widgets", (Version("v1", Widget, storage=True),)),))
>>> head = {"apiVersion": "example.com/v1", "kind": "Widget"}
>>> Widget.model_validate({**head, "spec": {"min": 3}}).spec.max
10
>>> Widget.model_validate({**head, "spec": {"min": 30}})
Traceback (most recent call last):
    ...
pydantic_core._pydantic_core.ValidationError: ...
"""

# First, so that Ctrl-C shows no traceback while the rest is imported.
from schemagen import interrupts as _interrupts  # noqa: F401

# isort: split

import importlib
from typing import TYPE_CHECKING, Any, cast

from schemagen.model import checker_provider, wire
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
    Keywords,
    ListMap,
    ListSet,
    MaxBytes,
    MaxDescription,
    MaxEntries,
    Nullable,
    Policy,
    PreserveUnknown,
    Scale,
    Secret,
    Type,
    at_least_one_of,
    at_most_one_of,
    exactly_one_of,
)
from schemagen.model.registry import (
    Api,
    ExternalConversion,
    Facts,
    Kind,
    NotLookedUpError,
    Rules,
    User,
    Version,
)
from schemagen.problems import Cause, FieldPath, Problem, Reason

if TYPE_CHECKING:
    from schemagen.judge import Judge
    from schemagen.versions import records, steps
    from schemagen.versions.records import Conversion

checker_provider.provide(
    lambda: cast("checker_provider.Checks", importlib.import_module("schemagen.checking"))
)

__all__ = [
    "Api",
    "Atomic",
    "Cause",
    "Cel",
    "Column",
    "Condition",
    "Conversion",
    "EmbeddedResource",
    "ExternalConversion",
    "ExternalDocs",
    "Facts",
    "FieldPath",
    "Format",
    "Granular",
    "Immutable",
    "IntOrString",
    "JSONObject",
    "Judge",
    "Keywords",
    "Kind",
    "ListMap",
    "ListSet",
    "LocalRef",
    "MaxBytes",
    "MaxDescription",
    "MaxEntries",
    "Model",
    "NotLookedUpError",
    "Nullable",
    "ObjectMeta",
    "Policy",
    "PreserveUnknown",
    "Problem",
    "Reason",
    "Resource",
    "Rules",
    "Scale",
    "Secret",
    "Spec",
    "Status",
    "Type",
    "User",
    "Version",
    "at_least_one_of",
    "at_most_one_of",
    "exactly_one_of",
    "records",
    "steps",
    "wire",
]


_LATER = {
    "Conversion": ("schemagen.versions.records", "Conversion"),
    "Judge": ("schemagen.judge", "Judge"),
    "records": ("schemagen.versions.records", None),
    "steps": ("schemagen.versions.steps", None),
}


def __getattr__(name: str) -> Any:
    """Import rarely used submodules on first access."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _LATER[name]
    loaded = importlib.import_module(module)
    return loaded if attribute is None else getattr(loaded, attribute)
