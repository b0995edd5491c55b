"""Leases by which replicas announce what they serve and that they live. Shell: cluster, clocks.

Liveness follows from how long a Lease has not changed by the local clock, never from comparing
clocks of two machines.
"""

import datetime as dt
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from certs import injector, rotation, rotation_secret
from controllers import kube

_STALE_FACTOR: Final = 10  # lease durations after which a dead replica's Lease is deleted
_log = logging.getLogger(__name__)


class ReplicaLeases:
    """The Leases of the replicas that share a Secret.

    Args:
        client: Needs all verbs on Leases in the Secret's namespace.
        secret_name: Namespace and name of the Secret.
        identity: Unique name of this replica.
        names: DNS names and IP addresses of the serving certificate.
        lease_seconds: A replica whose Lease was not renewed for this long is considered dead.
        now: Aware UTC time.
        clock: Monotonic seconds that include suspend.

    Attributes:
        announced: Generation of the CA whose certificate this replica announced last.
        others_names: Server names of the live replicas; None if one of them reports none.
    """

    def __init__(
        self,
        client: kube.Client,
        secret_name: tuple[str, str],
        identity: str,
        names: Collection[str],
        *,
        lease_seconds: float,
        now: Callable[[], dt.datetime],
        clock: Callable[[], float],
    ) -> None:
        self._client, self._identity, self._names = client, identity, names
        self._namespace, self._name = secret_name
        self._lease_seconds = lease_seconds
        self._now, self._clock = now, clock
        self.announced: rotation.Generation | None = None
        self.others_names: set[str] | None = set()
        self._renewed = float("-inf")
        self._seen: dict[str, tuple[str, float]] = {}

    @property
    def _lease_name(self) -> str:
        return f"{self._name}-{self._identity}"

    @property
    def unrenewed_seconds(self) -> float:
        """Time since this replica's Lease was renewed; infinite before the first time."""
        return self._clock() - self._renewed

    async def renew(self, generation: rotation.Generation) -> None:
        """Announce that this replica serves a certificate of a CA, or is about to."""
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": self._lease_name,
                "namespace": self._namespace,
                "labels": {rotation_secret.LABEL: self._name},
                "annotations": {
                    rotation_secret.GENERATION: str(generation),
                    rotation_secret.SERVER_NAMES: " ".join(self._names),
                },
            },
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": max(1, round(self._lease_seconds)),
                "renewTime": kube.micro_time(self._now()),
            },
        }
        # Taken before the request: the time others observe may be older, but never newer.
        renewed = self._clock()
        await self._client.apply(
            kube.LEASES, body, field_manager=injector.FIELD_MANAGER, force=True
        )
        self._renewed, self.announced = renewed, generation

    async def delete(self) -> None:
        """Delete this replica's Lease."""
        try:
            await self._client.delete(
                kube.LEASES, self._lease_name, namespace=self._namespace, deadline_seconds=2
            )
        except (kube.KubeError, OSError):
            _log.info("failed to delete the Lease, leaving it to expire")

    async def has_others(self) -> bool:
        """Return whether another replica is live, by its Lease; called before any was observed."""
        oldest = self._now() - dt.timedelta(seconds=self._lease_seconds)
        return any(
            lease["metadata"]["name"] != self._lease_name
            and (rotation_secret.time((lease.get("spec") or {}).get("renewTime")) or oldest)
            > oldest
            for lease in await self._leases()
        )

    async def serving(self) -> Mapping[str, rotation.Generation]:
        """Return live replicas: those whose Lease was renewed recently by this replica's clock."""
        current: dict[str, rotation.Generation] = {}
        now, seen, live = self._clock(), {}, []
        for lease in await self._leases():
            name, version = lease["metadata"]["name"], lease["metadata"]["resourceVersion"]
            known = self._seen.get(name)
            since = known[1] if known is not None and known[0] == version else now
            seen[name] = version, since
            if now - since <= self._lease_seconds:
                annotations = lease["metadata"].get("annotations") or {}
                generation = str(annotations.get(rotation_secret.GENERATION, ""))
                current[name] = int(generation) if generation.isdecimal() else 0
                live.append(lease)
            elif now - since > _STALE_FACTOR * self._lease_seconds:
                await self._client.delete(kube.LEASES, name, namespace=self._namespace)
        self._seen = seen
        self.others_names = _server_names(live)
        return current

    async def _leases(self) -> list[kube.JSON]:
        current = await self._client.list(
            kube.LEASES, namespace=self._namespace, labels=f"{rotation_secret.LABEL}={self._name}"
        )
        return [*current.items]


def _server_names(leases: Sequence[kube.JSON]) -> set[str] | None:
    """Return the server names in the replicas' Leases; None if one reports none."""
    current = [
        (lease["metadata"].get("annotations") or {}).get(rotation_secret.SERVER_NAMES)
        for lease in leases
    ]
    return None if None in current else {name for text in current for name in str(text).split()}
