"""Decides when a new serving certificate replaces the current one. Pure.

Clients must trust a certificate's CA before they see it: the new bundle is published beside the old
one and held for as long as a client may use a cached bundle. If nothing can publish (no cluster, no
ca.crt, or cert-manager's cainjector owns the field) there is nothing to wait for, unless a ca.crt
with both CAs is itself the publication; an expired certificate has no clients left.
"""

import dataclasses
from typing import Literal, TypeAlias

from certs import authority

Step: TypeAlias = Literal["serve", "publish", "wait"]


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    """Facts about a new certificate.

    Attributes:
        is_trusted: Whether the bundle that clients use already verifies it.
        can_publish: Whether its bundle can be written to where clients read it.
        published_seconds: How long its bundle has been published everywhere; None if it is not.
        has_ended: Whether the served certificate has expired or is about to.
    """

    is_trusted: bool
    can_publish: bool
    published_seconds: float | None
    has_ended: bool


def decide(view: View, hold_seconds: float) -> Step:
    """Decide what to do about the new certificate now.

    Args:
        view: What is known.
        hold_seconds: How long a client may use a bundle that it has read.
    """
    if view.is_trusted or view.has_ended or not view.can_publish:
        return "serve"
    if view.published_seconds is None:
        return "publish"
    return "serve" if view.published_seconds >= hold_seconds else "wait"


def union(new: bytes, old: bytes) -> bytes:
    """Merge two bundles, new certificates first, without duplicates; blank bundles are empty."""
    if not new.strip() or not old.strip():
        return new if new.strip() else old
    fresh = authority.read_bundle(new)
    known = {authority.fingerprint(certificate) for certificate in fresh}
    extra = [
        certificate
        for certificate in authority.read_bundle(old)
        if authority.fingerprint(certificate) not in known
    ]
    return new if not extra else authority.write_bundle([*fresh, *extra])


def includes(bundle: bytes, part: bytes) -> bool:
    """Return whether a bundle contains every certificate of another one."""
    known = {authority.fingerprint(certificate) for certificate in authority.read_bundle(bundle)}
    return all(
        authority.fingerprint(certificate) in known for certificate in authority.read_bundle(part)
    )
