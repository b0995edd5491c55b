"""Transcripts of API servers: their answers to the same requests, without what must differ.

UIDs, times, resourceVersions and generated names are replaced by names in the order of their
appearance; resourceVersions of objects by their rank, so that equal ones stay equal.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from controllers import kube

GROUP = "contract.kubewright.dev"
THINGS = kube.Resource(GROUP, "v1", "things", "Thing")
PARTS = kube.Resource(GROUP, "v1", "parts", "Part")
SECONDS = 120.0

_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_NUMBER = re.compile(
    r"(?<=esourceVersion in record \()\d+|(?<=esourceVersion in the precondition \()\d+"
    r"|(?<=esourceVersion in precondition \()\d+|(?<=resource version: )\d+ \(\d+\)"
    r'|(?<=ourceVersion\\\\\\":\\\\\\")\d+'
)
_KEY = re.compile(r"Key: \S+, ")


class Script:
    """A namespace of a server, and what it answered."""

    def __init__(self, client: kube.Client, namespace: str) -> None:
        self.client, self.namespace = client, namespace
        self.warnings: list[str] = []
        self._notes: list[Any] = []

    async def ask(self, what: Awaitable[Any]) -> Any:
        """Note the answer to a request, or its refusal; return it."""
        try:
            answer = await what
        except kube.ApiError as error:
            self._notes.append({"refused": error.status})
            return error.status
        if isinstance(answer, kube.Listing):
            answer = {"items": [*answer.items]}
        self._notes.append(answer)
        return answer

    def note(self, value: Any) -> None:
        """Note a value."""
        self._notes.append(value)

    # The verbs, in the namespace and noted.

    async def create(self, resource: kube.Resource, body: kube.JSON, **options: Any) -> Any:
        named = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
        return await self.ask(
            self.client.create(resource, named, namespace=self.namespace, **options)
        )

    async def get(self, resource: kube.Resource, name: str) -> Any:
        return await self.ask(self.client.get(resource, name, namespace=self.namespace))

    async def replace(self, resource: kube.Resource, body: kube.JSON, **options: Any) -> Any:
        named = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
        return await self.ask(
            self.client.replace(resource, named, namespace=self.namespace, **options)
        )

    async def apply(
        self, resource: kube.Resource, body: kube.JSON, manager: str, **options: Any
    ) -> Any:
        return await self.ask(
            self.client.apply(
                resource, body, field_manager=manager, namespace=self.namespace, **options
            )
        )

    async def patch(self, resource: kube.Resource, name: str, changes: Any, **options: Any) -> Any:
        return await self.ask(
            self.client.patch(resource, name, changes, namespace=self.namespace, **options)
        )

    async def delete(self, resource: kube.Resource, name: str, **options: Any) -> Any:
        return await self.ask(
            self.client.delete(resource, name, namespace=self.namespace, **options)
        )

    async def list_all(self, resource: kube.Resource, **options: Any) -> Any:
        return await self.ask(self.client.list(resource, namespace=self.namespace, **options))

    async def watch(
        self,
        resource: kube.Resource,
        events: int,
        meanwhile: Callable[[], Awaitable[Any]] | None = None,
        **options: Any,
    ) -> None:
        """Note events of a watch, which happen while something else is done."""
        watch = self.client.watch(resource, namespace=self.namespace, **options)
        found: list[Any] = []

        async def follow() -> None:
            try:
                async with contextlib.aclosing(watch):
                    async for event in watch:
                        if event.type != "BOOKMARK":
                            found.append({"type": event.type, "object": event.object})
                        if len(found) == events:
                            return
            except kube.ApiError as error:
                found.append({"refused": error.status})

        async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
            group.create_task(follow())
            if meanwhile is not None:
                await meanwhile()
        self._notes.append({"events": found})

    def transcript(self) -> Any:
        """Return all answers, comparable with those of another server."""
        return comparable([*self._notes, *({"warning": text} for text in self.warnings)],
                          self.namespace)  # fmt: skip


def comparable(value: Any, namespace: str) -> Any:
    """Replace what differs by nature."""
    versions = sorted({int(found) for found in _versions(value)})
    ranks = {str(version): f"rv{rank}" for rank, version in enumerate(versions)}
    text = json.dumps(_ranked(value, ranks), sort_keys=True)
    text = text.replace(namespace, "NAMESPACE")
    uids: dict[str, str] = {}
    text = _UID.sub(lambda match: uids.setdefault(match[0], f"uid{len(uids)}"), text)
    text = _NUMBER.sub("N", _TIME.sub(lambda match: "MICROTIME" if match[1] else "TIME", text))
    return json.loads(_KEY.sub("Key: PATH, ", text))


def _versions(value: Any) -> list[str]:
    if isinstance(value, list):
        return [found for item in value for found in _versions(item)]
    if not isinstance(value, dict):
        return []
    own = value.get("resourceVersion")
    below = [found for item in value.values() for found in _versions(item)]
    return [*([own] if isinstance(own, str) and own.isdecimal() else []), *below]


def _ranked(value: Any, ranks: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_ranked(item, ranks) for item in value]
    if not isinstance(value, dict):
        return value
    result = {name: _ranked(item, ranks) for name, item in value.items()}
    if value.get("resourceVersion") in ranks:
        result["resourceVersion"] = ranks[value["resourceVersion"]]
    if "managedFields" in value:
        # By time on the server, where a second decides.
        result["managedFields"] = sorted(
            result["managedFields"], key=lambda entry: json.dumps(entry, sort_keys=True)
        )
    if "causes" in value:
        result["causes"] = sorted(
            result["causes"], key=lambda entry: json.dumps(entry, sort_keys=True)
        )
    if "is invalid: [" in value.get("message", ""):
        result["message"] = _sorted_message(value["message"], result["details"]["causes"])
    if "generateName" in value:
        result["name"] = f"{value['generateName']}GENERATED"
    return result


def _sorted_message(message: str, causes: list[Any]) -> str:
    """Sort what is invalid: it comes in the order of Go's maps, which is random.

    A message that does not name exactly the causes stays as it is.
    """
    begin, _, rest = message.partition("[")
    texts = sorted({f"{cause['field']}: {cause['message']}" for cause in causes})
    for text in sorted(texts, key=len, reverse=True):
        rest = rest.replace(text, "", 1)
    return f"{begin}{texts}" if rest == ", " * (len(texts) - 1) + "]" else message


def _definition(kind: str, plural: str, version: kube.JSON) -> kube.JSON:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [{"name": "v1", "served": True, "storage": True, **version}],
        },
    }


_TEXT = {"type": "string"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_STEPS = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name", "port"],
    "items": {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": _TEXT,
            "port": {"type": "integer", "default": 80},
            "image": _TEXT,
            "env": _TEXTS,
        },
    },
}
_SPEC = {
    "type": "object",
    "properties": {
        "size": {"type": "integer", "maximum": 10},
        "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
        "steps": _STEPS,
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": _TEXT},
        "arguments": {"type": "array", "items": _TEXT},
        "labels": _TEXTS,
        "selector": {**_TEXTS, "x-kubernetes-map-type": "atomic"},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "limits": {
            "type": "object",
            "properties": {"cpu": {"type": "integer", "default": 1}, "memory": _TEXT},
        },
        "either": {"x-kubernetes-int-or-string": True},
        "maybe": {"type": "string", "nullable": True},
    },
    "x-kubernetes-validations": [
        {"rule": "!has(self.size) || self.size != 7", "message": "seven is no size"}
    ],
}
_STATUS = {
    "type": "object",
    "properties": {
        "phase": _TEXT,
        "conditions": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
            "items": {
                "type": "object",
                "required": ["type"],
                "properties": {"type": _TEXT, "status": _TEXT},
            },
        },
    },
}
DEFINITIONS = (
    _definition(
        "Thing",
        "things",
        {
            "subresources": {"status": {}},
            "selectableFields": [{"jsonPath": ".spec.color"}],
            "schema": {
                "openAPIV3Schema": {
                    "type": "object",
                    "properties": {"spec": _SPEC, "status": _STATUS},
                }
            },
        },
    ),
    # Without a status subresource.
    _definition(
        "Part",
        "parts",
        {
            "schema": {
                "openAPIV3Schema": {
                    "type": "object",
                    "properties": {"spec": _TEXTS, "status": _TEXTS},
                }
            }
        },
    ),
)


@contextlib.asynccontextmanager
async def defined(client: kube.Client) -> AsyncIterator[None]:
    """Create the definitions and wait until their kinds are served."""
    for definition in DEFINITIONS:
        await client.create(kube.CUSTOM_RESOURCE_DEFINITIONS, definition)
    async with asyncio.timeout(SECONDS):
        for resource in (THINGS, PARTS):
            while not await _is_served(client, resource):  # noqa: ASYNC110 - of the server
                await asyncio.sleep(0.05)
    yield
    for definition in DEFINITIONS:
        await client.delete(kube.CUSTOM_RESOURCE_DEFINITIONS, definition["metadata"]["name"])


async def _is_served(client: kube.Client, resource: kube.Resource) -> bool:
    """Whether objects can be written; the read paths are served a moment earlier."""
    body = {"apiVersion": resource.api_version, "kind": resource.kind}
    try:
        await client.create(
            resource, {**body, "metadata": {"name": "probe"}}, namespace="default", dry_run=True
        )
    except kube.ApiError:
        return False
    return True
