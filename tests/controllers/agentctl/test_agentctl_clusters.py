"""Answers of an API server to GET, and its errors, for ``schemagen``'s commands."""

import asyncio
from typing import Any

import pytest

from controllers import kube
from controllers.agentctl.api_servers import clusters
from controllers.kube import requests
from schemagen.compat import clusters as compat


class Client:
    """Answers with a body, or an error, and remembers the requests."""

    def __init__(self, answer: bytes | Exception) -> None:
        self.answer = answer
        self.requests: list[requests.Request] = []

    async def body(self, request: requests.Request) -> bytes:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def get(answer: bytes | Exception) -> tuple[Any, Client]:
    client = Client(answer)
    cluster = clusters.Cluster(client, "the current cluster")  # type: ignore[arg-type] # a stand-in
    return asyncio.run(cluster.get("/apis/x", limit="5")), client


def error(kind: type[kube.ApiError], **metadata: str) -> kube.ApiError:
    return kind({"code": 0, "message": "no", "metadata": metadata})


def test_nothing_but_get_is_asked() -> None:
    answer, client = get(b'{"items": []}')

    assert {"items": []} == answer
    assert [("GET", "/apis/x", (("limit", "5"),))] == [
        (request.method, request.path, request.query) for request in client.requests
    ]


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (error(kube.NotFoundError), compat.NotFoundError),
        (error(kube.ForbiddenError), compat.ClusterError),
        (kube.UnreachableError("no"), compat.ClusterError),
    ],
)
def test_errors_name_the_cluster(raised: Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected, match="expected to read /apis/x of the current cluster, got: no"):
        get(raised)


@pytest.mark.parametrize(("metadata", "token"), [({"continue": "more"}, "more"), ({}, "")])
def test_expired_pages_go_on_where_the_api_server_says(
    metadata: dict[str, str], token: str
) -> None:
    with pytest.raises(compat.ExpiredError) as caught:
        get(error(kube.GoneError, **metadata))

    assert token == caught.value.token
