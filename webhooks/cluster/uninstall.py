"""Removes an Api's webhooks from a cluster; CRDs and objects stay. Shell: the cluster.

`plan`, a pure function of the cluster's state, decides the order: an object must be readable
before, between and after all steps. So versions that need conversion stop being served first, then
conversion is removed, and admission last.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from certs import injector
from controllers import kube
from schemagen import Api, Kind
from schemagen.problems import UserError
from webhooks.cluster import api_resources, configuration, install

UNSERVED_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.1
_ATTEMPTS: Final = 10


class CostError(UserError):
    """Objects would be read or written incorrectly afterwards."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rewrite:
    """Rewrite all objects of a kind in the storage version."""

    crd: str
    versions: tuple[str, ...]

    def __str__(self) -> str:
        return f"rewrite the objects of {self.crd} that are stored as {_listed(self.versions)}"


@dataclasses.dataclass(frozen=True, slots=True)
class Unserve:
    """Serve only the storage version."""

    crd: str
    versions: tuple[str, ...]

    def __str__(self) -> str:
        return f"stop serving {_listed(self.versions)} of {self.crd}"


@dataclasses.dataclass(frozen=True, slots=True)
class EndConversion:
    """Set the conversion strategy None, which also removes the caBundle."""

    crd: str

    def __str__(self) -> str:
        return f"set the conversion of {self.crd} to None"


@dataclasses.dataclass(frozen=True, slots=True)
class Delete:
    """Delete a webhook configuration or a policy."""

    target: injector.Target

    def __str__(self) -> str:
        return f"delete {self.target}"


Step: TypeAlias = Rewrite | Unserve | EndConversion | Delete


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """The steps, in order.

    Attributes:
        costs: Consequences for clients; empty if there are none.
    """

    steps: tuple[Step, ...]
    costs: tuple[str, ...]


def plan(crds: Sequence[kube.JSON], others: Sequence[injector.Target]) -> Plan:
    """Plan the removal.

    Args:
        crds: The CRDs in the cluster.
        others: The configurations and policies in the cluster, in the order to delete them.
    """
    converted = [crd for crd in crds if _has_webhook(crd)]
    steps: list[Step] = []
    for crd in converted:
        name, served, stored = crd["metadata"]["name"], _served_beside(crd), _stored_beside(crd)
        steps += [Rewrite(name, stored)] if stored else []
        steps += [Unserve(name, served)] if served else []
    steps += [EndConversion(crd["metadata"]["name"]) for crd in converted]
    steps += [Delete(target) for target in others]
    return Plan(tuple(steps), tuple(cost for crd in converted for cost in _costs(crd)))


def _costs(crd: kube.JSON) -> Iterator[str]:
    name, storage = crd["metadata"]["name"], _storage(crd)["name"]
    if served := _served_beside(crd):
        yield (
            f"{name} serves {_listed(served)} besides {storage}: without conversion they would be "
            f"read and written as {storage}, and fields would be lost"
        )
    if stored := _stored_beside(crd):
        yield (
            f"{name} may have objects stored as {_listed(stored)}: without conversion they "
            f"would be read as {storage}"
        )


def _has_webhook(crd: kube.JSON) -> bool:
    return bool((crd["spec"].get("conversion") or {}).get("strategy") == "Webhook")


def _storage(crd: kube.JSON) -> kube.JSON:
    return next(version for version in crd["spec"]["versions"] if version["storage"])


def _differing(crd: kube.JSON) -> Sequence[str]:
    """Return the versions whose schema differs from the storage version's."""
    schema = _storage(crd).get("schema")
    return [
        version["name"] for version in crd["spec"]["versions"] if version.get("schema") != schema
    ]


def _served_beside(crd: kube.JSON) -> tuple[str, ...]:
    served = {version["name"] for version in crd["spec"]["versions"] if version["served"]}
    return tuple(name for name in _differing(crd) if name in served)


def _stored_beside(crd: kube.JSON) -> tuple[str, ...]:
    stored = (crd.get("status") or {}).get("storedVersions") or ()
    return tuple(name for name in _differing(crd) if name in stored)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names)


# --- the cluster --------------------------------------------------------------------------------


