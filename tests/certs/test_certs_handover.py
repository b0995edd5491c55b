"""When a new certificate is served: as a table, and by a rotator with a virtual clock."""

import dataclasses
import datetime as dt
import itertools
import pathlib

import pytest

from certs import authority, expiry, injector, tls_contexts
from certs.directory import files, handover, manager
from tests.support import depth

pytestmark = pytest.mark.slow

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
HOLD_SECONDS = 60.0
NAMES = ["webhooks.test"]
CAS = [authority.new_authority(name, now=NOW) for name in ("one", "two")]
PAIRS = [authority.issue_server(ca, NAMES, now=NOW) for ca in CAS]


@pytest.mark.parametrize(
    ("is_trusted", "can_publish", "published_seconds", "has_ended"),
    [*itertools.product([True, False], [True, False], [None, 59.9, 60.0], [True, False])],
)
def test_new_certificate_is_served_when_its_clients_trust_it_or_nothing_is_won_by_waiting(
    *, is_trusted: bool, can_publish: bool, published_seconds: float | None, has_ended: bool
) -> None:
    view = handover.View(is_trusted, can_publish, published_seconds, has_ended)

    must_wait = can_publish and not is_trusted and not has_ended and published_seconds != 60.0
    step = ("publish" if published_seconds is None else "wait") if must_wait else "serve"
    assert step == handover.decide(view, HOLD_SECONDS)


def test_bundles_are_joined_without_repetition() -> None:
    one, two = (ca.certificate_pem for ca in CAS)

    assert one + two == handover.union(one, handover.union(two, one))
    assert [one, one, one] == [
        handover.union(one, b""),
        handover.union(b"", one),
        handover.union(one, one),
    ]
    assert handover.includes(one + two, two)
    assert not handover.includes(one, two)


@dataclasses.dataclass
class Bench:
    """A rotator whose clocks and cluster are controlled by the test."""

    source: pathlib.Path
    served: pathlib.Path
    seconds: float = 0.0
    shown: bytes = b""
    error: Exception | None = None
    announced: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    def keeper(self, *, is_publishing: bool = True) -> manager.DirectoryRotator:
        return manager.DirectoryRotator(
            self.source,
            NAMES,
            self.served,
            hold_seconds=HOLD_SECONDS,
            publish=self.publish if is_publishing else None,
            announce=lambda _, reason, note: self.announced.append((reason, note)),
            now=self.now,
            clock=lambda: self.seconds,
        )

    def now(self) -> dt.datetime:
        return NOW + dt.timedelta(seconds=self.seconds)

    async def publish(self, bundle: bytes) -> bool:
        if self.error is not None:
            raise self.error
        has_changed, self.shown = self.shown != bundle, bundle
        return has_changed

    def put(self, pair: authority.Pair, ca_pem: bytes | None) -> None:
        """Replace the files as a kubelet replaces a Secret's."""
        files.install(self.source, pair, ca_pem)

    def is_serving(self, pair: authority.Pair) -> bool:
        return files.read_pair(self.served) == pair

    def reasons(self) -> list[str]:
        return [reason for reason, _ in self.announced]


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Bench:
    found = Bench(tmp_path / "source", tmp_path / "served")
    found.put(PAIRS[0], CAS[0].certificate_pem)
    return found


async def test_old_pair_is_served_until_the_new_bundle_was_held(bench: Bench) -> None:
    keeper = bench.keeper()
    await keeper.start()
    await keeper.publish()
    bench.put(PAIRS[1], CAS[1].certificate_pem)

    seen = []
    for seconds in (0.0, 59.0, 60.0, 61.0, 61.0 + manager.RETIREMENT_SECONDS):
        bench.seconds = seconds
        await keeper.reconcile_once()
        trusted = [tls_contexts.verifies(bench.shown, pair) for pair in PAIRS]
        seen.append((bench.is_serving(PAIRS[1]), *trusted))

    both = (True, True)
    assert [(False, *both)] * 2 + [(True, *both)] * 2 + [(True, False, True)] == seen
    assert ["CertificateServed"] == bench.reasons()


