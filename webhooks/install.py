"""Makes an API server know an Api, send its objects here and ask its policies. Shell: the cluster.

The CRDs and configurations are applied server-side by the manager ``kubewright``; their caBundle
belongs to the manager of ``certs.injector``, so that certificates can change without this one.
"""

import asyncio
import contextlib
from collections.abc import Collection
from typing import Final

from certs import injector
from controllers import kube
from schemagen import Api, Kind
from webhooks import configuration

FIELD_MANAGER: Final = "kubewright"
SERVED_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.05

_CONFIGURATIONS: Final = {
    "MutatingWebhookConfiguration": kube.MUTATING_WEBHOOK_CONFIGURATIONS,
    "ValidatingWebhookConfiguration": kube.VALIDATING_WEBHOOK_CONFIGURATIONS,
}

_POLICIES: Final = {
    "ValidatingAdmissionPolicy": kube.VALIDATING_ADMISSION_POLICIES,
    "ValidatingAdmissionPolicyBinding": kube.VALIDATING_ADMISSION_POLICY_BINDINGS,
}


def targets(api: Api) -> tuple[injector.Target, ...]:
    """The objects of an API that call its webhooks: what ``install`` applies."""
    return injector.targets(
        crds=[api.crd_name(kind) for kind in api], validating=[api.group], mutating=[api.group]
    )


async def install(client: kube.Client, api: Api, *, base_url: str, ca_pem: bytes | None) -> None:
    """Apply CRDs, policies and webhook configurations that call ``base_url``.

    It returns once the kinds are served. Policies and webhook configurations that the API does not
    need any more are removed.

    Args:
        client: Of the cluster.
        api: What is installed.
        base_url: Where it is served.
        ca_pem: Whom to believe there; None if somebody else (``certs.keeper``) writes that.

    Raises:
        kube.KubeError: in the API server's words.
        TimeoutError: if a kind is not served within 30 s.
    """
    client_config = configuration.at_url(base_url)
    names = [api.crd_name(kind) for kind in api]
    for manifest in configuration.crds(api, client_config):
        await _apply(client, kube.CUSTOM_RESOURCE_DEFINITIONS, manifest)
    if ca_pem is not None:
        await injector.inject(client, ca_pem, crds=names)
    async with asyncio.timeout(SERVED_SECONDS):
        for kind in api:
            await _wait_until_served(client, api, kind)
    await install_policies(client, api)
    kinds = await install_configurations(client, api, base_url=base_url)
    if ca_pem is None:
        return
    await injector.inject(
        client,
        ca_pem,
        validating=[api.group] if "ValidatingWebhookConfiguration" in kinds else [],
        mutating=[api.group] if "MutatingWebhookConfiguration" in kinds else [],
    )


async def install_configurations(
    client: kube.Client, api: Api, *, base_url: str
) -> Collection[str]:
    """Apply the webhook configurations that an API needs, and remove those that it does not.

    Returns:
        The kinds of those that it needs.
    """
    manifests = {
        manifest["kind"]: manifest
        for manifest in configuration.configurations(api, configuration.at_url(base_url))
    }
    for kind, resource in _CONFIGURATIONS.items():
        if kind in manifests:
            await _apply(client, resource, manifests[kind])
        else:
            await _remove_own(client, resource, api.group)
    return manifests.keys()


async def _remove_own(client: kube.Client, resource: kube.Resource, name: str) -> None:
    """Remove what was applied here; an object of somebody else by that name stays."""
    with contextlib.suppress(kube.NotFoundError):  # never applied, or another replica was faster
        found = await client.get(resource, name)
        fields = found["metadata"].get("managedFields", ())
        if any(one.get("manager") == FIELD_MANAGER for one in fields):
            await client.delete(resource, name)


async def install_policies(client: kube.Client, api: Api) -> None:
    """Apply the policies of an API, and remove those that it does not have any more."""
    wanted = [*configuration.policies(api)]
    for manifest in wanted:
        await _apply(client, _POLICIES[manifest["kind"]], manifest)
    names = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in wanted}
    # A binding goes before its policy: alone it would refuse everything.
    for kind in reversed(_POLICIES):
        found = await client.list(_POLICIES[kind], labels=f"{configuration.API_LABEL}={api.group}")
        for one in found.items:
            name = one["metadata"]["name"]
            if (kind, name) not in names:
                with contextlib.suppress(kube.NotFoundError):  # another replica was faster
                    await client.delete(_POLICIES[kind], name)


async def _apply(client: kube.Client, resource: kube.Resource, manifest: kube.JSON) -> None:
    await client.apply(resource, manifest, field_manager=FIELD_MANAGER, force=True)


async def _wait_until_served(client: kube.Client, api: Api, kind: Kind) -> None:
    name = api.crd_name(kind)
    while not await _is_established(client, name):  # noqa: ASYNC110 - the event is the cluster's
        await asyncio.sleep(_POLL_SECONDS)
    for version in kind.versions:
        if version.served:
            # The first call of a version makes the API server set up its storage and cache; until
            # then it may answer 404 or 429 to what comes next.
            resource = kube.Resource(api.group, version.name, kind.plural, kind.name)
            await client.list(resource)


async def _is_established(client: kube.Client, name: str) -> bool:
    crd = await client.get(kube.CUSTOM_RESOURCE_DEFINITIONS, name)
    conditions = crd.get("status", {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)
