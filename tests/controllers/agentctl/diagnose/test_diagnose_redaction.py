"""What leaves the cluster in a support archive."""

import pytest

from controllers.agentctl.diagnose import redaction

SECRET = "s3cr3t-value-of-some-length"  # noqa: S105 - no real one


@pytest.mark.parametrize(
    "text",
    [
        f"postgres://app:{SECRET}@db.example.com:5432/x",
        f"https://{SECRET}@example.com/repository.git",
        f"Authorization: Bearer {SECRET}",
        f"password={SECRET}",
        f'{{"api_key": "{SECRET}"}}',
        f"GITHUB_TOKEN={SECRET} failed",
        f"client-secret: {SECRET}",
        f"-----BEGIN EC PRIVATE KEY-----\n{SECRET}\n-----END EC PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY----- {SECRET} and no end",
        f"ghp_{SECRET.replace('-', '')}",
        f"eyJhbGciOiJIUzI1NiJ9.{SECRET}.x",
    ],
)
def test_credential_in_a_text_is_masked(text: str) -> None:
    masked = redaction.text(f"before {text} after")

    assert SECRET not in masked
    assert SECRET.replace("-", "") not in masked
    assert redaction.MASK in masked
    assert masked.startswith("before ")


@pytest.mark.parametrize(
    "text",
    [
        "expected agents-controllers-7d9f_1c2b to renew the Lease, got no renewal for 4m",
        "the Secret github-token has no key token",
        "https://127.0.0.1:443/convert",
        "quota count/secrets is used up",
    ],
)
def test_ordinary_text_is_kept(text: str) -> None:
    assert text == redaction.text(text)


def test_only_named_fields_of_an_object_are_kept() -> None:
    value = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "a",
            "annotations": {"note": SECRET},
            "managedFields": [{"manager": "x", "fieldsV1": {f'v:"{SECRET}"': {}}}],
        },
        "spec": {"containers": [{"env": [{"name": "A", "value": SECRET}]}], "other": SECRET},
        "status": {
            "phase": "Running",
            "list": [SECRET],
            "conditions": [{"type": SECRET[:2]}, SECRET],
        },
        "data": {"x": SECRET},
    }

    kept = redaction.redacted(value)

    assert SECRET not in str(kept)
    assert {"phase": "Running", "conditions": [{"type": SECRET[:2]}]} == kept["status"]
    assert {"note": redaction.MASK} == kept["metadata"]["annotations"]
    assert [{"manager": "x"}] == kept["metadata"]["managedFields"]


@pytest.mark.parametrize("value", [{"kind": "Pod"}, {"kind": "ConfigMap"}, {"metadata": None}, {}])
def test_object_without_parts_is_no_error(value: dict[str, object]) -> None:
    assert {} == redaction.redacted(value)["metadata"]["labels"]