async def test_hold_begins_anew_when_somebody_takes_the_bundle_away(bench: Bench) -> None:
    keeper = bench.keeper()
    await keeper.start()
    await keeper.publish()
    bench.put(PAIRS[1], CAS[1].certificate_pem)
    await keeper.reconcile_once()
    bench.seconds, bench.shown = 50.0, CAS[0].certificate_pem
    await keeper.reconcile_once()
    bench.seconds = 109.0
    await keeper.reconcile_once()
    before = bench.is_serving(PAIRS[1])
    bench.seconds = 110.0
    await keeper.reconcile_once()

    assert (False, True) == (before, bench.is_serving(PAIRS[1]))


@pytest.mark.parametrize("why", ["no cluster", "cainjector"])
async def test_pair_of_another_authority_is_served_at_once_where_nobody_can_publish(
    bench: Bench, why: str
) -> None:
    keeper = bench.keeper(is_publishing=why != "no cluster")
    if why == "cainjector":
        bench.error = injector.ForeignBundleError("cert-manager writes it")
    await keeper.start()
    await keeper.publish()
    bench.put(PAIRS[1], CAS[1].certificate_pem)
    await keeper.reconcile_once()

    assert bench.is_serving(PAIRS[1])
    assert bench.announced == [
        (
            "CertificateServed",
            (
                "serving a new certificate, valid until 2026-01-31T00:00:00Z, without waiting: "
                "caBundles are not managed here, and clients that do not trust its CA yet fail"
            ),
        )
    ]


async def test_old_pair_is_served_while_the_cluster_is_away_but_not_beyond_its_end(
    bench: Bench,
) -> None:
    keeper = bench.keeper()
    await keeper.start()
    await keeper.publish()
    bench.error = TimeoutError("no answer")
    late = authority.issue_server(CAS[1], NAMES, now=NOW, lifetime=90 * DAY)
    bench.put(late, CAS[1].certificate_pem)
    served = []
    for days in (1, 29, 30):
        bench.seconds = days * 86_400.0
        await keeper.reconcile_once()
        served.append(bench.is_serving(late))

    assert [False, False, True] == served
    assert "" == keeper.unready()


async def test_authority_beside_the_same_pair_is_published_without_a_wait(bench: Bench) -> None:
    keeper = bench.keeper()
    await keeper.start()
    await keeper.publish()
    bench.put(PAIRS[0], CAS[0].certificate_pem + CAS[1].certificate_pem)
    await keeper.reconcile_once()
    await keeper.reconcile_once()

    assert [True, True] == [tls_contexts.verifies(bench.shown, pair) for pair in PAIRS]


async def test_pair_beside_the_bundle_of_another_is_refused_until_both_are_there(
    bench: Bench,
) -> None:
    keeper = bench.keeper()
    await keeper.start()
    await keeper.publish()
    bench.put(PAIRS[1], CAS[0].certificate_pem)
    await keeper.reconcile_once()
    await keeper.reconcile_once()
    before = bench.is_serving(PAIRS[0]), bench.reasons()
    bench.put(PAIRS[1], CAS[1].certificate_pem)
    for _ in range(2):
        await keeper.reconcile_once()
        bench.seconds += HOLD_SECONDS

    assert (True, ["CertificateRefused"]) == before
    assert bench.is_serving(PAIRS[1])
    assert "expected ca.crt in " in bench.announced[0][1]


async def test_pair_that_is_not_valid_yet_is_taken_when_its_time_comes(bench: Bench) -> None:
    keeper = bench.keeper(is_publishing=False)
    await keeper.start()
    ahead = authority.issue_server(
        CAS[0], NAMES, now=NOW + authority.BACKDATED + dt.timedelta(seconds=20)
    )
    bench.put(ahead, CAS[0].certificate_pem)
    served = []
    for seconds in range(22):
        bench.seconds = float(seconds)
        await keeper.reconcile_once()
        served.append(bench.is_serving(ahead))

    assert [False] * 20 + [True] * 2 == served
    assert ["CertificateRefused", "CertificateServed"] == bench.reasons()
    assert 1 == getattr(keeper.status(), "reload_failures", None)


