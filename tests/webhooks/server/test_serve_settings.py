"""Settings of ``webhooks serve``: bounds, contradictions, and what follows from them."""

import pathlib
from typing import Any

import pydantic
import pytest

from webhooks.server import serve_settings
from webhooks.server.serve_settings import ServeSettings

OBJECT = "agents/webhooks"


def settings(**values: Any) -> ServeSettings:
    return ServeSettings(reference="crds:api", **values)


@pytest.mark.parametrize(
    "values",
    [
        {"port": -1},
        {"port": 65536},
        {"health_port": 65536},
        {"workers": 65},
        {"cert_hold_seconds": 86_400.1},
        {"cert_hold_seconds": float("nan")},
        {"cert_lease_seconds": 0.9},
        {"leaf_days": 36_501},
        {"authority_days": -1},
        {"quiet_seconds": -0.1},
        {"drain_seconds": float("inf")},
        {"transport": "http2"},
        {"hostname": "misspelt"},
    ],
)
def test_values_out_of_bounds_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError, match=next(iter(values))):
        settings(**values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, []),
        ({"cert_secret": OBJECT, "service": OBJECT}, []),
        (
            {"cert_dir": "certificates", "cert_secret": OBJECT},
            ["expected --cert-dir or --cert-secret, got both"],
        ),
        ({"cert_secret": "webhooks"}, ["expected NAMESPACE/NAME, got webhooks"]),
        ({"service": "a/b/c"}, ["expected NAMESPACE/NAME, got a/b/c"]),
        (
            {"leaf_days": 20, "authority_days": 10, "service": "", "cert_secret": "/b"},
            [
                "expected NAMESPACE/NAME, got /b",
                (
                    "expected positive lifetimes and a serving certificate's within its CA's, got "
                    "20 days, 0:00:00 for serving certificates and 10 days, 0:00:00 for CAs"
                ),
                "expected NAMESPACE/NAME, got ",
            ],
        ),
    ],
)
def test_contradictions_and_malformed_values_are_listed(
    values: dict[str, Any], expected: list[str]
) -> None:
    assert expected == [*serve_settings.problems(settings(**values))]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, (False, False)),
        ({"is_installing": True}, (True, True)),
        ({"kubeconfig": "kubeconfig", "check_trust": False}, (True, False)),
        ({"look_up": True}, (True, False)),
        ({"is_installing": True, "look_up": False}, (False, True)),
    ],
)
def test_related_objects_and_trust_are_read_where_a_cluster_is_known(
    values: dict[str, Any], expected: tuple[bool, bool]
) -> None:
    given = settings(**values)

    assert expected == (given.is_looking_up, given.is_checking_trust)


@pytest.mark.parametrize(
    ("hold", "lease", "period"), [(60, 60, 2.0), (60, 5, 0.5), (5, 60, 0.5), (0, 60, 0.2)]
)
def test_rotation_polls_ten_times_within_the_shortest_duration(
    hold: float, lease: float, period: float
) -> None:
    rotation = settings(cert_hold_seconds=hold, cert_lease_seconds=lease).rotation

    assert (hold, lease, period) == (
        rotation.hold_seconds,
        rotation.lease_seconds,
        rotation.period_seconds,
    )


def test_names_of_the_certificate_follow_from_the_host() -> None:
    assert ("127.0.0.1", "localhost") == settings(host="0.0.0.0").server_names  # noqa: S104 - given
    assert ("a", "b") == settings(names=("a", "b")).server_names


def test_settings_are_a_value() -> None:
    given = settings(cert_dir=pathlib.Path("a"))

    assert given == settings(cert_dir="a")
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        given.port = 1  # type: ignore[misc]
