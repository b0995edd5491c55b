"""Installs an Api's CRDs, webhook configurations and policies in a cluster. Shell: the cluster.

They are applied server-side by the field manager ``kubewright``; the caBundle belongs to the
field manager of ``certs.injector``, so that certificates rotate independently.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection
from typing import Final

import structlog

from certs import injector
from controllers import kube
from schemagen import Api, Kind
from webhooks.cluster import api_resources, configuration

FIELD_MANAGER: Final = "kubewright"
SERVED_SECONDS: Final = 30.0
INTERNAL_ERROR: Final = 500
_POLL_SECONDS: Final = 0.05
_ATTEMPTS: Final = 10

log = structlog.get_logger("webhooks")

CONFIGURATIONS: Final = {
    "MutatingWebhookConfiguration": kube.MUTATING_WEBHOOK_CONFIGURATIONS,
    "ValidatingWebhookConfiguration": kube.VALIDATING_WEBHOOK_CONFIGURATIONS,
}
"""The webhook configurations, by kind."""

POLICIES: Final = {
    "ValidatingAdmissionPolicy": kube.VALIDATING_ADMISSION_POLICIES,
    "ValidatingAdmissionPolicyBinding": kube.VALIDATING_ADMISSION_POLICY_BINDINGS,
}


def targets(api: Api) -> tuple[injector.Target, ...]:
    """The objects that call an API's webhooks: what ``install`` applies."""
    return injector.targets(
        crds=[api.crd_name(kind) for kind in api], validating=[api.group], mutating=[api.group]
    )


async def install(
    client: kube.Client,
    api: Api,
    *,
    base_url: str,
    ca_pem: bytes | None = None,
    publish: Callable[[], Awaitable[None]] | None = None,
    service: tuple[str, str] | None = None,
    names: Collection[str] = (),
) -> None:
    """Apply CRDs, policies and webhook configurations that call a server.

    It returns once the kinds are served. Policies and webhook configurations that the API no longer
    needs are removed.

    Args:
        client: Client of the cluster.
        api: The API to install.
        base_url: URL of the server.
        ca_pem: CA bundle that clients trust; None if ``publish`` or something else sets it.
        publish: Writes the CA bundle to installed objects. Objects of the API cannot be read
            before, since reading converts them.
        service: Namespace and name of the Service to call instead of ``base_url``.
        names: Names that the server's certificate is valid for. An installed Service is kept if it
            is called by one of them, and replaced otherwise.

    Raises:
        kube.KubeError: The API server refused a request.
        TimeoutError: A kind is not served within 30 s.
    """
    trust = publish or _injecting(client, api, ca_pem)
    client_config = await _client_config(client, api, base_url, service, names)
    is_by_service = configuration.is_by_service(client_config(configuration.CONVERT))
    for manifest in configuration.crds(api, client_config):
        await _apply(client, kube.CUSTOM_RESOURCE_DEFINITIONS, manifest)
    await trust()
    async with asyncio.timeout(SERVED_SECONDS):
        for kind in api:
            await _wait_until_served(client, api, kind, is_by_service=is_by_service)
    await install_policies(client, api)
    await install_configurations(client, api, client_config)
    await trust()


async def install_crds(
    client: kube.Client,
    api: Api,
    client_config: Callable[[str], configuration.ClientConfig],
    *,
    certificate: str | None = None,
    report: Callable[[str], None] = log.info,
) -> None:
    """Apply the CRDs; it returns once the API server has accepted their names and schemas.

    No object is read: before an installation no server answers, which may have to convert it.

    Args:
        client: Client of the cluster.
        api: The API.
        client_config: Address of the server.
        certificate: ``NAMESPACE/NAME`` of the Certificate whose CA cert-manager injects.
        report: Called with a line for each CRD.

    Raises:
        kube.KubeError: The API server refused a request.
        TimeoutError: A CRD is not established within 30 s.
    """
    for manifest in configuration.crds(api, client_config):
        if certificate is not None:
            configuration.let_inject(manifest, certificate)
        await _apply(client, kube.CUSTOM_RESOURCE_DEFINITIONS, manifest)
        report(f"applied {manifest['metadata']['name']}")
    async with asyncio.timeout(SERVED_SECONDS):
        for kind in api:
            await _wait_until_established(client, api.crd_name(kind))


def _injecting(
    client: kube.Client, api: Api, ca_pem: bytes | None
) -> Callable[[], Awaitable[None]]:
    async def inject() -> None:
        if ca_pem is not None:
            await injector.publish(client, ca_pem, targets(api))

    return inject


