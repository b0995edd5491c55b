"""Who leads, from the controller's Lease. Pure."""

import datetime as dt
from typing import Final

from controllers import kube

# Tolerated clock skew to the controller before a Lease counts as expired.
_MAX_SKEW: Final = dt.timedelta(seconds=10)


def holder(lease: kube.JSON) -> str:
    """Return the identity of the leader; empty if there is none."""
    return str((lease.get("spec") or {}).get("holderIdentity") or "")


def silent_since(lease: kube.JSON, now: dt.datetime) -> dt.datetime | None:
    """Return the last renewal of an expired Lease: the leader died, or cannot write."""
    spec = lease.get("spec") or {}
    renewed = kube.time_of(spec.get("renewTime") or "")
    if renewed is None or not spec.get("holderIdentity"):
        return None
    held = dt.timedelta(seconds=spec.get("leaseDurationSeconds") or 0)
    return renewed if renewed + held + _MAX_SKEW < now else None
