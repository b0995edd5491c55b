"""Where work outside the cluster is, kept out of reach of the users of runs. Shell: the cluster.

Whoever may write runs may write their status, too, and remove their finalizers. So what an endpoint
answered is not read back from the status, and work is not forgotten with its run: each attempt of
a runtime that Kubernetes cannot see has a ConfigMap in the controller's own namespace, from before
its submission until its end was seen.
"""

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from controllers import kube
from controllers.runs import naming, values
from controllers.runs.runtimes.base import JSON, Key, Ref, Work

LABEL: Final = f"{naming.GROUP}/external-work"
# Custom's: it follows from how long the work takes.
_PACE: Final = "pollSeconds"
_DATA: Final = "record.json"
# Of a run's spec, what says where its work is; payloads can be large, and are not needed again.
_SETTINGS: Final = {
    "custom": ("endpoint",),
    "temporal": ("namespace", "workflowId", "workflowType", "taskQueue"),
}


class Record(msgspec.Struct, frozen=True, rename="camel"):
    """A reference to work, as JSON.

    Attributes:
        type: The run's ``runtime.type``.
        key: Of the work.
        run_namespace: Where the run is.
        run: Its name.
        spec: As much of its spec as finds the work again.
        name: See ``Ref``.
        namespace: See ``Ref``.
        uid: See ``Ref``.
        extra: See ``Ref``.
    """

    type: str
    key: Key
    run_namespace: str
    run: str
    spec: dict[str, Any] = {}
    name: str = ""
    namespace: str = ""
    uid: str = ""
    extra: dict[str, Any] = {}

    @property
    def run_uid(self) -> str:
        """The run's uid."""
        return self.key.partition("/")[0]

    @property
    def attempt(self) -> int:
        """Which attempt of the run."""
        return int(self.key.partition("/")[2].partition("/")[0])

    @property
    def where(self) -> str:
        """The run's namespace and name."""
        return f"{self.run_namespace}/{self.run}"

    def ref(self, work: Work | None = None) -> Ref:
        """The reference; with the rest of the work, if it is known."""
        bare = Work(
            namespace=self.run_namespace,
            run=self.run,
            uid=self.run_uid,
            attempt=self.attempt,
            spec={},
            provider={},
            run_json={},
            runner_json={},
        )
        known = work or bare
        return Ref(
            type=self.type,
            key=self.key,
            work=dataclasses.replace(known, spec={**known.spec, **self.spec}),
            name=self.name,
            namespace=self.namespace,
            uid=self.uid,
            extra=self.extra,
        )


def is_news(record: Record, ref: Ref) -> bool:
    """Whether a reference says more than its record, but for how often to ask."""
    known, now = dict(record.extra), dict(ref.extra)
    known.pop(_PACE, None)
    now.pop(_PACE, None)
    return (record.name, record.uid, known) != (ref.name, ref.uid, now)


_log = logging.getLogger(__name__)
_decoder: Final = msgspec.json.Decoder(Record)


def record_of(ref: Ref) -> Record:
    """What is kept of a reference."""
    work = ref.work
    return Record(
        type=ref.type,
        key=ref.key,
        run_namespace=work.namespace,
        run=work.run,
        spec=_settings(work.spec),
        name=ref.name,
        namespace=ref.namespace,
        uid=ref.uid,
        extra=dict(ref.extra),
    )


def _settings(spec: Mapping[str, JSON]) -> dict[str, JSON]:
    runtime: dict[str, JSON] = {"type": values.at(spec, "runtime", "type")}
    for name, kept in _SETTINGS.items():
        given = values.at(spec, "runtime", name)
        if isinstance(given, Mapping):
            runtime[name] = values.present({one: given.get(one) for one in kept})
    return values.present({"runtime": runtime, "idempotencyKey": spec.get("idempotencyKey")})


class Records:
    """The records of a controller.

    Args:
        client: May get, list, create, patch and delete ConfigMaps of the home namespace.
        home: The controller's own namespace.
    """

    def __init__(self, client: kube.Client, home: str) -> None:
        self._client, self._home = client, home

    async def begin(self, ref: Ref) -> None:
        """Keep a reference before its work can start; nothing if it is there already."""
        body = {
            "apiVersion": kube.CONFIG_MAPS.api_version,
            "kind": kube.CONFIG_MAPS.kind,
            "metadata": {
                "name": naming.of_key(ref.key),
                "namespace": self._home,
                "labels": {LABEL: "true"},
            },
            "data": _data(ref),
        }
        try:
            await self._client.create(kube.CONFIG_MAPS, body)
        except kube.AlreadyExistsError:
            return

    async def read(self, key: Key) -> Record | None:
        """The record of a piece of work; None where there is none.

        Raises:
            AnswerError: It cannot be read.
        """
        name = naming.of_key(key)
        try:
            found = await self._client.get(kube.CONFIG_MAPS, name, namespace=self._home)
        except kube.NotFoundError:
            return None
        return _read(found)

    async def update(self, ref: Ref) -> None:
        """Keep what was learned of work; nothing where its record was removed meanwhile."""
        name = naming.of_key(ref.key)
        changes = {"data": _data(ref)}
        try:
            await self._client.patch(kube.CONFIG_MAPS, name, changes, namespace=self._home)
        except kube.NotFoundError:
            return

    async def remove(self, key: Key) -> None:
        """Forget work that has ended."""
        name = naming.of_key(key)
        try:
            await self._client.delete(kube.CONFIG_MAPS, name, namespace=self._home)
        except kube.NotFoundError:
            return

    async def every(self) -> tuple[Record, ...]:
        """All records; one that cannot be read is logged and passed over."""
        listed = await self._client.list(
            kube.CONFIG_MAPS, namespace=self._home, labels=f"{LABEL}=true"
        )
        found = []
        for one in listed.items:
            try:
                found.append(_read(one))
            except kube.AnswerError as error:
                _log.warning("a record is passed over: %s", error)
        return tuple(found)


def _data(ref: Ref) -> dict[str, str]:
    return {_DATA: msgspec.json.encode(record_of(ref)).decode()}


def _read(found: kube.JSON) -> Record:
    metadata = found["metadata"]
    try:
        return _decoder.decode(str(values.at(found, "data", _DATA) or ""))
    except msgspec.MsgspecError as error:
        where = f"{metadata['namespace']}/{metadata['name']}"
        raise kube.AnswerError(
            f"expected a record of external work at {_DATA} of ConfigMap {where}: {error}"
        ) from error