async def _client_config(
    client: kube.Client,
    api: Api,
    base_url: str,
    service: tuple[str, str] | None,
    names: Collection[str],
) -> Callable[[str], configuration.ClientConfig]:
    """Choose the address: the given Service, the installed Service of the server, or the URL."""
    if service is not None:
        return configuration.at_service(*service)
    for target in targets(api):
        with contextlib.suppress(kube.NotFoundError):
            value = await client.get(target.resource, target.name)
            for config in injector.client_configs(target, value):
                installed = configuration.service_of(config)
                if installed is None:
                    continue
                if configuration.is_named(installed, names):
                    log.info("keeping the installed Service", service=installed.text)
                    return configuration.at_service(
                        installed.namespace, installed.name, installed.port
                    )
                log.info("replacing the Service by a URL", service=installed.text, url=base_url)
                return configuration.at_url(base_url)
    return configuration.at_url(base_url)


async def install_configurations(
    client: kube.Client, api: Api, client_config: Callable[[str], configuration.ClientConfig]
) -> None:
    """Apply the webhook configurations that an API needs and remove the others."""
    manifests = {
        manifest["kind"]: manifest for manifest in configuration.configurations(api, client_config)
    }
    for kind, resource in CONFIGURATIONS.items():
        if kind in manifests:
            await _apply(client, resource, manifests[kind])
        else:
            await _remove_own(client, resource, api.group)


async def _remove_own(client: kube.Client, resource: kube.Resource, name: str) -> None:
    """Remove an object that was applied here; one of another field manager is kept."""
    with contextlib.suppress(kube.NotFoundError):  # never applied, or another replica was faster
        current = await client.get(resource, name)
        fields = current["metadata"].get("managedFields", ())
        if any(entry.get("manager") == FIELD_MANAGER for entry in fields):
            await client.delete(resource, name)


async def install_policies(client: kube.Client, api: Api) -> None:
    """Apply the policies of an API and remove obsolete ones."""
    manifests = [*configuration.policies(api)]
    for manifest in manifests:
        await _apply(client, POLICIES[manifest["kind"]], manifest)
    names = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests}
    # The binding is deleted before its policy: alone it would deny everything.
    for kind in reversed(POLICIES):
        listed = await client.list(POLICIES[kind], labels=f"{configuration.API_LABEL}={api.group}")
        for item in listed.items:
            name = item["metadata"]["name"]
            if (kind, name) not in names:
                with contextlib.suppress(kube.NotFoundError):  # another replica was faster
                    await client.delete(POLICIES[kind], name)


async def _apply(client: kube.Client, resource: kube.Resource, manifest: kube.JSON) -> None:
    await _readdress(client, resource, manifest)
    await client.apply(resource, manifest, field_manager=FIELD_MANAGER, force=True)


async def _readdress(client: kube.Client, resource: kube.Resource, manifest: kube.JSON) -> None:
    """Replace a Service by a URL, or the reverse, where another field manager set it.

    Exactly one of the two is allowed, and an apply removes nothing that others own.
    """
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(kube.ConflictError):
            try:
                current = await client.get(resource, manifest["metadata"]["name"])
            except kube.NotFoundError:
                return
            changed = configuration.readdressed(current, manifest)
            if changed is not None:
                await client.replace(resource, changed, field_manager=FIELD_MANAGER)
            return


async def _wait_until_served(
    client: kube.Client, api: Api, kind: Kind, *, is_by_service: bool
) -> None:
    await _wait_until_established(client, api.crd_name(kind))
    for version in kind.versions:
        if version.served:
            # On the first request of a version the API server sets up its storage and cache;
            # until then it may answer 404 or 429.
            resource = api_resources.resource_of(api, kind, version.name)
            await _first_call(client, resource, is_by_service=is_by_service)


async def _wait_until_established(client: kube.Client, name: str) -> None:
    while not await _is_established(client, name):  # noqa: ASYNC110 - the event is the cluster's
        await asyncio.sleep(_POLL_SECONDS)


async def _first_call(client: kube.Client, resource: kube.Resource, *, is_by_service: bool) -> None:
    try:
        await client.list(resource)
    except kube.ApiError as error:
        # The Service routes here only once this server is ready, which requires that this is
        # done: objects that need conversion cannot be read yet.
        if not is_by_service or error.code < INTERNAL_ERROR:
            raise
        log.info("conversion starts once the Service routes to this server", reason=str(error))


async def _is_established(client: kube.Client, name: str) -> bool:
    crd = await client.get(kube.CUSTOM_RESOURCE_DEFINITIONS, name)
    conditions = crd.get("status", {}).get("conditions") or []
    return any(
        condition["type"] == "Established" and condition["status"] == "True"
        for condition in conditions
    )
