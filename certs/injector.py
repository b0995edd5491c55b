"""Writes the CA bundle to the cluster, so that the API server trusts the webhook server.

Shell: the cluster, through `controllers.kube`. What is written is decided by pure functions.

Server-side apply of only the caBundle works for all three kinds (verified on 1.37): in a CRD the
conversion stanza lies beside the atomic list ``spec.versions``, which is thus never owned here, and
``webhooks`` is a map by name. A later apply of the object without a caBundle keeps it. An *apply*
that removes the webhook or the conversion is refused, because the caBundle would be left behind;
`release` gives up the field first.
"""

import asyncio
import base64
import contextlib
import dataclasses
from collections.abc import Awaitable, Callable, Sequence

from certs import authority
from controllers import kube

FIELD_MANAGER = "kubewright-certs"
# cert-manager's cainjector writes the same fields of objects with one of these annotations.
_FOREIGN_ANNOTATIONS = (
    "cert-manager.io/inject-ca-from",
    "cert-manager.io/inject-ca-from-secret",
    "cert-manager.io/inject-apiserver-ca",
)
# Suffix of cainjector's field manager, whose name has changed over the years.
_CAINJECTOR = "cainjector"
_BUNDLE_FIELD = "f:caBundle"
_ATTEMPTS = 10
_PAUSE_SECONDS = 0.1


class InjectionError(authority.CertificateError):
    """The bundle is invalid, or another controller writes it."""


class ForeignBundleError(InjectionError):
    """cert-manager writes the caBundle of the object."""


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """An object whose caBundle is managed here."""

    resource: kube.Resource
    name: str

    def __str__(self) -> str:
        return f"{self.resource.plural}/{self.name}"


async def inject(
    client: kube.Client,
    ca_pem: bytes,
    *,
    crds: Sequence[str] = (),
    validating: Sequence[str] = (),
    mutating: Sequence[str] = (),
) -> tuple[Target, ...]:
    """Write the bundle to every webhook of the named objects, and nothing else.

    Args:
        client: Needs get and patch on the objects. Installers must omit caBundle: a placeholder is
            taken over, and their next apply with one conflicts.
        ca_pem: The CAs to trust; both old and new during a rotation.
        crds: Names of CustomResourceDefinitions; those without webhook conversion are skipped.
        validating: Names of ValidatingWebhookConfigurations.
        mutating: Names of MutatingWebhookConfigurations.

    Returns:
        The objects that were written, without those that already had the bundle.

    Raises:
        InjectionError: The bundle is invalid, or cert-manager injects into one of the objects.
        NotFoundError: An object does not exist.
    """
    encode(ca_pem)  # before anything is read
    named = targets(crds=crds, validating=validating, mutating=mutating)
    return tuple([target for target in named if await _inject(client, target, ca_pem)])


async def publish(client: kube.Client, ca_pem: bytes, targets: Sequence[Target]) -> bool:
    """Write the bundle to the objects that exist; return whether any of them changed.

    Args:
        client: As for ``inject``.
        ca_pem: The bundle.
        targets: The objects.

    Raises:
        ForeignBundleError: cert-manager injects into one of the objects; the others are written.
        InjectionError: The bundle is invalid.
    """
    encode(ca_pem)  # before anything is read
    has_written, foreign = False, None
    for target in targets:
        try:
            has_written |= await _inject(client, target, ca_pem)
        except kube.NotFoundError:
            continue
        except ForeignBundleError as error:
            foreign = error
    if foreign is not None:
        raise foreign
    return has_written


async def inject_one(
    client: kube.Client, target: Target, ca_pem: bytes, is_current: Callable[[], Awaitable[bool]]
) -> bool:
    """Write the bundle to an object unless it is outdated; return whether it was written.

    Args:
        client: As for ``inject``.
        target: The object.
        ca_pem: The bundle.
        is_current: Called between reading and writing the object; the write fails if the object
            changed in between, so that an old bundle never overwrites a newer one.

    Raises:
        InjectionError: The bundle is invalid, or cert-manager injects into the object.
        NotFoundError: The object does not exist.
        ConflictError: The object changed in between.
    """
    encoded = encode(ca_pem)
    current = await client.get(target.resource, target.name)
    patch = stanza(target, current, encoded)
    if patch is None or not await is_current():
        return False
    # Force, because a caBundle in an installer's manifest is a placeholder. The resourceVersion
    # is still checked: a webhook may have been added or removed since the read.
    await client.apply(target.resource, patch, field_manager=FIELD_MANAGER, force=True)
    return True


