"""Reads the objects that rules need besides the one under review, from the API server.

Shell: an API server client and a clock. Objects are cached for some seconds: an agent's policy is
checked again when its run starts, so a change in between is still noticed. A missing object is
never cached: clients that create an object and then one that refers to it must not wait.
"""

import asyncio
import collections
import dataclasses
import pathlib
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Unpack

from controllers import kube
from schemagen import Api, Kind, Version
from schemagen.problems import JSON
from webhooks.cluster.api_resources import resource_of
from webhooks.reviewer import UnreadableError

CACHE_SECONDS: Final = 5.0
DEADLINE_SECONDS: Final = 2.0
# Users decide how large an object is; without the cache a worker takes about 100 MB.
MAX_CACHED_BYTES: Final = 32 * 1024 * 1024

Name = tuple[str, str]
"""Kind and name of an object."""

# Built-in kinds that rules may read besides the API's own. They are never cached: rules need them
# because they may have been created a moment ago.
BUILT_IN: Final = {resource.kind: resource for resource in (kube.LEASES, kube.CONFIG_MAPS)}


def client_of(kubeconfig: pathlib.Path | None, **options: Unpack[kube.Options]) -> kube.Client:
    """Create a client from a kubeconfig or the environment.

    Raises:
        UnreadableError: The configuration is unusable.
    """
    try:
        if kubeconfig is None:
            return kube.Client.from_environment(**options)
        return kube.Client.from_kubeconfig(kubeconfig, **options)
    except kube.KubeError as error:
        raise UnreadableError(str(error)) from error


@dataclasses.dataclass(frozen=True)
class _Read:
    value: JSON
    until: float
    size_bytes: int


class Related:
    """Objects of an API by kind, namespace and name, in the newest version of their kind."""

    def __init__(
        self, client: kube.Client, api: Api, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client, self._api, self._clock = client, api, clock
        self._kinds = {kind.name: kind for kind in api}
        self._read_anew = {name for kind in api for name in kind.rules.read_anew}
        self._known: collections.OrderedDict[tuple[str, str, str], _Read] = (
            collections.OrderedDict()
        )
        self._kept_bytes = 0

    async def read(self, namespace: str, names: Iterable[Name]) -> Mapping[Name, JSON | None]:
        """Return the objects of these names, None for each that does not exist.

        Names of kinds that cannot be read have no entry.

        Raises:
            UnreadableError: An object could not be read.
        """
        known = self._kinds.keys() | BUILT_IN.keys()
        requested = [name for name in dict.fromkeys(names) if name[0] in known]
        objects = await asyncio.gather(*(self._cached(namespace, *name) for name in requested))
        return dict(zip(requested, objects, strict=True))

    async def fetch(self, kind: Kind, version: Version, namespace: str, name: str) -> JSON | None:
        """Return an object in a version, uncached; None if it does not exist.

        Raises:
            UnreadableError: It could not be read.
        """
        return await self._get(resource_of(self._api, kind, version.name), namespace, name)

    async def _cached(self, namespace: str, kind_name: str, name: str) -> JSON | None:
        if kind_name not in self._kinds:
            return await self._get(BUILT_IN[kind_name], namespace, name)
        kind = self._kinds[kind_name]
        key, now = (kind_name, "" if kind.scope == "Cluster" else namespace, name), self._clock()
        known = self._known.get(key)
        if known is not None and known.until > now:
            return known.value
        value = await self._get(resource_of(self._api, kind, kind.hub.name), namespace, name)
        self._drop(key)
        if value is not None and kind_name not in self._read_anew:
            self._keep(key, _Read(value, now + CACHE_SECONDS, kube.memory_bytes(value)))
        return value

    def _keep(self, key: tuple[str, str, str], read: _Read) -> None:
        self._known[key] = read
        self._kept_bytes += read.size_bytes
        while self._kept_bytes > MAX_CACHED_BYTES:
            self._drop(next(iter(self._known)))

    def _drop(self, key: tuple[str, str, str]) -> None:
        dropped = self._known.pop(key, None)
        self._kept_bytes -= dropped.size_bytes if dropped else 0

    async def _get(self, resource: kube.Resource, namespace: str, name: str) -> JSON | None:
        if resource.namespaced and not namespace:
            raise UnreadableError(
                f"expected a namespace to read {resource.kind} {name} from, got none: rules of a "
                "cluster-scoped kind can read only cluster-scoped objects"
            )
        place = namespace if resource.namespaced else None
        try:
            return await self._client.get(
                resource, name, namespace=place, deadline_seconds=DEADLINE_SECONDS
            )
        except kube.NotFoundError:
            return None
        except (kube.KubeError, OSError, TimeoutError) as error:
            where = f" in {place}" if place else ""
            raise UnreadableError(
                f"expected to read {resource.kind} {name}{where}, which a rule needs, got {error}: "
                "try again"
            ) from error
