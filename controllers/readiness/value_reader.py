"""Reads Secrets and ConfigMaps that objects name, one by one. Shell: reads of the cluster."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from controllers import kube
from controllers.readiness.references import SECRET, Denied
from crds.admission import patterns

Values: TypeAlias = Mapping[str, bytes] | Denied | None
"""The values of a Secret or ConfigMap by key; None if it does not exist."""


class ValueReader:
    """Reads by name: no right to list Secrets is needed, and none is cached.

    Args:
        client: May get the objects, or is refused.
        secrets: Patterns of NAMESPACE/NAME of the Secrets that may be read: others are not asked
            for, because the API server would refuse it each time.
    """

    def __init__(self, client: kube.Client, secrets: Sequence[str]) -> None:
        self._client, self._secrets = client, tuple(secrets)

    async def values(self, namespace: str, kind: str, name: str) -> Values:
        """Return the values of an object."""
        if kind == SECRET and not patterns.matching([f"{namespace}/{name}"], self._secrets):
            return Denied.DENIED
        resource = kube.SECRETS if kind == SECRET else kube.CONFIG_MAPS
        try:
            found = await self._client.get(resource, name, namespace=namespace)
        except (kube.NotFoundError, kube.AddressError):
            return None
        except kube.ForbiddenError:
            return Denied.DENIED
        return kube.values_of(resource, found)
