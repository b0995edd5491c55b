"""Makes an API server know an Api, send its objects here and ask its policies. Shell: the cluster.

The CRDs and configurations are applied server-side by the manager ``kubewright``; their caBundle
belongs to the manager of ``certs.injector``, so that certificates can change without this one.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection
from typing import Final

import structlog

from certs import injector
from controllers import kube
from schemagen import Api, Kind
from webhooks import configuration, resources

FIELD_MANAGER: Final = "kubewright"
SERVED_SECONDS: Final = 30.0
INTERNAL_ERROR: Final = 500
_POLL_SECONDS: Final = 0.05
_ATTEMPTS: Final = 10

log = structlog.get_logger("webhooks")

_CONFIGURATIONS: Final = {
    "MutatingWebhookConfiguration": kube.MUTATING_WEBHOOK_CONFIGURATIONS,
    "ValidatingWebhookConfiguration": kube.VALIDATING_WEBHOOK_CONFIGURATIONS,
}

POLICIES: Final = {
    "ValidatingAdmissionPolicy": kube.VALIDATING_ADMISSION_POLICIES,
    "ValidatingAdmissionPolicyBinding": kube.VALIDATING_ADMISSION_POLICY_BINDINGS,
}


def targets(api: Api) -> tuple[injector.Target, ...]:
    """The objects of an API that call its webhooks: what ``install`` applies."""
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

    It returns once the kinds are served. Policies and webhook configurations that the API does not
    need any more are removed.

    Args:
        client: Of the cluster.
        api: What is installed.
        base_url: Where it is served.
        ca_pem: Whom to believe there; None if ``publish`` writes that, or somebody else.
        publish: Makes what is installed already believe the server. Nothing of the API can be read
            before, since reading converts.
        service: Namespace and name of the Service that calls come by, instead of ``base_url``.
        names: What the server's certificate is valid for. A Service that is installed already stays
            if it is called by one of them, as that is where the server is; any other does not.

    Raises:
        kube.KubeError: in the API server's words.
        TimeoutError: if a kind is not served within 30 s.
    """
    believe = publish or _injecting(client, api, ca_pem)
    client_config = await _client_config(client, api, base_url, service, names)
    is_by_service = configuration.is_by_service(client_config(configuration.CONVERT))
    for manifest in configuration.crds(api, client_config):
        await _apply(client, kube.CUSTOM_RESOURCE_DEFINITIONS, manifest)
    await believe()
    async with asyncio.timeout(SERVED_SECONDS):
        for kind in api:
            await _wait_until_served(client, api, kind, is_by_service=is_by_service)
    await install_policies(client, api)
    await install_configurations(client, api, client_config)
    await believe()


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
    """Where calls go: to the Service that was named, or that the server is behind, or its URL."""
    if service is not None:
        return configuration.at_service(*service)
    for target in targets(api):
        with contextlib.suppress(kube.NotFoundError):
            value = await client.get(target.resource, target.name)
            for config in injector.client_configs(target, value):
                found = configuration.service_of(config)
                if found is None:
                    continue
                if configuration.is_named(found, names):
                    log.info("the Service that is installed stays", service=found.text)
                    return configuration.at_service(found.namespace, found.name, found.port)
                log.info("a URL replaces the Service", service=found.text, url=base_url)
                return configuration.at_url(base_url)
    return configuration.at_url(base_url)


async def install_configurations(
    client: kube.Client, api: Api, client_config: Callable[[str], configuration.ClientConfig]
) -> None:
    """Apply the webhook configurations that an API needs, and remove those that it does not."""
    manifests = {
        manifest["kind"]: manifest for manifest in configuration.configurations(api, client_config)
    }
    for kind, resource in _CONFIGURATIONS.items():
        if kind in manifests:
            await _apply(client, resource, manifests[kind])
        else:
            await _remove_own(client, resource, api.group)


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
        await _apply(client, POLICIES[manifest["kind"]], manifest)
    names = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in wanted}
    # A binding goes before its policy: alone it would refuse everything.
    for kind in reversed(POLICIES):
        found = await client.list(POLICIES[kind], labels=f"{configuration.API_LABEL}={api.group}")
        for one in found.items:
            name = one["metadata"]["name"]
            if (kind, name) not in names:
                with contextlib.suppress(kube.NotFoundError):  # another replica was faster
                    await client.delete(POLICIES[kind], name)


async def _apply(client: kube.Client, resource: kube.Resource, manifest: kube.JSON) -> None:
    await _readdress(client, resource, manifest)
    await client.apply(resource, manifest, field_manager=FIELD_MANAGER, force=True)


async def _readdress(client: kube.Client, resource: kube.Resource, manifest: kube.JSON) -> None:
    """Replace a Service by a URL, or the other way round, where another manager wrote it.

    Exactly one of them may be there, and an apply takes away nothing that others own.
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
    name = api.crd_name(kind)
    while not await _is_established(client, name):  # noqa: ASYNC110 - the event is the cluster's
        await asyncio.sleep(_POLL_SECONDS)
    for version in kind.versions:
        if version.served:
            # The first call of a version makes the API server set up its storage and cache; until
            # then it may answer 404 or 429 to what comes next.
            resource = resources.resource_of(api, kind, version.name)
            await _first_call(client, resource, is_by_service=is_by_service)


async def _first_call(client: kube.Client, resource: kube.Resource, *, is_by_service: bool) -> None:
    try:
        await client.list(resource)
    except kube.ApiError as error:
        # A Service leads here once this server is ready, which it is not before this is over: no
        # object that must be converted can be read yet.
        if not is_by_service or error.code < INTERNAL_ERROR:
            raise
        log.info("objects are converted once the Service leads here", reason=str(error))


async def _is_established(client: kube.Client, name: str) -> bool:
    crd = await client.get(kube.CUSTOM_RESOURCE_DEFINITIONS, name)
    conditions = crd.get("status", {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)
