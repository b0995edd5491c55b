import hashlib
import hmac

import pytest

from controllers.sources.api_constants import Provider, Refusal
from controllers.sources.payloads import signatures

# The vector of GitHub's documentation.
SECRET, BODY = b"It's a Secret to Everybody", b"Hello, World!"
DIGEST = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
OLD, NEW = b"old secret", b"new secret"


def test_the_documented_signature_is_accepted() -> None:
    headers = {"x-hub-signature-256": f"sha256={DIGEST}"}

    assert signatures.refusal(Provider.GITHUB, headers, BODY, [SECRET]) is None


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_either_of_two_active_secrets_may_sign(secret: bytes) -> None:
    headers = {"linear-signature": signatures.signature(secret, BODY)}

    assert signatures.refusal(Provider.LINEAR, headers, BODY, [OLD, NEW]) is None


@pytest.mark.parametrize(
    ("provider", "headers", "expected"),
    [
        (Provider.GITHUB, {}, Refusal.MISSING_SIGNATURE),
        (Provider.LINEAR, {}, Refusal.MISSING_SIGNATURE),
        (Provider.LINEAR, {"x-hub-signature-256": f"sha256={DIGEST}"}, Refusal.MISSING_SIGNATURE),
        (Provider.GITHUB, {"linear-signature": DIGEST}, Refusal.MISSING_SIGNATURE),
        (Provider.GITHUB, {"x-hub-signature-256": DIGEST}, Refusal.MALFORMED_SIGNATURE),
        (Provider.LINEAR, {"linear-signature": f"sha256={DIGEST}"}, Refusal.MALFORMED_SIGNATURE),
        (Provider.GITHUB, {"x-hub-signature-256": "sha256="}, Refusal.MALFORMED_SIGNATURE),
        (Provider.LINEAR, {"linear-signature": DIGEST + "\n"}, Refusal.MALFORMED_SIGNATURE),
        (Provider.LINEAR, {"linear-signature": "ä" * 64}, Refusal.MALFORMED_SIGNATURE),
        (Provider.LINEAR, {"linear-signature": "0" * 64}, Refusal.WRONG_SIGNATURE),
    ],
)
def test_other_signatures_are_refused_by_reason(
    provider: Provider, headers: dict[str, str], expected: Refusal
) -> None:
    assert expected == signatures.refusal(provider, headers, BODY, [SECRET])


def test_a_valid_sha1_signature_is_refused() -> None:
    digest = hmac.new(SECRET, BODY, hashlib.sha1).hexdigest()
    headers = {"x-hub-signature": f"sha1={digest}"}

    got = signatures.refusal(Provider.GITHUB, headers, BODY, [SECRET])

    assert Refusal.SHA1_SIGNATURE == got


def test_every_changed_byte_is_found() -> None:
    headers = {"x-hub-signature-256": f"sha256={DIGEST}"}
    forged = [BODY[:i] + bytes([BODY[i] ^ 1]) + BODY[i + 1 :] for i in range(len(BODY))]

    got = {signatures.refusal(Provider.GITHUB, headers, body, [SECRET]) for body in forged}

    assert {Refusal.WRONG_SIGNATURE} == got


def test_an_empty_secret_signs_nothing() -> None:
    headers = {"linear-signature": signatures.signature(b"", BODY)}

    assert Refusal.NO_SECRET == signatures.refusal(Provider.LINEAR, headers, BODY, [b""])
