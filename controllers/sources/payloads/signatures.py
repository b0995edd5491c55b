"""Signatures of deliveries, over the bytes as they were received. Pure.

https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries and
https://linear.app/developers/webhooks#securing-webhooks. Both sign the body only, so no other
header may decide anything about security.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Final

from controllers.sources.api_constants import Provider, Refusal

GITHUB_HEADER: Final = "x-hub-signature-256"
GITHUB_SHA1_HEADER: Final = "x-hub-signature"
LINEAR_HEADER: Final = "linear-signature"

_GITHUB: Final = re.compile(r"sha256=([0-9a-f]{64})", re.ASCII)
_LINEAR: Final = re.compile(r"([0-9a-f]{64})", re.ASCII)


def refusal(
    provider: Provider, headers: Mapping[str, str], body: bytes, secrets: Iterable[bytes]
) -> Refusal | None:
    """Return why a delivery's signature is refused; None if one of the secrets made it.

    Args:
        provider: The sender.
        headers: By their names in lower case.
        body: As received, before any decoding.
        secrets: The active signing secrets; empty ones sign nothing.
    """
    pattern = _GITHUB if provider is Provider.GITHUB else _LINEAR
    text = headers.get(GITHUB_HEADER if provider is Provider.GITHUB else LINEAR_HEADER)
    if text is None:
        is_sha1 = provider is Provider.GITHUB and GITHUB_SHA1_HEADER in headers
        return Refusal.SHA1_SIGNATURE if is_sha1 else Refusal.MISSING_SIGNATURE
    given = pattern.fullmatch(text)
    if given is None:
        return Refusal.MALFORMED_SIGNATURE
    usable = [secret for secret in secrets if secret]
    if not usable:
        return Refusal.NO_SECRET
    # Every secret is tried, so that the time does not tell which of them is in use.
    matches = [hmac.compare_digest(signature(secret, body), given[1]) for secret in usable]
    return None if any(matches) else Refusal.WRONG_SIGNATURE


def signature(secret: bytes, body: bytes) -> str:
    """Return the HMAC-SHA256 of a body, in hex."""
    return hmac.new(secret, body, hashlib.sha256).hexdigest()
