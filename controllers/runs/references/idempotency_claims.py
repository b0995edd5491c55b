"""Idempotency keys: the creator of the claim owns the key. Shell: the cluster.

A claim is a Lease whose name is derived from the scope (namespace, agent, key); its creation is the
atomic test. The run owns it, so that garbage collection frees the key with the run.
"""

from typing import Final

from controllers import kube
from controllers.runs import naming, projections
from controllers.runs.planner.observation import Claim
from crds import idempotency

HASH_ANNOTATION: Final = f"{naming.GROUP}/payload-hash"


async def claim(client: kube.Client, run: projections.Run, payload_hash: str) -> Claim:
    """Claim a run's key, unless another run has it.

    Args:
        client: May create and get Leases.
        run: A run with an idempotency key.
        payload_hash: Hash of the run's inputs, to detect another payload for the key.
    """
    body = lease(run, payload_hash)
    name, namespace = body["metadata"]["name"], body["metadata"]["namespace"]
    while True:
        try:
            await client.create(kube.LEASES, body)
        except kube.AlreadyExistsError:
            pass
        else:
            return Claim(is_mine=True)
        try:
            existing = await client.get(kube.LEASES, name, namespace=namespace)
        except kube.NotFoundError:
            continue  # its run was just deleted, which freed the key
        holder, uid = idempotency.owner(existing)
        if uid == run.metadata.uid:
            return Claim(is_mine=True)
        if await _is_orphan(client, namespace, holder, uid):
            await _remove(client, existing)
            continue
        return Claim(is_mine=False, holder=holder)


async def _is_orphan(client: kube.Client, namespace: str, holder: str, uid: str) -> bool:
    """Return whether the run of a claim is deleted, and garbage collection is late."""
    if not holder:
        return True
    try:
        run = await client.get(projections.RUNS, holder, namespace=namespace)
    except kube.NotFoundError:
        return True
    return bool(run["metadata"]["uid"] != uid)


async def _remove(client: kube.Client, existing: kube.JSON) -> None:
    metadata = existing["metadata"]
    try:
        await client.delete(
            kube.LEASES, metadata["name"], namespace=metadata["namespace"], uid=metadata["uid"]
        )
    except (kube.NotFoundError, kube.ConflictError):
        return


def lease(run: projections.Run, payload_hash: str) -> kube.JSON:
    """Return the claim of a run on its key."""
    metadata = run.metadata
    agent, key = run.spec.agent_ref.name, run.spec.idempotency_key
    return {
        "apiVersion": kube.LEASES.api_version,
        "kind": kube.LEASES.kind,
        "metadata": {
            "name": idempotency.claim_name(metadata.namespace, agent, key),
            "namespace": metadata.namespace,
            "labels": {naming.RUN_LABEL: metadata.uid},
            "annotations": {HASH_ANNOTATION: payload_hash},
            "ownerReferences": [projections.owner(metadata.name, metadata.uid)],
        },
        "spec": {"holderIdentity": metadata.name},
    }
