"""The report of CAs, replicas and caBundles, and its problems."""

import base64
import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from certs import authority, report, rotation_secret
from certs.rotation import State

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
TARGET = "validatingwebhookconfigurations/agents"


def make(generation: int) -> authority.Pair:
    return authority.new_authority(f"test {generation}", now=NOW)


FIRST = rotation_secret.first(make)
BOTH = FIRST.advanced(State(2, 1, (1, 2)), make)
SIGNING = BOTH.advanced(State(3, 2, (1, 2)), make)
UNBELIEVED = (
    f"{TARGET} does not trust CA 1: a replica updates its caBundle within seconds; if it does "
    "not, check the replicas' logs"
)
STRANGER = make(9).certificate_pem


def lease(
    name: str, generation: str = "1", renewed: dt.datetime | str | None = NOW
) -> dict[str, Any]:
    time = renewed if isinstance(renewed, str | None) else f"{renewed:%Y-%m-%dT%H:%M:%S.%fZ}"
    return {
        "metadata": {"name": name, "annotations": {rotation_secret.GENERATION: generation}},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": 60, "renewTime": time},
    }


def encoded(*pems: bytes) -> str:
    return base64.b64encode(b"".join(pems)).decode()


def of(
    found: rotation_secret.Stored,
    leases: Sequence[Mapping[str, Any]] = (lease("a"),),
    bundles: Mapping[str, Sequence[str] | None] | None = None,
    now: dt.datetime = NOW,
    wish: str = "",
) -> report.Report:
    secret = rotation_secret.secret(found, "agents", "webhooks")
    secret["metadata"]["annotations"][rotation_secret.WANTED] = wish
    shown = {TARGET: [encoded(found.bundle_pem)]} if bundles is None else bundles
    return report.report(secret, leases, shown, now)


def test_report_of_a_rotation_in_its_middle() -> None:
    leases = [lease("b", "1", NOW - dt.timedelta(seconds=61)), lease("a", "2")]

    found = of(SIGNING, leases, wish="again")

    roles = [(one.generation, one.role) for one in found.authorities]
    assert [(1, "retiring"), (2, "signs")] == roles
    assert found == report.Report(
        revision=3,
        authorities=found.authorities,
        replicas=(
            report.Replica("a", 2, NOW, is_live=True),
            report.Replica("b", 1, NOW - dt.timedelta(seconds=61), is_live=False),
        ),
        believers=(report.Believer(TARGET, is_there=True, generations=(1, 2), is_exact=True),),
        wish="again",
        problems=(),
    )


def test_next_authority_is_named_so() -> None:
    assert ["signs", "next"] == [one.role for one in of(BOTH).authorities]


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (of(FIRST, []), "no replica renews its Lease: none is serving or rotating certificates"),
        (
            of(FIRST, [lease("a"), lease("b", "7")]),
            "replica b serves a certificate of CA 7, which is not published: check its log",
        ),
        (
            of(FIRST, [lease("a"), lease("b", "x")]),
            "replica b serves a certificate of CA 0, which is not published: check its log",
        ),
        (of(FIRST, bundles={TARGET: None}), f"{TARGET} does not exist: install it"),
        (
            of(FIRST, bundles={TARGET: [encoded(FIRST.bundle_pem), ""]}),
            UNBELIEVED,
        ),
        (
            of(SIGNING, [lease("a")], {TARGET: [encoded(SIGNING.active.certificate_pem)]}),
            UNBELIEVED,
        ),
        (
            of(FIRST, bundles={TARGET: [encoded(FIRST.bundle_pem, STRANGER)]}),
            f"{TARGET} trusts 1 unpublished certificates",
        ),
        (
            of(FIRST, [lease("a", "1", NOW + dt.timedelta(days=364))], now=NOW + dt.timedelta(364)),
            (
                "active CA 1 expires at 2027-01-01T00:00:00Z and was not replaced: "
                "check the replicas' logs"
            ),
        ),
        (
            of(FIRST, [lease("a", "1", NOW + dt.timedelta(days=366))], now=NOW + dt.timedelta(366)),
            ("active CA 1 expired at 2027-01-01T00:00:00Z: start a replica, which replaces it"),
        ),
    ],
)
def test_what_is_wrong_is_said_once(found: report.Report, problem: str) -> None:
    assert (problem,) == found.problems


@pytest.mark.parametrize("renewed", [None, "", "yesterday", "2026-01-01"])
def test_lease_without_an_instant_is_not_live(renewed: str | None) -> None:
    (found,) = of(FIRST, [lease("a", "1", renewed)]).replicas

    assert (None, False) == (found.renewed, found.is_live)


@pytest.mark.parametrize("bundle", ["", "no base64!", encoded(b"no PEM"), encoded(b"\xff\xfe")])
def test_bundle_of_no_certificates_believes_nobody(bundle: str) -> None:
    (found,) = of(FIRST, bundles={TARGET: [bundle]}).believers

    assert report.Believer(TARGET, is_there=True) == found


def test_secret_of_another_is_told() -> None:
    with pytest.raises(rotation_secret.CorruptError):
        report.report({"data": {}}, [], {}, NOW)


def test_no_key_is_in_what_is_said() -> None:
    assert "PRIVATE" not in repr(dataclasses.asdict(of(SIGNING)))
