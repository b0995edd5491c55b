"""The CRD in the cluster: reads it, and writes it only if nobody else has meanwhile. Shell."""

import asyncio
import time
from typing import Final

from schemagen.compat import clusters
from schemagen.migrate.requests.attempts import Attempts
from schemagen.migrate.requests.failures import Failure
from schemagen.migrate.storage import crd, rewriting, state
from schemagen.problems import JSON, UserError

_CRDS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
_IDENTITY: Final = "apiserver.kubernetes.io/identity=kube-apiserver"
_MERGE: Final = "application/merge-patch+json"
_QUERY: Final = (("fieldManager", rewriting.FIELD_MANAGER),)
# Every API server follows a CRD by a watch of its own, usually within milliseconds.
_SETTLE_SECONDS: Final = 1.0
_SETTLE_SECONDS_OF_SEVERAL: Final = 10.0
_FOLLOW_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.2


class ChangedError(UserError):
    """Someone else has changed the CRD; the migration has to look again."""


class Installed:
    """A CRD in a cluster.

    Args:
        attempts: Sends the requests.
        name: Its name.
    """

    def __init__(self, attempts: Attempts, name: str) -> None:
        self._attempts, self._name = attempts, name
        self._path = f"{_CRDS}/{name}"

    async def read(self) -> JSON:
        """Return the CRD.

        Raises:
            clusters.NotFoundError: if the cluster has none.
        """
        return await self._attempts.get_object(self._path, self._name)

    async def write(self, before: JSON, after: JSON) -> JSON:
        """Write the versions, the conversion and the annotations of the CRD as read before.

        Raises:
            ChangedError: if someone else has written it since.
        """
        body = {
            "metadata": {
                "resourceVersion": before["metadata"]["resourceVersion"],
                "annotations": after["metadata"].get("annotations") or None,
            },
            "spec": {
                name: after["spec"].get(name)
                for name in ("versions", "conversion")
                if after["spec"].get(name) != before["spec"].get(name)
            },
        }
        return await self._patch(self._path, body)

    async def save(self, definition: JSON, value: state.State) -> JSON:
        """Write the state into the annotation of the CRD as read before."""
        return await self.write(definition, crd.with_state(definition, value))

    async def prune(self, definition: JSON, target: str) -> JSON:
        """Write the target as the only stored version of the CRD as read before."""
        body = {
            "metadata": {"resourceVersion": definition["metadata"]["resourceVersion"]},
            "status": {"storedVersions": [target]},
        }
        return await self._patch(f"{self._path}/status", body)

    async def _patch(self, path: str, body: JSON) -> JSON:
        answer = await self._attempts.send(
            clusters.Write("PATCH", path, body, _MERGE, _QUERY), self._name
        )
        if answer.value is not None:
            return answer.value
        message = f"expected to write {self._name}, got: {answer.cause}"
        if answer.failure is not Failure.CONFLICT:
            raise clusters.ClusterError(message, cause=answer.cause)
        # An attempt whose answer was lost may have been carried out.
        current = await self.read()
        if answer.is_repeated and _has(current, body):
            return current
        raise ChangedError(message)

    async def follow(self, definition: JSON, version: str) -> None:
        """Wait until the API server serves a version, and knows whether it is the storage version.

        Raises:
            clusters.ClusterError: if it does not within a minute.
        """
        group, plural = definition["spec"]["group"], definition["spec"]["names"]["plural"]
        is_stored = crd.storage(definition) == version
        deadline = time.monotonic() + _FOLLOW_SECONDS
        while True:
            known = await self._attempts.get(f"/apis/{group}/{version}")
            found = [resource for resource in known["resources"] if resource["name"] == plural]
            if found and bool(found[0].get("storageVersionHash")) == is_stored:
                break
            if time.monotonic() > deadline:
                message = (
                    f"expected {version} of {self._name} in discovery within "
                    f"{_FOLLOW_SECONDS:.0f} s, got none"
                )
                raise clusters.ClusterError(message)
            await asyncio.sleep(_POLL_SECONDS)
        await asyncio.sleep(await self._settle_seconds())

    async def _settle_seconds(self) -> float:
        """Return how long all API servers are given to follow the CRD."""
        try:
            leases = await self._attempts.get_object(
                f"{_LEASES}?labelSelector={_IDENTITY}", "leases"
            )
        except clusters.ClusterError:
            return _SETTLE_SECONDS_OF_SEVERAL
        is_single = len(leases["items"]) == 1
        return _SETTLE_SECONDS if is_single else _SETTLE_SECONDS_OF_SEVERAL


def _has(current: JSON, body: JSON) -> bool:
    """Return whether an object has what a merge patch sets, besides its resourceVersion."""
    if not isinstance(body, dict):
        return bool(current == body)
    return isinstance(current, dict) and all(
        _has(current.get(name), item) for name, item in body.items() if name != "resourceVersion"
    )
