"""When a new serving certificate replaces the one that is served. Pure.

Clients must trust a certificate's authority before they meet it: the new bundle is published beside
the old one and held for as long as a client may remember the old one alone. Where nobody can
publish (no cluster, no ca.crt, cert-manager's cainjector owns the field) there is nothing to wait
for, unless a ca.crt with both authorities is the publication; and a certificate that has ended has
no client left.
"""

import dataclasses
from typing import Literal, TypeAlias

from certs import authority

Step: TypeAlias = Literal["serve", "publish", "wait"]


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    """What is known when a new certificate is found.

    Attributes:
        is_trusted: Whether the bundle that clients hold already verifies it.
        can_publish: Whether its bundle can be written to where clients read it.
        published_seconds: How long they have all shown its bundle; None if they do not.
        has_ended: Whether what is served is about to be, or is, valid no more.
    """

    is_trusted: bool
    can_publish: bool
    published_seconds: float | None
    has_ended: bool


def decide(view: View, hold_seconds: float) -> Step:
    """What to do about the new certificate now.

    Args:
        view: What is known.
        hold_seconds: How long a client may go on trusting a bundle that it has read.
    """
    if view.is_trusted or view.has_ended or not view.can_publish:
        return "serve"
    if view.published_seconds is None:
        return "publish"
    return "serve" if view.published_seconds >= hold_seconds else "wait"


def union(new: bytes, old: bytes) -> bytes:
    """A bundle with the certificates of two, the new ones first, each once; blank is none."""
    if not new.strip() or not old.strip():
        return new if new.strip() else old
    fresh = authority.read_bundle(new)
    known = {authority.fingerprint(one) for one in fresh}
    extra = [one for one in authority.read_bundle(old) if authority.fingerprint(one) not in known]
    return new if not extra else authority.write_bundle([*fresh, *extra])


def includes(bundle: bytes, part: bytes) -> bool:
    """Whether a bundle has every certificate of another one."""
    known = {authority.fingerprint(one) for one in authority.read_bundle(bundle)}
    return all(authority.fingerprint(one) in known for one in authority.read_bundle(part))
