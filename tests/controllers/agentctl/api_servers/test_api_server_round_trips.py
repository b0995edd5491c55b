"""Rejections of an API server are distinguished from failures."""

import pytest

from controllers import kube
from controllers.agentctl.api_servers import round_trips


@pytest.mark.parametrize(
    ("code", "message", "is_refusal"),
    [
        (422, "is invalid", True),
        (403, "denied the request", True),
        (
            500,
            'failed to create typed patch object (a/b): duplicate entries for key [name=""]',
            True,
        ),
        (500, "conversion webhook failed", False),
        (500, "failed calling webhook", False),
    ],
)
def test_a_refusal_is_no_failure(code: int, message: str, is_refusal: bool) -> None:  # noqa: FBT001
    error = kube.ApiError({"code": code, "message": message})

    assert is_refusal is round_trips.is_refusal(error)