async def test_given_pair_that_nobody_renews_is_announced_and_ends_readiness(bench: Bench) -> None:
    keeper = bench.keeper(is_publishing=False)
    await keeper.start()
    ready, announced = [], []
    for day in range(32):
        bench.seconds = day * 86_400.0
        await keeper.reconcile_once()
        ready.append(not keeper.unready())
        announced.append({*bench.reasons()})

    assert [True] * 30 + [False] * 2 == ready
    assert [set()] * 23 == announced[:23]
    assert {"CertificateExpiring"} == announced[23]
    assert {"CertificateExpiring", "CertificateRefused", "CertificateExpired"} == announced[31]
    assert "the serving certificate expired at 2026-01-31T00:00:00Z: renew it" == keeper.unready()


async def test_own_leaf_is_signed_anew_and_served_without_a_restart(tmp_path: pathlib.Path) -> None:
    bench = Bench(tmp_path / "source", tmp_path / "served")
    keeper = bench.keeper(is_publishing=False)
    await keeper.start()
    first = files.read_pair(bench.served)
    bench.seconds = 25 * 86_400.0
    await keeper.reconcile_once()
    second = files.read_pair(bench.served)

    assert first.certificate.issuer == second.certificate.issuer
    assert NOW + 55 * DAY == second.certificate.not_valid_after_utc
    assert ["CertificateServed"] == bench.reasons()


async def test_what_a_wrong_clock_made_is_replaced_at_once_when_it_is_right_again(
    tmp_path: pathlib.Path,
) -> None:
    bench = Bench(tmp_path / "source", tmp_path / "served")
    keeper = bench.keeper()
    await keeper.start()
    await keeper.publish()
    valid = []
    for days in (500.0, 0.0):
        bench.seconds = days * 86_400.0
        for _ in range(2):
            await keeper.reconcile_once()
        pair = files.read_pair(bench.served)
        is_valid = expiry.is_valid(pair.certificate, bench.now())
        valid.append((is_valid, tls_contexts.verifies(bench.shown, pair), keeper.unready()))

    assert [(True, True, "")] * 2 == valid


async def test_own_authority_is_replaced_long_before_its_end_and_published_first(
    tmp_path: pathlib.Path,
) -> None:
    bench = Bench(tmp_path / "source", tmp_path / "served")
    keeper = bench.keeper()
    await keeper.start()
    await keeper.publish()
    authorities, is_trusted = set(), []
    for day in range(0, 365, 1 if depth.DEEP else 3):
        for seconds in (0.0, HOLD_SECONDS):
            bench.seconds = day * 86_400.0 + seconds
            await keeper.reconcile_once()
            pair = files.read_pair(bench.served)
            authorities.add(pair.certificate.issuer)
            is_trusted.append(tls_contexts.verifies(bench.shown, pair))

    assert (2, {True}, "") == (len(authorities), {*is_trusted}, keeper.unready())


async def test_pair_of_a_time_to_come_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = authority.issue_server(CAS[0], NAMES, now=NOW + DAY)
    bench.put(later, CAS[0].certificate_pem)
    kept = bench.keeper()
    seen = []

    async def pass_by(seconds: float) -> None:
        bench.seconds += seconds * 3600
        seen.append(kept.unready())

    monkeypatch.setattr("asyncio.sleep", pass_by)

    await kept.start()
    await kept.wait_until_valid()

    starts = expiry.time_text(later.certificate.not_valid_before_utc)
    message = (
        f"the serving certificate is not valid before {starts}: check the clock, or replace it"
    )
    assert {message} == set(seen)
    assert "" == kept.unready()
    assert bench.now() >= later.certificate.not_valid_before_utc
    assert bench.is_serving(later)
    assert ["CertificateNotYetValid"] == bench.reasons()


async def test_another_pair_ends_the_wait(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.put(authority.issue_server(CAS[0], NAMES, now=NOW + DAY), CAS[0].certificate_pem)
    kept = bench.keeper()

    async def put_another(seconds: float) -> None:
        bench.seconds += seconds
        bench.put(PAIRS[0], CAS[0].certificate_pem)

    monkeypatch.setattr("asyncio.sleep", put_another)

    await kept.start()
    await kept.wait_until_valid()

    assert bench.is_serving(PAIRS[0])
    assert bench.seconds < 10
