"""Who has an idempotency key: the name of the claim on it, and what a claim says. Pure."""

from typing import Final

from crds import hub, names
from schemagen import canonical
from schemagen.problems import JSON

CLAIM_KIND: Final = "Lease"
"""A claim is a Lease (coordination.k8s.io/v1) that the run owns."""


RUN_KIND: Final = "AgentRun"


def claim_name(namespace: str, agent: str, key: str) -> str:
    """The name of the claim on a key, whose scope is the namespace and the agent."""
    return f"idem-{names.short(canonical.dumps([namespace, agent, key]))}"


def owner(claim: JSON) -> tuple[str, str]:
    """Name and uid of the run that has a claim; empty where it says none.

    Another group may have a kind of the same name: the owner is known by group and kind.
    """
    metadata = claim.get("metadata") if isinstance(claim, dict) else None
    owners = metadata.get("ownerReferences") if isinstance(metadata, dict) else None
    for one in owners if isinstance(owners, list) else ():
        if isinstance(one, dict) and _is_run(one):
            return str(one.get("name") or ""), str(one.get("uid") or "")
    return "", ""


def _is_run(owner: dict[str, JSON]) -> bool:
    group = str(owner.get("apiVersion") or "").rpartition("/")[0]
    return group == hub.GROUP and owner.get("kind") == RUN_KIND