async def release(
    client: kube.Client,
    *,
    crds: Sequence[str] = (),
    validating: Sequence[str] = (),
    mutating: Sequence[str] = (),
) -> None:
    """Give up the fields that `inject` owns, which removes them; needed before a webhook goes.

    Args:
        client: Needs get and patch on the objects.
        crds: Names of CustomResourceDefinitions.
        validating: Names of ValidatingWebhookConfigurations.
        mutating: Names of MutatingWebhookConfigurations.

    Raises:
        NotFoundError: An object does not exist.
    """
    for target in targets(crds=crds, validating=validating, mutating=mutating):
        current = await client.get(target.resource, target.name)
        nothing = {"metadata": {"name": target.name, "uid": current["metadata"]["uid"]}}
        await client.apply(target.resource, nothing, field_manager=FIELD_MANAGER)


def targets(
    *, crds: Sequence[str], validating: Sequence[str], mutating: Sequence[str]
) -> tuple[Target, ...]:
    """Return the named objects, CRDs first: objects must be readable before they are admitted."""
    named = (
        (kube.CUSTOM_RESOURCE_DEFINITIONS, crds),
        (kube.VALIDATING_WEBHOOK_CONFIGURATIONS, validating),
        (kube.MUTATING_WEBHOOK_CONFIGURATIONS, mutating),
    )
    return tuple(Target(resource, name) for resource, names in named for name in names)


def client_configs(target: Target, value: kube.JSON) -> list[kube.JSON]:
    """Return each ``clientConfig`` of an object."""
    if target.resource == kube.CUSTOM_RESOURCE_DEFINITIONS:
        conversion = value["spec"].get("conversion") or {}
        configs = [(conversion.get("webhook") or {}).get("clientConfig")]
    else:
        configs = [webhook["clientConfig"] for webhook in value.get("webhooks") or ()]
    return [config for config in configs if config is not None]


def encode(ca_pem: bytes) -> str:
    """Validate a bundle and encode it as ``caBundle``.

    The API server accepts any content in webhook configurations, and an empty bundle, which means
    the system roots, everywhere; both would make every call fail.

    Raises:
        InjectionError: The bundle is empty, blank, or not PEM certificates only.
    """
    try:
        authority.read_bundle(ca_pem)
    except authority.CertificateError as error:
        raise InjectionError(f"{error}, as the bundle to inject: nothing was written") from error
    return base64.b64encode(ca_pem).decode()


def stanza(target: Target, current: kube.JSON, encoded: str) -> kube.JSON | None:
    """Return what to apply so that an object trusts the bundle; None if it already does.

    Raises:
        InjectionError: cert-manager injects into this object.
    """
    _check_ours(target, current)
    if target.resource == kube.CUSTOM_RESOURCE_DEFINITIONS:
        spec = _conversion_stanza(current, encoded)
    else:
        spec = _webhooks_stanza(current, encoded)
    if spec is None:
        return None
    metadata = {key: current["metadata"][key] for key in ("name", "uid", "resourceVersion")}
    return {"metadata": metadata, **spec}


def _conversion_stanza(current: kube.JSON, encoded: str) -> kube.JSON | None:
    client_config = ((current["spec"].get("conversion") or {}).get("webhook") or {}).get(
        "clientConfig"
    )
    if client_config is None or client_config.get("caBundle") == encoded:
        return None
    return {"spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": encoded}}}}}


def _webhooks_stanza(current: kube.JSON, encoded: str) -> kube.JSON | None:
    webhooks = current.get("webhooks") or ()
    if all(webhook["clientConfig"].get("caBundle") == encoded for webhook in webhooks):
        return None
    # All webhooks, including unchanged ones: fields omitted from an apply are given up.
    trusting = [
        {"name": webhook["name"], "clientConfig": {"caBundle": encoded}} for webhook in webhooks
    ]
    return {"webhooks": trusting}


def _check_ours(target: Target, current: kube.JSON) -> None:
    metadata = current["metadata"]
    annotations = metadata.get("annotations") or {}
    for annotation in _FOREIGN_ANNOTATIONS:
        if annotation in annotations:
            raise ForeignBundleError(
                f"expected no {annotation} on {target}, got {annotations[annotation]!r}: "
                "cert-manager writes the caBundle; remove the annotation, or leave the "
                "certificates to cert-manager"
            )
    for entry in metadata.get("managedFields") or ():
        manager = str(entry.get("manager"))
        if _CAINJECTOR in manager and _owns_bundle(entry.get("fieldsV1")):
            raise ForeignBundleError(
                f"expected {target} without a caBundle of another field manager, got one of "
                f"{manager}: cert-manager writes it; stop its injection, or leave the certificates "
                "to cert-manager"
            )


def _owns_bundle(fields: kube.JSON) -> bool:
    """Return whether a field set of ``managedFields`` contains a caBundle."""
    if not isinstance(fields, dict):
        return False
    return _BUNDLE_FIELD in fields or any(map(_owns_bundle, fields.values()))


async def _inject(client: kube.Client, target: Target, ca_pem: bytes) -> bool:
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(kube.ConflictError):
            return await inject_one(client, target, ca_pem, _always)
        await asyncio.sleep(_PAUSE_SECONDS)
    return await inject_one(client, target, ca_pem, _always)


async def _always() -> bool:
    return True
