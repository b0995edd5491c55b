"""Objects that rules want to know besides the one under review, read from the API server.

Shell: a client of the API server and a clock. What was read is believed for some seconds: an
agent's policy counts again when its run starts, so that a change in between goes unnoticed by none.
"""

import asyncio
import collections
import dataclasses
import pathlib
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from controllers import kube
from schemagen import Api
from schemagen.problems import JSON
from webhooks.routes import UnreadableError

BELIEVED_SECONDS: Final = 5.0
DEADLINE_SECONDS: Final = 2.0
MOST_KEPT: Final = 10_000

Name = tuple[str, str]
"""A kind, and an object's name."""

# Kinds of Kubernetes that rules may ask for beside the API's own. What is there is read each time:
# they are asked for because they may have been made a moment ago.
BUILT_IN: Final = {one.kind: one for one in (kube.LEASES, kube.CONFIG_MAPS)}


def client_of(kubeconfig: pathlib.Path | None) -> kube.Client:
    """The client of the cluster that a kubeconfig, or the environment, names.

    Raises:
        UnreadableError: if that says nothing that can be used.
    """
    try:
        if kubeconfig is None:
            return kube.Client.from_environment()
        return kube.Client.from_kubeconfig(kubeconfig)
    except kube.KubeError as error:
        raise UnreadableError(str(error)) from error


@dataclasses.dataclass(frozen=True)
class _Read:
    value: JSON | None
    until: float


class Related:
    """Objects of an API by kind, namespace and name, in the newest version of their kind."""

    def __init__(
        self, client: kube.Client, api: Api, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client, self._api, self._clock = client, api, clock
        self._kinds = {kind.name: kind for kind in api}
        self._known: collections.OrderedDict[tuple[str, str, str], _Read] = (
            collections.OrderedDict()
        )

    async def read(self, namespace: str, names: Iterable[Name]) -> Mapping[Name, JSON]:
        """The objects that are there.

        Raises:
            UnreadableError: if one could not be read: saying which, and why.
        """
        known = self._kinds.keys() | BUILT_IN.keys()
        wanted = [name for name in dict.fromkeys(names) if name[0] in known]
        found = await asyncio.gather(*(self._one(namespace, *name) for name in wanted))
        return {name: one for name, one in zip(wanted, found, strict=True) if one is not None}

    async def _one(self, namespace: str, kind_name: str, name: str) -> JSON | None:
        if kind_name not in self._kinds:
            return await self._get(BUILT_IN[kind_name], namespace, name)
        key, now = (kind_name, namespace, name), self._clock()
        known = self._known.get(key)
        if known is None or known.until <= now:
            kind = self._kinds[kind_name]
            resource = kube.Resource(self._api.group, kind.hub.name, kind.plural, kind.name)
            place = None if kind.scope == "Cluster" else namespace
            value = await self._get(resource, place, name)
            known = self._known[key] = _Read(value, now + BELIEVED_SECONDS)
            self._known.move_to_end(key)
            if len(self._known) > MOST_KEPT:
                self._known.popitem(last=False)
        return known.value

    async def _get(self, resource: kube.Resource, namespace: str | None, name: str) -> JSON | None:
        try:
            return await self._client.get(
                resource, name, namespace=namespace, deadline_seconds=DEADLINE_SECONDS
            )
        except kube.NotFoundError:
            return None
        except (kube.KubeError, OSError, TimeoutError) as error:
            raise UnreadableError(
                f"expected to read {resource.kind} {name} in {namespace}, which a rule asks for; "
                f"got {error}: try again"
            ) from error
