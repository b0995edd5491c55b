"""Wire types: what a JSON value of a Kubernetes API may be, beyond Python's own types."""

from typing import Annotated, Literal

from pydantic import Field

from schemagen.model import markers

Int32 = Annotated[int, markers.Format("int32")]
Int64 = Annotated[int, markers.Format("int64")]
Timestamp = Annotated[str, markers.Format("date-time")]
"""RFC 3339 with a zone, kept as the string that was written."""
Uri = Annotated[str, markers.Format("uri")]
IntOrString = Annotated[int | str, markers.IntOrString()]

# k8s.io/apimachinery/pkg/api/resource: a signed decimal number with a binary or decimal suffix.
QUANTITY = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"  # noqa: E501 - one pattern
Quantity = Annotated[int | Annotated[str, Field(pattern=QUANTITY)], markers.IntOrString()]

# Whole units, largest first; what Go's time.ParseDuration reads too.
DURATION = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"
Duration = Annotated[str, Field(min_length=2, max_length=32, pattern=DURATION)]
"""A span of time in whole seconds: ``1h30m``, ``45s``."""

# metav1.Condition
CONDITION_TYPE = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
)
CONDITION_REASON = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
ConditionStatus = Literal["True", "False", "Unknown"]
