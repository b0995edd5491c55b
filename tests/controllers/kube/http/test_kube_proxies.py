import pytest

from controllers.kube.http import proxies

PROXY = "http://proxy.test:3128"


@pytest.mark.parametrize(
    ("server", "environment", "expected"),
    [
        ("https://10.0.0.1:6443", {}, None),
        ("https://10.0.0.1:6443", {"HTTPS_PROXY": PROXY}, PROXY),
        ("https://10.0.0.1:6443", {"https_proxy": "proxy.test:3128"}, PROXY),
        ("https://10.0.0.1:6443", {"HTTP_PROXY": PROXY}, None),
        ("http://10.0.0.1:8080", {"HTTP_PROXY": PROXY}, PROXY),
        ("https://127.0.0.1:6443", {"HTTPS_PROXY": PROXY}, None),
        ("https://[::1]:6443", {"HTTPS_PROXY": PROXY}, None),
        ("https://localhost:6443", {"HTTPS_PROXY": PROXY}, None),
    ],
)
def test_environment_sets_the_proxy(
    server: str, environment: dict[str, str], expected: str | None
) -> None:
    assert proxies.from_environment(server, environment) == expected


@pytest.mark.parametrize(
    ("server", "exceptions", "is_direct"),
    [
        ("https://10.0.0.1", "*", True),
        ("https://10.0.0.1", "10.0.0.0/8", True),
        ("https://10.0.0.1", "192.168.0.0/16, 10.0.0.1", True),
        ("https://10.0.0.1", "192.168.0.0/16,junk/x", False),
        ("https://[fd00::1]", "fd00::/8", True),
        ("https://api.test", "10.0.0.0/8", False),
        ("https://api.test", "test", True),
        ("https://api.test", "API.test", True),
        ("https://api.test", ".test", True),
        ("https://api.test", "*.test", True),
        ("https://api.test", ".api.test", False),
        ("https://myapi.test", "api.test", False),
        ("https://api.test:6443", "api.test:6443", True),
        ("https://api.test", "api.test:6443", False),
        ("https://api.test", "api.test:443", True),
        ("https://api.test", " ,", False),
    ],
)
def test_exceptions_are_reached_directly(server: str, exceptions: str, *, is_direct: bool) -> None:
    environment = {"HTTPS_PROXY": PROXY, "NO_PROXY": exceptions}

    assert (proxies.from_environment(server, environment) is None) == is_direct
