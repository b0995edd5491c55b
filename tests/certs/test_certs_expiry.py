"""When a certificate's expiry is announced, and problems of its validity."""

import datetime as dt

import pytest

from certs import authority, expiry, expiry_report

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
CA = authority.new_authority("test", now=NOW)
YEAR = authority.issue_server(CA, ["a.test"], now=NOW, lifetime=365 * DAY).certificate
WEEK = authority.issue_server(CA, ["a.test"], now=NOW, lifetime=7 * DAY).certificate


@pytest.mark.parametrize(
    ("now", "reason", "message"),
    [
        (NOW + 343 * DAY, None, ""),
        (
            NOW + 344 * DAY,
            "CertificateExpiring",
            (
                "the leaf expires at 2027-01-01T00:00:00Z, in less than 22 days, and was not "
                "renewed: renew it, or check the log for the failure"
            ),
        ),
        (
            NOW + 365 * DAY - dt.timedelta(minutes=1),
            "CertificateExpiring",
            (
                "the leaf expires at 2027-01-01T00:00:00Z, within the hour, and was not renewed: "
                "renew it, or check the log for the failure"
            ),
        ),
        (
            NOW + 365 * DAY,
            "CertificateExpired",
            "the leaf expired at 2027-01-01T00:00:00Z: renew it",
        ),
        (
            NOW - DAY,
            "CertificateNotYetValid",
            "the leaf is not valid before 2025-12-31T22:55:00Z: check the clock, or replace it",
        ),
    ],
)
def test_what_is_wrong_with_a_certificate(
    now: dt.datetime, reason: str | None, message: str
) -> None:
    found = [(one.reason, one.message) for _, one in expiry.findings({"leaf": YEAR}, now)]

    assert ([] if reason is None else [(reason, message)]) == found


def test_short_lived_certificate_is_announced_after_its_renewal_was_due() -> None:
    assert expiry.renewal_time(WEEK) < expiry.warning_time(WEEK) < WEEK.not_valid_after_utc
    assert WEEK.not_valid_after_utc - expiry.warning_time(WEEK) < 2 * DAY


def test_each_finding_is_announced_once_and_readiness_follows() -> None:
    announced: list[tuple[str, str]] = []
    watched = expiry_report.ExpiryMonitor(lambda kind, reason, _: announced.append((kind, reason)))
    ready = []
    for hour in range(363 * 24, 366 * 24):
        watched.check({"leaf": YEAR}, NOW + hour * dt.timedelta(hours=1))
        ready.append(not watched.unready())

    # One a day, then one an hour.
    expiring = announced[: announced.index(("Warning", "CertificateExpired"))]
    assert [("Warning", "CertificateExpiring")] * (1 + 24) == expiring
    assert announced[len(expiring) :] == [("Warning", "CertificateExpired")]
    assert [True] * (2 * 24) + [False] * 24 == ready


def test_certificate_that_is_renewed_is_ready_again() -> None:
    watched = expiry_report.ExpiryMonitor()
    watched.check({"leaf": WEEK}, NOW + 8 * DAY)
    before = watched.unready()
    watched.check({"leaf": YEAR}, NOW + 8 * DAY)

    assert ("the leaf expired at 2026-01-08T00:00:00Z: renew it", "") == (before, watched.unready())