async def uninstall(
    client: kube.Client,
    api: Api,
    *,
    unserves: bool,
    is_dry_run: bool = False,
    report: Callable[[str], None],
) -> None:
    """Remove the webhooks, policies and conversion of an Api from a cluster.

    Args:
        client: Client of the cluster.
        api: The API.
        unserves: Whether versions that need conversion may stop being served.
        is_dry_run: Only report the steps.
        report: Called with a line for each step.

    Raises:
        CostError: Versions that need conversion are served or stored.
        kube.KubeError: The API server refused a request.
        TimeoutError: A version is still served after 30 s.
    """
    planned = plan(*await _installed(client, api))
    if planned.costs and not unserves:
        raise CostError(
            "\n".join(
                (
                    *(
                        f"expected that conversion is not needed, got: {cost}"
                        for cost in planned.costs
                    ),
                    (
                        "with --unserve, objects are rewritten and these versions stop being "
                        "served first; their clients get 404"
                    ),
                )
            )
        )
    for step in planned.steps:
        report(str(step))
        if not is_dry_run:
            await _carry_out(client, api, step)
    if not planned.steps:
        report(f"no object of {api.group} calls webhooks")


async def _installed(
    client: kube.Client, api: Api
) -> tuple[Sequence[kube.JSON], Sequence[injector.Target]]:
    crds: list[kube.JSON] = []
    others: list[injector.Target] = []
    for target in install.targets(api):
        with contextlib.suppress(kube.NotFoundError):
            value = await client.get(target.resource, target.name)
            if target.resource == kube.CUSTOM_RESOURCE_DEFINITIONS:
                crds.append(value)
            else:
                others.append(target)
    # The binding is deleted before its policy: alone it would deny everything.
    for resource in reversed(install.POLICIES.values()):
        listed = await client.list(resource, labels=f"{configuration.API_LABEL}={api.group}")
        others += [injector.Target(resource, item["metadata"]["name"]) for item in listed.items]
    return crds, others


async def _carry_out(client: kube.Client, api: Api, step: Step) -> None:
    match step:
        case Rewrite(crd):
            await _rewrite(client, api, crd)
        case Unserve(crd, versions):
            await _change(client, crd, lambda value: _unserve(value, versions))
            await _until_unserved(client, api, crd, versions)
        case EndConversion(crd):
            await _change(client, crd, _end_conversion)
        case Delete(target):
            with contextlib.suppress(kube.NotFoundError):
                await client.delete(target.resource, target.name)


async def _rewrite(client: kube.Client, api: Api, crd: str) -> None:
    """Write every object unchanged: the API server stores it in the storage version."""
    value = await client.get(kube.CUSTOM_RESOURCE_DEFINITIONS, crd)
    storage = _storage(value)["name"]
    resource = api_resources.resource_of(api, _kind(api, crd), storage)
    try:
        objects = (await client.list(resource)).items
    except kube.ApiError as error:
        raise UserError(
            f"expected to read the objects of {crd}, which the server converts, got {error}: run "
            "this command while the server is running"
        ) from error
    for item in objects:
        with contextlib.suppress(kube.ConflictError, kube.NotFoundError):  # written by another
            await client.replace(resource, item)
    await client.patch(
        kube.CUSTOM_RESOURCE_DEFINITIONS,
        crd,
        {"status": {"storedVersions": [storage]}},
        subresource="status",
    )


async def _change(client: kube.Client, crd: str, change: Callable[[kube.JSON], None]) -> None:
    for attempt in range(_ATTEMPTS):
        value = await client.get(kube.CUSTOM_RESOURCE_DEFINITIONS, crd)
        change(value)
        try:
            await client.replace(
                kube.CUSTOM_RESOURCE_DEFINITIONS, value, field_manager=install.FIELD_MANAGER
            )
        except kube.ConflictError:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return


def _unserve(crd: dict[str, Any], versions: Sequence[str]) -> None:
    for version in crd["spec"]["versions"]:
        if version["name"] in versions:
            version["served"] = False


def _end_conversion(crd: dict[str, Any]) -> None:
    crd["spec"]["conversion"] = {"strategy": "None"}


async def _until_unserved(client: kube.Client, api: Api, crd: str, versions: Sequence[str]) -> None:
    async with asyncio.timeout(UNSERVED_SECONDS):
        for version in versions:
            resource = api_resources.resource_of(api, _kind(api, crd), version)
            while await _is_served(client, resource):  # noqa: ASYNC110 - the cluster's event
                await asyncio.sleep(_POLL_SECONDS)


async def _is_served(client: kube.Client, resource: kube.Resource) -> bool:
    try:
        await client.list(resource)
    except kube.NotFoundError:
        return False
    except kube.ApiError:
        return True  # it is served, but the conversion webhook is gone
    return True


def _kind(api: Api, crd: str) -> Kind:
    names: Mapping[str, Kind] = {api.crd_name(kind): kind for kind in api}
    return names[crd]
