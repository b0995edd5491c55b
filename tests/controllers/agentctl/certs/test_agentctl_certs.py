"""Which responses of the API server show that it called the webhooks."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from controllers import kube
from controllers.agentctl.certs import certificates
from controllers.kube import errors
from tests.support import foundry

BODY = {"apiVersion": "foundry.example.org/v2", "kind": "Furnace", "metadata": {"name": "x"}}
DENIED = 'admission webhook "validate.foundry.example.org" denied the request: too hot'
UNCALLED = 'failed calling webhook "validate.foundry.example.org": connection refused'


class Client:
    """Returns one response per call; None accepts the object."""

    def __init__(self, *answers: kube.ApiError | None) -> None:
        self.answers: Iterator[kube.ApiError | None] = itertools.cycle(answers)
        self.asked = 0

    async def create(self, *_: object, **options: Any) -> None:
        assert options["dry_run"]
        self.asked += 1
        if (error := next(self.answers)) is not None:
            raise error


def refusal(code: int, reason: str, message: str) -> kube.ApiError:
    status = {"kind": "Status", "code": code, "reason": reason, "message": message}
    return errors.from_status(status)


INVALID = refusal(422, "Invalid", "spec: Required value")


@pytest.mark.parametrize(
    ("answers", "outcome", "asked"),
    [
        ([None], "ok", 1),
        ([refusal(403, "Forbidden", DENIED)], "ok", 1),
        ([refusal(409, "AlreadyExists", "it exists")], "ok", 1),
        ([INVALID, INVALID, None], "ok", 3),
        ([INVALID], "not tried", 3),
        ([INVALID, refusal(500, "InternalError", UNCALLED)], "failed", 2),
        ([refusal(404, "NotFound", "the server could not find it")], "failed", 1),
        ([refusal(403, "Forbidden", "may not create")], "not tried", 3),
    ],
)
async def test_objects_are_tried_until_webhooks_are_asked(
    answers: list[kube.ApiError | None], outcome: str, asked: int
) -> None:
    client: Any = Client(*answers)

    tried = await certificates.first_call(
        client, foundry.api, [{**BODY, "metadata": {"name": "x"}} for _ in range(3)]
    )

    assert (outcome, "furnaces as v2", asked) == (tried.outcome, tried.where, client.asked)
