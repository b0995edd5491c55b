"""A server listens on addresses of either family and is called at its certificate's first name."""

import socket

import pytest

from controllers.process import addresses
from webhooks.server import review_listener


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("::", "https://127.0.0.1"),
        ("::1", "https://[::1]"),
        ("0.0.0.0", "https://127.0.0.1"),  # noqa: S104 - the case
    ],
)
def test_listener_is_reached_at_the_address_of_its_certificate(host: str, url: str) -> None:
    called = addresses.names(host)[0]

    with review_listener.listening(host, 0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection((called, port)) as client:
            assert port == client.getpeername()[1]

    assert f"{url}:{port}" == addresses.url("https", called, port)
