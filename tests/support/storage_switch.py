"""AgentRuns stored in one version, rewritten in the other, and back: nothing may change."""

import asyncio
import dataclasses
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import crds
from controllers import kube
from schemagen import Kind, canonical, checking
from schemagen.differential import generation
from schemagen.problems import JSON
from schemagen.schema import structural

Tell = Callable[[int], None]

TOGETHER = 16
_TRIES = 200
_POLL_SECONDS = 0.1


def resource(kind: Kind, version: str) -> kube.Resource:
    """A kind in a version."""
    return kube.Resource(crds.api.group, version, kind.plural, kind.name)


def drawn(kind: Kind, version_name: str, count: int, seed: int) -> list[JSON]:
    """Objects of a version's schema, boundary values in them, that its rules allow."""
    version = kind.version(version_name)
    assert version is not None
    schema = structural.schema_of(version.model, descriptions=False)
    source = random.Random(f"{seed} {kind.name} {version_name}")  # noqa: S311 - nothing secret
    draw, checker = generation.Draw(source), checking.of_version(version)
    found: list[JSON] = []
    while len(found) < count:
        spec = draw.valid(schema["properties"]["spec"])
        value = {
            "apiVersion": crds.api.api_version(version),
            "kind": kind.name,
            "metadata": {"name": f"object-{len(found)}", "namespace": "default"},
            "spec": spec,
        }
        if checker.create(value).allowed:
            found.append(value)
    return found


@dataclasses.dataclass
class Switch:
    """A kind's objects on a cluster whose storage version is changed under them.

    Attributes:
        client: Of the cluster, where the API and its webhooks are installed.
        kind: Which.
        older: The version that is first stored.
    """

    client: kube.Client
    kind: Kind
    older: str

    async def create(self, values: Sequence[JSON], tell: Tell) -> dict[str, bytes]:
        """Create objects; what each is as it was stored, by name."""
        found: dict[str, bytes] = {}

        async def one(value: JSON) -> None:
            stored = await self.client.create(resource(self.kind, self.older), value)
            found[stored["metadata"]["name"]] = told(stored)

        await _all(one, values, tell)
        return found

    async def store_as(self, version: str) -> None:
        """Change the storage version; the API server takes a moment to follow."""
        name = crds.api.crd_name(self.kind)
        crd = await self.client.get(kube.CUSTOM_RESOURCE_DEFINITIONS, name)
        for one in crd["spec"]["versions"]:
            one["storage"] = one["name"] == version
        await self.client.replace(kube.CUSTOM_RESOURCE_DEFINITIONS, crd)

    async def rewrite(self, tell: Tell) -> int:
        """Write every object as it is, until each was written anew; how many were.

        Raises:
            TimeoutError: if one is not written anew within 20 s.
        """
        names = [*await self.all()]
        await _all(self._rewrite, names, tell)
        return len(names)

    async def _rewrite(self, name: str) -> None:
        for _ in range(_TRIES):
            if await self._is_rewritten(name):
                return
            await asyncio.sleep(_POLL_SECONDS)
        raise TimeoutError(f"expected {name} to be written anew after 20 s")

    async def all(self) -> dict[str, bytes]:
        """What each object is, by name, in the version that was first stored."""
        listed = await self.client.list(resource(self.kind, self.older), namespace="default")
        return {one["metadata"]["name"]: told(one) for one in listed.items}

    async def _is_rewritten(self, name: str) -> bool:
        """Write an object unchanged; etcd is written only if it holds another version's bytes.

        In the older version: an object that breaks a rule of the newer one cannot be written there
        where it holds free-form fields, which ratcheting never takes for unchanged (KEP-4008).
        """
        older = resource(self.kind, self.older)
        before = await self.client.get(older, name, namespace="default")
        after = await self.client.replace(older, before)
        return bool(before["metadata"]["resourceVersion"] != after["metadata"]["resourceVersion"])


def told(value: JSON) -> bytes:
    """What a user said with an object: not what the API server keeps about it."""
    metadata = {name: value["metadata"].get(name) for name in ("name", "labels", "annotations")}
    rest = {name: one for name, one in value.items() if name != "metadata"}
    return canonical.dumps({**rest, "metadata": metadata})


async def _all(one: Callable[[Any], Awaitable[None]], values: Iterable[Any], tell: Tell) -> None:
    """Do one thing to all, some at once."""
    limit = asyncio.Semaphore(TOGETHER)

    async def limited(value: Any) -> None:
        async with limit:
            await one(value)
        tell(1)

    async with asyncio.TaskGroup() as group:
        for value in values:
            group.create_task(limited(value))
