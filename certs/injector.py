"""Writes an authority's certificates into the cluster, so that it trusts our webhook server.

Shell: the cluster, through `controllers.kube`. What is to be written is decided by pure functions.

Server-side apply of the caBundle alone works for all three kinds (tried on 1.37): CRDs have the
stanza as plain fields beside the atomic list ``spec.versions``, which we thereby never own, and
``webhooks`` is a map by name. Whoever applies the object later without a caBundle leaves ours. The
price: whoever *applies* it later without that webhook or conversion is refused, because our field
would stay behind alone; `release` gives the fields up before.
"""

import asyncio
import base64
import contextlib
import dataclasses
from collections.abc import Awaitable, Callable, Sequence

from certs import authority
from controllers import kube

FIELD_MANAGER = "kubewright-certs"
# cert-manager's cainjector writes the same fields of objects that carry one of these.
_FOREIGN_ANNOTATIONS = (
    "cert-manager.io/inject-ca-from",
    "cert-manager.io/inject-ca-from-secret",
    "cert-manager.io/inject-apiserver-ca",
)
# The end of its field manager's name, which has changed over the years.
_CAINJECTOR = "cainjector"
_BUNDLE_FIELD = "f:caBundle"
_ATTEMPTS = 10
_PAUSE_SECONDS = 0.1


class InjectionError(authority.CertificateError):
    """The bundle must not be written, or the object is somebody else's to write it to."""


class ForeignBundleError(InjectionError):
    """cert-manager writes the caBundle of the object: it is not ours to write."""


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """One object whose caBundle is ours to write."""

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
    """Write the bundle wherever the named objects call a webhook, and nothing else.

    Args:
        client: As a user who may get and patch the objects. Their installers leave caBundle out:
            a placeholder is taken over, and the next apply that has it conflicts.
        ca_pem: The certificates to trust; during a rotation, old and new.
        crds: Names of CustomResourceDefinitions; one without webhook conversion is passed over.
        validating: Names of ValidatingWebhookConfigurations.
        mutating: Names of MutatingWebhookConfigurations.

    Returns:
        The objects that were written, without those that had the bundle already.

    Raises:
        InjectionError: The bundle is no PEM, or cert-manager injects into one of the objects.
        NotFoundError: There is no object of that name.
    """
    encode(ca_pem)  # before anything is read
    named = targets(crds=crds, validating=validating, mutating=mutating)
    return tuple([target for target in named if await _inject(client, target, ca_pem)])


async def publish(client: kube.Client, ca_pem: bytes, targets: Sequence[Target]) -> bool:
    """Write the bundle to those of the objects that exist; whether one of them had another.

    Args:
        client: As for ``inject``.
        ca_pem: The bundle.
        targets: The objects.

    Raises:
        ForeignBundleError: cert-manager injects into one of the objects; the others are written.
        InjectionError: The bundle is no PEM.
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
    """Write the bundle to one object, unless it is out of date; whether it was written.

    Args:
        client: As for ``inject``.
        target: The object.
        ca_pem: The bundle.
        is_current: Asked between the read of the object and the write, which fails if the object
            changed in between: so no bundle of yesterday is ever written over one of today.

    Raises:
        InjectionError: The bundle is no PEM, or cert-manager injects into the object.
        NotFoundError: There is no object of that name.
        ConflictError: The object changed meanwhile.
    """
    encoded = encode(ca_pem)
    current = await client.get(target.resource, target.name)
    wanted = stanza(target, current, encoded)
    if wanted is None or not await is_current():
        return False
    # By force, because a caBundle in an installer's manifest is a placeholder. The
    # resourceVersion holds nevertheless: a webhook may have come or gone since the read.
    await client.apply(target.resource, wanted, field_manager=FIELD_MANAGER, force=True)
    return True


async def release(
    client: kube.Client,
    *,
    crds: Sequence[str] = (),
    validating: Sequence[str] = (),
    mutating: Sequence[str] = (),
) -> None:
    """Give up the fields that `inject` owns, which removes them; to be done before a webhook goes.

    Args:
        client: As a user who may get and patch the objects.
        crds: Names of CustomResourceDefinitions.
        validating: Names of ValidatingWebhookConfigurations.
        mutating: Names of MutatingWebhookConfigurations.

    Raises:
        NotFoundError: There is no object of that name.
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
    """How an object calls webhooks: the ``clientConfig`` of each."""
    if target.resource == kube.CUSTOM_RESOURCE_DEFINITIONS:
        conversion = value["spec"].get("conversion") or {}
        configs = [(conversion.get("webhook") or {}).get("clientConfig")]
    else:
        configs = [one["clientConfig"] for one in value.get("webhooks") or ()]
    return [config for config in configs if config is not None]


def encode(ca_pem: bytes) -> str:
    """Return a bundle as ``caBundle``, checked.

    The API server takes anything in webhook configurations, and an empty bundle everywhere, which
    means the system's roots; either makes every call fail.

    Raises:
        InjectionError: The bundle is empty, blank, or not certificates in PEM throughout.
    """
    try:
        authority.read_bundle(ca_pem)
    except authority.CertificateError as error:
        raise InjectionError(f"{error}, as the bundle to inject: nothing was written") from error
    return base64.b64encode(ca_pem).decode()


def stanza(target: Target, current: kube.JSON, encoded: str) -> kube.JSON | None:
    """Return what to apply so that an object trusts the bundle; None where it does already.

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
    # All of them, also those that have it: what a manager leaves out of an apply it gives up.
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
                "cert-manager writes the caBundle there; remove the annotation, or leave the "
                "certificates to cert-manager"
            )
    for entry in metadata.get("managedFields") or ():
        manager = str(entry.get("manager"))
        if _CAINJECTOR in manager and _owns_bundle(entry.get("fieldsV1")):
            raise ForeignBundleError(
                f"expected a caBundle of ours on {target}, got one of field manager {manager}: "
                "cert-manager writes it; stop it from injecting there, or leave the certificates "
                "to cert-manager"
            )


def _owns_bundle(fields: kube.JSON) -> bool:
    """Whether a field set of ``managedFields`` has a caBundle anywhere."""
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
