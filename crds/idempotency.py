"""Who has an idempotency key: the name of the claim on it, and what a claim says. Pure."""

import base64
import hashlib
from typing import Final

from schemagen import canonical
from schemagen.problems import JSON

CLAIM_KIND: Final = "Lease"
"""A claim is a Lease (coordination.k8s.io/v1) that the run owns."""


def claim_name(namespace: str, agent: str, key: str) -> str:
    """The name of the claim on a key, whose scope is the namespace and the agent."""
    hashed = hashlib.sha256(canonical.dumps([namespace, agent, key])).digest()
    return f"idem-{base64.b32encode(hashed).decode().lower()[:20]}"


def owner(claim: JSON) -> tuple[str, str]:
    """Name and uid of the run that has a claim; empty where it says none."""
    metadata = claim.get("metadata") if isinstance(claim, dict) else None
    owners = metadata.get("ownerReferences") if isinstance(metadata, dict) else None
    first = owners[0] if isinstance(owners, list) and owners else None
    if not isinstance(first, dict):
        return "", ""
    return str(first.get("name") or ""), str(first.get("uid") or "")
