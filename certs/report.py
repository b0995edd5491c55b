"""Reports a server's certificates: CAs, serving replicas and caBundles. Pure."""

import base64
import binascii
import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from certs import authority, rotation, rotation_secret

# A replica renews a CA when a third of its validity is left; this is long after.
LATE_FRACTION: Final = 0.1


@dataclasses.dataclass(frozen=True)
class Authority:
    """A published CA.

    Attributes:
        role: "next" is published but does not sign yet; "retiring" no longer signs.
        fingerprint: SHA-256 of the certificate, in hex.
    """

    generation: rotation.Generation
    role: Literal["signs", "next", "retiring"]
    not_before: dt.datetime
    not_after: dt.datetime
    fingerprint: str


@dataclasses.dataclass(frozen=True)
class Replica:
    """A serving replica.

    Attributes:
        generation: Generation of the CA that signed its serving certificate.
        renewed: Last renewal of its Lease, by its own clock.
        is_live: Whether its Lease has not expired.
    """

    identity: str
    generation: rotation.Generation
    renewed: dt.datetime | None
    is_live: bool


@dataclasses.dataclass(frozen=True)
class Believer:
    """A configuration that calls webhooks.

    Attributes:
        target: ``validatingwebhookconfigurations/agents.proompteng.ai``.
        is_there: Whether the object exists.
        generations: CAs that all its caBundles contain.
        strangers: Number of unpublished certificates in a caBundle.
        is_exact: Whether all its caBundles equal the published bundle.
    """

    target: str
    is_there: bool
    generations: tuple[rotation.Generation, ...] = ()
    strangers: int = 0
    is_exact: bool = False


@dataclasses.dataclass(frozen=True)
class Report:
    """The complete report.

    Attributes:
        wish: Requested rotation that has not begun.
        problems: Problems with their remedies.
    """

    revision: int
    authorities: tuple[Authority, ...]
    replicas: tuple[Replica, ...]
    believers: tuple[Believer, ...]
    wish: str
    problems: tuple[str, ...]


def report(
    secret: Mapping[str, Any],
    leases: Sequence[Mapping[str, Any]],
    bundles: Mapping[str, Sequence[str] | None],
    now: dt.datetime,
) -> Report:
    """Build the report.

    Args:
        secret: The Secret that replicas share.
        leases: The replicas' Leases.
        bundles: The caBundles of each target (base64); None if the object does not exist.
        now: Aware UTC time.

    Raises:
        CorruptError: The Secret's content is invalid.
    """
    current = rotation_secret.read(secret)
    authorities = tuple(_authority(current, item) for item in current.state.published)
    replicas = tuple(
        sorted((_replica(item, now) for item in leases), key=lambda item: item.identity)
    )
    believers = tuple(_believer(current, *item) for item in sorted(bundles.items()))
    problems = (
        *_of_authorities(authorities, now),
        *_of_replicas(current, replicas),
        *_of_believers(current, replicas, believers),
    )
    return Report(
        current.state.revision, authorities, replicas, believers, current.wish(secret), problems
    )


def _certificates(encoded: str) -> list[str]:
    """Return the fingerprints of a caBundle's certificates; none if empty or invalid."""
    try:
        pem = base64.b64decode(encoded or "")
        return [authority.fingerprint(certificate) for certificate in authority.read_bundle(pem)]
    except (binascii.Error, authority.CertificateError):
        return []


def _authority(current: rotation_secret.Stored, generation: rotation.Generation) -> Authority:
    certificate = current.authorities[generation].certificate
    active = current.state.active
    return Authority(
        generation,
        "signs" if generation == active else "next" if generation > active else "retiring",
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        authority.fingerprint(certificate),
    )


def _replica(lease: Mapping[str, Any], now: dt.datetime) -> Replica:
    spec = lease.get("spec") or {}
    annotations = lease["metadata"].get("annotations") or {}
    generation = str(annotations.get(rotation_secret.GENERATION, ""))
    renewed = rotation_secret.time(spec.get("renewTime"))
    lasts = dt.timedelta(seconds=spec.get("leaseDurationSeconds") or 0)
    return Replica(
        spec.get("holderIdentity") or lease["metadata"]["name"],
        int(generation) if generation.isdecimal() else 0,
        renewed,
        renewed is not None and now - renewed <= lasts,
    )


def _believer(
    current: rotation_secret.Stored, target: str, bundles: Sequence[str] | None
) -> Believer:
    if bundles is None:
        return Believer(target, is_there=False)
    known = {
        authority.fingerprint(current.authorities[generation].certificate): generation
        for generation in current.state.published
    }
    shown = [_certificates(bundle) for bundle in bundles]
    common = [
        generation for name, generation in known.items() if all(name in each for each in shown)
    ]
    return Believer(
        target,
        is_there=True,
        generations=tuple(common),
        strangers=max((sum(name not in known for name in each) for each in shown), default=0),
        is_exact=all(base64.b64encode(current.bundle_pem).decode() == bundle for bundle in bundles),
    )


def _of_authorities(current: Sequence[Authority], now: dt.datetime) -> Iterator[str]:
    for ca in current:
        left = ca.not_after - now
        if ca.role == "signs" and left <= dt.timedelta():
            yield (
                f"active CA {ca.generation} expired at "
                f"{ca.not_after:%Y-%m-%dT%H:%M:%SZ}: start a replica, which replaces it"
            )
        elif ca.role == "signs" and left < (ca.not_after - ca.not_before) * LATE_FRACTION:
            yield (
                f"active CA {ca.generation} expires at "
                f"{ca.not_after:%Y-%m-%dT%H:%M:%SZ} and was not replaced: check the replicas' "
                "logs"
            )


def _of_replicas(current: rotation_secret.Stored, replicas: Sequence[Replica]) -> Iterator[str]:
    live = [replica for replica in replicas if replica.is_live]
    if not live:
        yield "no replica renews its Lease: none is serving or rotating certificates"
    for replica in live:
        if replica.generation not in current.state.published:
            yield (
                f"replica {replica.identity} serves a certificate of CA {replica.generation}, "
                "which is not published: check its log"
            )


def _of_believers(
    current: rotation_secret.Stored, replicas: Sequence[Replica], believers: Sequence[Believer]
) -> Iterator[str]:
    served = {replica.generation for replica in replicas if replica.is_live} & {
        *current.state.published
    }
    for believer in believers:
        missing = sorted(({current.state.active} | served) - {*believer.generations})
        if not believer.is_there:
            yield f"{believer.target} does not exist: install it"
        elif missing:
            numbers = ", ".join(map(str, missing))
            yield (
                f"{believer.target} does not trust CA {numbers}: a replica updates its caBundle "
                "within seconds; if it does not, check the replicas' logs"
            )
        elif believer.strangers:
            yield f"{believer.target} trusts {believer.strangers} unpublished certificates"
