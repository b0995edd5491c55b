"""What there is to say of a server's certificates: who signs, who serves, who believes. Pure."""

import base64
import binascii
import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from certs import authority, rotation, stored

# A replica renews an authority when a third of its life is left; this is long after.
LATE_FRACTION: Final = 0.1


@dataclasses.dataclass(frozen=True)
class Authority:
    """One that is believed.

    Attributes:
        role: «next» is published and does not sign yet; «retiring» signs no more.
        fingerprint: SHA-256 of the certificate, in hex.
    """

    generation: rotation.Generation
    role: Literal["signs", "next", "retiring"]
    not_before: dt.datetime
    not_after: dt.datetime
    fingerprint: str


@dataclasses.dataclass(frozen=True)
class Replica:
    """One that serves.

    Attributes:
        generation: Of the authority whose leaf it serves.
        renewed: When it last said so, by its own clock.
        is_live: Whether it did so within its Lease's duration.
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
        is_there: Whether there is such an object.
        generations: Of the authorities that each of its caBundles has.
        strangers: How many other certificates are in one of them.
        is_exact: Whether each is just what is published.
    """

    target: str
    is_there: bool
    generations: tuple[rotation.Generation, ...] = ()
    strangers: int = 0
    is_exact: bool = False


@dataclasses.dataclass(frozen=True)
class Report:
    """All of it.

    Attributes:
        wish: A rotation that was asked for and has not begun.
        problems: What is wrong, in words, with what to do.
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
    """Say what is and what is wrong.

    Args:
        secret: The Secret that replicas share.
        leases: Theirs.
        bundles: By target, the caBundles as they stand there (base64); None: there is no such
            object.
        now: Aware UTC time.

    Raises:
        CorruptError: The Secret is not what the replicas write.
    """
    found = stored.read(secret)
    authorities = tuple(_authority(found, one) for one in found.state.published)
    replicas = tuple(sorted((_replica(one, now) for one in leases), key=lambda one: one.identity))
    believers = tuple(_believer(found, *one) for one in sorted(bundles.items()))
    problems = (
        *_of_authorities(authorities, now),
        *_of_replicas(found, replicas),
        *_of_believers(found, replicas, believers),
    )
    return Report(
        found.state.revision, authorities, replicas, believers, found.wish(secret), problems
    )


def _certificates(encoded: str) -> list[str]:
    """The fingerprints of a caBundle's certificates; none where it is empty or no PEM."""
    try:
        pem = base64.b64decode(encoded or "")
        return [authority.fingerprint(one) for one in authority.read_bundle(pem)]
    except (binascii.Error, authority.CertificateError):
        return []


def _authority(found: stored.Stored, generation: rotation.Generation) -> Authority:
    certificate = found.authorities[generation].certificate
    active = found.state.active
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
    generation = str(annotations.get(stored.GENERATION, ""))
    renewed = stored.time(spec.get("renewTime"))
    lasts = dt.timedelta(seconds=spec.get("leaseDurationSeconds") or 0)
    return Replica(
        spec.get("holderIdentity") or lease["metadata"]["name"],
        int(generation) if generation.isdecimal() else 0,
        renewed,
        renewed is not None and now - renewed <= lasts,
    )


def _believer(found: stored.Stored, target: str, bundles: Sequence[str] | None) -> Believer:
    if bundles is None:
        return Believer(target, is_there=False)
    known = {
        authority.fingerprint(found.authorities[one].certificate): one
        for one in found.state.published
    }
    shown = [_certificates(one) for one in bundles]
    common = [one for name, one in known.items() if all(name in each for each in shown)]
    return Believer(
        target,
        is_there=True,
        generations=tuple(common),
        strangers=max((sum(name not in known for name in each) for each in shown), default=0),
        is_exact=all(base64.b64encode(found.bundle_pem).decode() == one for one in bundles),
    )


def _of_authorities(found: Sequence[Authority], now: dt.datetime) -> Iterator[str]:
    for one in found:
        left = one.not_after - now
        if one.role == "signs" and left <= dt.timedelta():
            yield (
                f"authority {one.generation}, which signs, ran out at "
                f"{one.not_after:%Y-%m-%dT%H:%M:%SZ}: start a replica, which replaces it"
            )
        elif one.role == "signs" and left < (one.not_after - one.not_before) * LATE_FRACTION:
            yield (
                f"authority {one.generation}, which signs, runs out at "
                f"{one.not_after:%Y-%m-%dT%H:%M:%SZ} and was not replaced: look at the replicas' "
                "logs"
            )


def _of_replicas(found: stored.Stored, replicas: Sequence[Replica]) -> Iterator[str]:
    live = [one for one in replicas if one.is_live]
    if not live:
        yield "no replica renews its Lease: nobody serves, or looks after certificates"
    for one in live:
        if one.generation not in found.state.published:
            yield (
                f"replica {one.identity} serves a leaf of authority {one.generation}, which is "
                "not published: look at its log"
            )


def _of_believers(
    found: stored.Stored, replicas: Sequence[Replica], believers: Sequence[Believer]
) -> Iterator[str]:
    served = {one.generation for one in replicas if one.is_live} & {*found.state.published}
    for one in believers:
        missing = sorted(({found.state.active} | served) - {*one.generations})
        if not one.is_there:
            yield f"{one.target} is not there: install it"
        elif missing:
            numbers = ", ".join(map(str, missing))
            yield (
                f"{one.target} does not believe authority {numbers}: a replica writes its caBundle "
                "within seconds; if it stays so, look at the replicas' logs"
            )
        elif one.strangers:
            yield f"{one.target} believes {one.strangers} certificates that are not published"
