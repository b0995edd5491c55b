"""What a failed write of a migration means."""

import pytest

from schemagen.compat import clusters
from schemagen.migrate.requests import failures
from schemagen.migrate.requests.failures import Failure

CONVERSION = "conversion webhook for example.com/v1, Kind=Widget failed: "
ADMISSION = 'Internal error occurred: failed calling webhook "a.example.com": '


@pytest.mark.parametrize(
    ("code", "cause", "failure"),
    [
        (0, "connection refused", Failure.UNAVAILABLE),
        (409, "the object has been modified", Failure.CONFLICT),
        (429, "too many requests", Failure.UNAVAILABLE),
        (503, "the server is currently unable", Failure.UNAVAILABLE),
        (500, "etcdserver: request timed out", Failure.UNAVAILABLE),
        (500, f'{CONVERSION}Post "https://x/": refused', Failure.WEBHOOK_AWAY),
        (500, f"{CONVERSION}small cannot be converted", Failure.DOUBTFUL),
        (500, f'{ADMISSION}failed to call webhook: Post "https://x/": EOF', Failure.WEBHOOK_AWAY),
        (500, "anything else", Failure.DOUBTFUL),
        (422, "spec.size: Invalid value", Failure.REFUSED),
        (403, "denied the request", Failure.REFUSED),
    ],
)
def test_failures_are_told_apart(code: int, cause: str, failure: Failure) -> None:
    assert failure is failures.of(clusters.ClusterError("x", code=code, cause=cause), "small")


def test_a_deleted_object_is_not_a_resource_that_is_not_served_yet() -> None:
    deleted = clusters.NotFoundError("x", code=404, cause='widgets "small" not found')
    unserved = clusters.NotFoundError("x", code=404, cause="404 page not found")

    assert Failure.ABSENT is failures.of(deleted, "small")
    assert Failure.UNAVAILABLE is failures.of(unserved, "small")
