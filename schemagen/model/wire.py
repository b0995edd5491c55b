"""Wire types: JSON values of Kubernetes APIs beyond Python's own types.

Each accepts exactly what the API server accepts: ``1.0`` is an integer and ``true`` is not, a time
needs its zone, an address keeps its notation.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemagen.model import markers

Int32 = Annotated[int, markers.Format("int32")]
Int64 = Annotated[int, markers.Format("int64")]
Timestamp = Annotated[str, markers.Format("date-time")]
"""RFC 3339 with a zone, kept as the original string."""
Date = Annotated[str, markers.Format("date")]
"""RFC 3339's full-date: ``2026-02-28``."""
GoDuration = Annotated[str, markers.Format("duration")]
"""A duration in Go's syntax or looser: ``1h30m``, ``22 ns``, ``3 days``; see also Duration."""
Uri = Annotated[str, markers.Format("uri")]
"""A request URI of Go's net/url: absolute, or an absolute path."""
Email = Annotated[str, markers.Format("email")]
Hostname = Annotated[str, markers.Format("hostname")]
IPv4 = Annotated[str, markers.Format("ipv4")]
IPv6 = Annotated[str, markers.Format("ipv6")]
Cidr = Annotated[str, markers.Format("cidr")]
Mac = Annotated[str, markers.Format("mac")]
Uuid = Annotated[str, markers.Format("uuid")]
"""With or without dashes, in either case; no braces."""
Base64 = Annotated[str, markers.Format("byte")]
ShortName = Annotated[str, markers.Format("k8s-short-name")]
"""Up to 63 characters: a lowercase DNS label."""
LongName = Annotated[str, markers.Format("k8s-long-name")]
"""Up to 253 characters: a lowercase DNS subdomain."""
IntOrString = Annotated[int | str, markers.IntOrString()]

# k8s.io/apimachinery/pkg/api/resource: a signed decimal number with a binary or decimal suffix.
QUANTITY = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"  # noqa: E501 - one pattern
Quantity = Annotated[int | Annotated[str, Field(pattern=QUANTITY)], markers.IntOrString()]

# Whole units, largest first; also accepted by Go's time.ParseDuration.
DURATION = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"
Duration = Annotated[str, Field(min_length=2, max_length=32, pattern=DURATION)]
"""A duration in whole seconds: ``1h30m``, ``45s``."""

# metav1.Condition
CONDITION_TYPE = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
)
CONDITION_REASON = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
ConditionStatus = Literal["True", "False", "Unknown"]
