"""References to work outside the cluster, not accessible to users of runs. Shell: the cluster.

Users who may write runs may also write their status and remove their finalizers. So an endpoint's
response is not read back from the status, and work is not forgotten with its run: each attempt of a
runtime outside the cluster has a ConfigMap in the controller's namespace, from before its
submission until its end was observed.
"""

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from controllers import kube
from controllers.runs import json_access, naming
from controllers.runs.runtimes.base import JSON, Key, Ref, Work

LABEL: Final = f"{naming.GROUP}/external-work"
# Of the Custom runtime; depends on the duration of the work.
_PACE: Final = "pollSeconds"
_DATA: Final = "record.json"
# Fields of a run's spec that locate its work; payloads can be large, and are not needed again.
_SETTINGS: Final = {
    "custom": ("endpoint",),
    "temporal": ("namespace", "workflowId", "workflowType", "taskQueue"),
}


class Record(msgspec.Struct, frozen=True, rename="camel"):
    """A reference to work, as JSON.

    Attributes:
        type: The run's ``runtime.type``.
        key: Of the work.
        run_namespace: Namespace of the run.
        run: Name of the run.
        spec: The part of its spec that locates the work.
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
        """The run's UID."""
        return self.key.partition("/")[0]

    @property
    def attempt(self) -> int:
        """Number of the run's attempt."""
        return int(self.key.partition("/")[2].partition("/")[0])

    @property
    def where(self) -> str:
        """The run's namespace and name."""
        return f"{self.run_namespace}/{self.run}"

    def ref(self, work: Work | None = None) -> Ref:
        """Return the reference, with the rest of the work if known."""
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
    """Return whether a reference differs from its record, ignoring the polling interval."""
    known, now = dict(record.extra), dict(ref.extra)
    known.pop(_PACE, None)
    now.pop(_PACE, None)
    return (record.name, record.uid, known) != (ref.name, ref.uid, now)


_log = logging.getLogger(__name__)
_decoder: Final = msgspec.json.Decoder(Record)


def record_of(ref: Ref) -> Record:
    """Return the record of a reference."""
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
    runtime: dict[str, JSON] = {"type": json_access.at(spec, "runtime", "type")}
    for name, kept in _SETTINGS.items():
        given = json_access.at(spec, "runtime", name)
        if isinstance(given, Mapping):
            runtime[name] = json_access.present({field: given.get(field) for field in kept})
    return json_access.present({"runtime": runtime, "idempotencyKey": spec.get("idempotencyKey")})


class Records:
    """The records of a controller.

    Args:
        client: May get, list, create, patch and delete ConfigMaps of the home namespace.
        home: The controller's namespace.
    """

    def __init__(self, client: kube.Client, home: str) -> None:
        self._client, self._home = client, home

    async def begin(self, ref: Ref) -> None:
        """Create the record before its work can start, unless it exists."""
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
        """Return the record of work, or None.

        Raises:
            AnswerError: The record is invalid.
        """
        name = naming.of_key(key)
        try:
            config_map = await self._client.get(kube.CONFIG_MAPS, name, namespace=self._home)
        except kube.NotFoundError:
            return None
        return _read(config_map)

    async def update(self, ref: Ref) -> None:
        """Update the record of work, unless it was removed meanwhile."""
        name = naming.of_key(ref.key)
        changes = {"data": _data(ref)}
        try:
            await self._client.patch(kube.CONFIG_MAPS, name, changes, namespace=self._home)
        except kube.NotFoundError:
            return

    async def remove(self, key: Key) -> None:
        """Remove the record of ended work."""
        name = naming.of_key(key)
        try:
            await self._client.delete(kube.CONFIG_MAPS, name, namespace=self._home)
        except kube.NotFoundError:
            return

    async def every(self) -> tuple[Record, ...]:
        """Return all records; invalid ones are logged and skipped."""
        listed = await self._client.list(
            kube.CONFIG_MAPS, namespace=self._home, labels=f"{LABEL}=true"
        )
        records = []
        for config_map in listed.items:
            try:
                records.append(_read(config_map))
            except kube.AnswerError as error:
                _log.warning("skipping invalid record: %s", error)
        return tuple(records)


def _data(ref: Ref) -> dict[str, str]:
    return {_DATA: msgspec.json.encode(record_of(ref)).decode()}


def _read(config_map: kube.JSON) -> Record:
    metadata = config_map["metadata"]
    try:
        return _decoder.decode(str(json_access.at(config_map, "data", _DATA) or ""))
    except msgspec.MsgspecError as error:
        where = f"{metadata['namespace']}/{metadata['name']}"
        raise kube.AnswerError(
            f"expected a record of external work at {_DATA} of ConfigMap {where}: {error}"
        ) from error
