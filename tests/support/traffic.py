"""What users of the API do all day, against a real API server, and what went wrong of it."""

import asyncio
import dataclasses
import functools
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import crds
import schemagen
from controllers import kube
from schemagen.versions import graph
from tests.support import manifests

VERSIONS = ("v1alpha1", "v1beta1")
RUN = "AgentRun"
SPECS: dict[str, dict[str, Any]] = {
    "v1alpha1": {"parameters": {"a": "1", "b": "2"}, "secrets": ["github"]},
    "v1beta1": {
        "parameters": [{"name": "a", "value": "1"}],
        "vcs": {"providerRef": {"name": "github"}},
    },
}
LISTED_EVERY = 10
CALL_SECONDS = 20.0
RETRY_SECONDS = 8.0


@dataclasses.dataclass(frozen=True)
class Failed:
    """A call that went wrong, and when (``time.monotonic``)."""

    what: str
    started: float
    ended: float
    error: str

    def __str__(self) -> str:
        return f"{self.what}: {self.error}"


@dataclasses.dataclass
class Traffic:
    """Objects are created, read in the other version, changed, listed and deleted, several at once.

    Attributes:
        client: Of a cluster where the API is installed.
        namespace: Where.
        clients: How many at once.
        kind: Of the objects; implementation specs where a controller writes the status of runs.
        pause_seconds: Each client's, after each run: for a machine that has more to do.
        retries: So often a call is tried again that could not be carried out.
        is_up: Whether the API server runs; no call is tried again before.
        cut: Calls that succeeded only then.
        calls: So many were made.
        failed: Those of them that went wrong, or found something else than was written.
    """

    client: kube.Client
    namespace: str
    clients: int = 8
    kind: str = RUN
    pause_seconds: float = 0.0
    retries: int = 0
    cut: int = 0
    calls: int = 0
    failed: list[Failed] = dataclasses.field(default_factory=list)
    is_up: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.is_up.set()

    async def flow(self, stopped: asyncio.Event) -> None:
        """Make calls until stopped."""
        async with asyncio.TaskGroup() as group:
            for number in range(self.clients):
                group.create_task(self._client(number, stopped))

    async def _client(self, number: int, stopped: asyncio.Event) -> None:
        rng = random.Random(number)  # noqa: S311 - a choice of calls
        count = 0
        while not stopped.is_set():
            count += 1
            written, read = rng.sample(VERSIONS, 2)
            name = f"client-{number}-{count}"
            await self._life(name, written, read)
            if count % LISTED_EVERY == 0:
                version = rng.choice(VERSIONS)
                await self._call(f"list in {version}", functools.partial(self._list, version))
            await asyncio.sleep(self.pause_seconds)

    async def _life(self, name: str, written: str, read: str) -> None:
        body = self._body(written, name)
        created = await self._call(f"create in {written}", lambda: self._create(written, body))
        if created is None:
            # What came of it is not known: it may be there.
            await self._call(
                f"delete in {written}", lambda: self._delete(written, name), missing_ok=True
            )
            return
        found = await self._call(f"get in {read}", lambda: self._get(read, name))
        if found is not None:
            self._compare(created, found, read)
            await self._call(f"replace in {read}", lambda: self._touch(read, found))
        await self._call(f"delete in {written}", lambda: self._delete(written, name))

    def _compare(self, created: Any, found: Any, read: str) -> None:
        """Note a difference between what was written, converted, and what is read."""
        kind = self._declared()
        source = created["apiVersion"].rpartition("/")[2]
        wanted = graph.convert(crds.api, kind, created, source=source, target=read).object
        if wanted["spec"] != found["spec"]:
            now = time.monotonic()
            error = f"expected {wanted['spec']}, got {found['spec']}"
            self.failed.append(Failed(f"get in {read}", now, now, error))

    async def _call(
        self, what: str, call: Callable[[], Awaitable[Any]], *, missing_ok: bool = False
    ) -> Any:
        started = time.monotonic()
        self.calls += 1
        for left in range(self.retries, -1, -1):
            try:
                async with asyncio.timeout(CALL_SECONDS):
                    found = await call()
            except (kube.NotFoundError, kube.AlreadyExistsError, kube.ConflictError) as error:
                # After a call that was cut, these say that it had been carried out.
                if not missing_ok and left == self.retries:
                    self.failed.append(Failed(what, started, time.monotonic(), str(error)))
                return None
            except (kube.KubeError, TimeoutError, OSError) as error:
                if left and not isinstance(error, kube.InvalidError):
                    await asyncio.sleep(RETRY_SECONDS)
                    await self.is_up.wait()
                    continue
                self.failed.append(Failed(what, started, time.monotonic(), str(error)))
                return None
            self.cut += left < self.retries
            return found
        return None

    def _declared(self) -> schemagen.Kind:
        return next(one for one in crds.api if one.name == self.kind)

    def _body(self, version: str, name: str) -> Any:
        if self.kind == RUN:
            return manifests.run(version, name, **SPECS[version])
        head = {"apiVersion": f"{crds.api.group}/{version}", "kind": self.kind}
        return {**head, "metadata": {"name": name}, "spec": {"text": "Fix it."}}

    def _objects(self, version: str) -> kube.Resource:
        return kube.Resource(crds.api.group, version, self._declared().plural, self.kind)

    async def _create(self, version: str, body: Any) -> Any:
        return await self.client.create(self._objects(version), body, namespace=self.namespace)

    async def _get(self, version: str, name: str) -> Any:
        return await self.client.get(self._objects(version), name, namespace=self.namespace)

    async def _list(self, version: str) -> Any:
        return await self.client.list(self._objects(version), namespace=self.namespace)

    async def _touch(self, version: str, found: Any) -> Any:
        """Replace an object, read again whenever a controller wrote its status meanwhile."""
        while True:
            found["metadata"]["labels"] = {"touched": "yes"}
            try:
                return await self._replace(version, found)
            except kube.ConflictError:
                found = await self._get(version, found["metadata"]["name"])

    async def _replace(self, version: str, body: Any) -> Any:
        return await self.client.replace(self._objects(version), body, namespace=self.namespace)

    async def _delete(self, version: str, name: str) -> Any:
        return await self.client.delete(self._objects(version), name, namespace=self.namespace)
