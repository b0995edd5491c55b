"""Claims on idempotency keys: their names and owners. Pure."""

from typing import Final

from crds import hub, names
from schemagen import canonical
from schemagen.problems import JSON

CLAIM_KIND: Final = "Lease"
"""A claim is a Lease (coordination.k8s.io/v1) that the run owns."""


RUN_KIND: Final = "AgentRun"


def claim_name(namespace: str, agent: str, key: str) -> str:
    """Return the name of the claim on a key, scoped to namespace and agent."""
    return f"idem-{names.short(canonical.dumps([namespace, agent, key]))}"


def owner(claim: JSON) -> tuple[str, str]:
    """Return name and UID of the run that owns a claim; empty without an owner.

    The owner is matched by group and kind: another group may have a kind of the same name.
    """
    metadata = claim.get("metadata") if isinstance(claim, dict) else None
    owners = metadata.get("ownerReferences") if isinstance(metadata, dict) else None
    for reference in owners if isinstance(owners, list) else ():
        if isinstance(reference, dict) and _is_run(reference):
            return str(reference.get("name") or ""), str(reference.get("uid") or "")
    return "", ""


def _is_run(owner: dict[str, JSON]) -> bool:
    group = str(owner.get("apiVersion") or "").rpartition("/")[0]
    return group == hub.GROUP and owner.get("kind") == RUN_KIND
