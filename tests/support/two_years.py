"""Every way to keep certificates, through two years of a clock that jumps. In memory but for files.

Time passes in steps. In each, whatever serves is looked after a few times within a minute, and
clients connect before and after each look: with each bundle that one of them may have read within
the hold time, by a right clock and by the server's own.
"""

import asyncio
import base64
import collections
import copy
import dataclasses
import datetime as dt
import itertools
import pathlib
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, cast

from cryptography.x509 import DNSName, verification

from certs import authority, expiry_report, injector, rotator
from certs.directory import files, manager
from certs.directory.contents import CA_CERTIFICATE, CERTIFICATE, KEY
from controllers import kube

START: Final = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
YEARS: Final = dt.timedelta(days=2 * 365)
DAY: Final = dt.timedelta(days=1)
HOUR: Final = dt.timedelta(hours=1)
HOLD_SECONDS: Final = 60.0
# Of a step, in seconds: a look, the next one, and what is due when a bundle was held.
LOOKS: Final = (0.0, 1.0, 30.0, 62.0, 64.0, 700.0)
JUMP_CHANCE: Final = 0.2
DAMAGE_CHANCE: Final = 0.05
HOST: Final = "webhooks.test"
# What cert-manager does unless told otherwise.
GIVEN_LIFETIME: Final = 90 * DAY
GIVEN_RENEWED_AFTER: Final = 60 * DAY


@dataclasses.dataclass
class Clock:
    """Time as it is, and as this machine has it.

    Attributes:
        skew: How far the machine's wall clock is ahead.
    """

    seconds: float = 0.0
    skew: dt.timedelta = dt.timedelta()

    def true(self) -> dt.datetime:
        return START + dt.timedelta(seconds=self.seconds)

    def wall(self) -> dt.datetime:
        return self.true() + self.skew

    def boot(self) -> float:
        return self.seconds


@dataclasses.dataclass
class Outcome:
    """What two years brought.

    Attributes:
        refused: Handshakes that failed, with when and why.
        unready: How often the server was not ready after a look.
        announced: Events by reason.
        warned_left: How long before the end a warning came first.
    """

    name: str
    handshakes: int = 0
    refused: list[str] = dataclasses.field(default_factory=list)
    jumps: int = 0
    damages: int = 0
    certificates: set[str] = dataclasses.field(default_factory=set)
    authorities: set[str] = dataclasses.field(default_factory=set)
    unready: int = 0
    announced: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    warned_left: dt.timedelta | None = None


class Mode:
    """A way to keep certificates.

    Args:
        clock: The world's.
        folder: For files.
        rng: What happens from outside.
    """

    has_damages = False

    def __init__(self, clock: Clock, folder: pathlib.Path, rng: random.Random) -> None:
        self.clock, self.rng = clock, rng
        self.source, self.served = folder / "source", folder / "served"
        self.outcome = Outcome(type(self).__name__)
        self.bundle = b""

    def announce(self, kind: expiry_report.EventType, reason: str, _: str) -> None:
        """Count an event."""
        self.outcome.announced[f"{kind} {reason}"] += 1
        if reason == "CertificateExpiring" and self.outcome.warned_left is None:
            ends = self.pair.certificate.not_valid_after_utc
            self.outcome.warned_left = ends - self.clock.true()

    async def publish(self, bundle: bytes) -> bool:
        """As the cluster's."""
        has_changed, self.bundle = self.bundle != bundle, bundle
        return has_changed

    @property
    def pair(self) -> authority.Pair:
        """What is served."""
        return files.read_pair(self.served)

    def trusted(self) -> bytes:
        """What clients trust now."""
        return self.bundle

    def happen(self) -> None:
        """What others do before a step."""

    async def start(self) -> None:
        """Serve a first certificate."""
        raise NotImplementedError

    async def look(self) -> str:
        """One look; why the server is not ready after it."""
        raise NotImplementedError


class OwnDirectory(Mode):
    """An authority and leaves made in --cert-dir, with --install."""

    is_publishing = True

    async def start(self) -> None:
        self.prepare()
        self.keeper = manager.DirectoryRotator(
            self.source,
            [HOST],
            self.served,
            hold_seconds=HOLD_SECONDS,
            publish=self.publish if self.is_publishing else None,
            announce=self.announce,
            now=self.clock.wall,
            clock=self.clock.boot,
        )
        await self.keeper.start()
        await self.keeper.publish()

    def prepare(self) -> None:
        """What others put into the directory before."""

    async def look(self) -> str:
        await self.keeper.reconcile_once()
        return self.keeper.unready()


class OwnDirectoryAlone(OwnDirectory):
    """The same without a cluster: clients read ca.crt, each time they connect."""

    is_publishing = False

    def trusted(self) -> bytes:
        return (self.source / CA_CERTIFICATE).read_bytes()


class GivenPair(OwnDirectory):
    """A pair that somebody renews from one authority, and damages in between."""

    has_damages = True
    lifetime = 10 * 365 * DAY

    def prepare(self) -> None:
        self.renew_authority()
        self.renew()

    def renew_authority(self) -> None:
        self.authority = authority.new_authority(
            f"theirs {len(self.outcome.authorities)}", now=self.clock.true(), lifetime=self.lifetime
        )

    def renew(self) -> None:
        """As cert-manager does: by its own clock, which is right."""
        self.renewed = self.clock.true()
        self.given = authority.issue_server(
            self.authority, [HOST], now=self.renewed, lifetime=GIVEN_LIFETIME
        )
        self.put(self.given)

    def put(self, pair: authority.Pair) -> None:
        files.install(self.source, pair, self.authority.certificate_pem)

    def happen(self) -> None:
        if self.clock.true() >= self.renewed + GIVEN_RENEWED_AFTER:
            self.renew()
        elif self.rng.random() < DAMAGE_CHANCE:
            self.outcome.damages += 1
            self.rng.choice((self.write_garbage, self.put_future, self.put_past, self.mix))()
        else:
            self.put(self.given)

    def write_garbage(self) -> None:
        name = self.rng.choice((CERTIFICATE, KEY, CA_CERTIFICATE))
        (self.source / name).write_bytes(self.rng.randbytes(self.rng.randrange(500)))

    def put_future(self) -> None:
        ahead = self.clock.true() + 400 * DAY
        self.put(authority.issue_server(self.authority, [HOST], now=ahead))

    def put_past(self) -> None:
        past = self.clock.true() - 400 * DAY
        self.put(authority.issue_server(self.authority, [HOST], now=past))

    def mix(self) -> None:
        other = authority.new_authority("other", now=self.clock.true())
        self.put(authority.issue_server(other, [HOST], now=self.clock.true()))


class GivenPairOfNewAuthorities(GivenPair):
    """A pair that comes of another authority with each renewal."""

    def renew(self) -> None:
        self.renew_authority()
        super().renew()


class ForgottenPair(GivenPair):
    """A pair that nobody renews until it has ended for three days."""

    has_damages = False

    def happen(self) -> None:
        if self.clock.true() >= self.renewed + GIVEN_LIFETIME + 3 * DAY:
            self.renew()


class SharedSecret(Mode):
    """An authority that replicas share by a Secret."""

    async def start(self) -> None:
        self.cluster = FakeCluster()
        self.keeper = rotator.Rotator(
            cast("kube.Client", self.cluster),
            ("agents", "webhooks"),
            self.cluster.targets,
            [HOST],
            self.served,
            identity="replica",
            settings=rotator.Settings(hold_seconds=HOLD_SECONDS, lease_seconds=60.0),
            served=lambda: [authority.fingerprint(self.pair.certificate)],
            recorder=cast("kube.Recorder", _Recorder(self.announce)),
            now=self.clock.wall,
            clock=self.clock.boot,
        )
        await self.keeper.start()
        await self.keeper.publish()

    def trusted(self) -> bytes:
        return self.cluster.bundle()

    async def look(self) -> str:
        await self.keeper.reconcile_once()
        return self.keeper.unready()


@dataclasses.dataclass
class _Recorder:
    announce: expiry_report.Announce

    def event(self, _: kube.Regarding, **event: Any) -> None:
        self.announce(event["type"], event["reason"], event["note"])


class FakeCluster:
    """As much of an API server as a keeper of certificates asks."""

    def __init__(self) -> None:
        self._versions = itertools.count(1)
        self._objects: dict[tuple[str, str], Any] = {}
        resources = (kube.CUSTOM_RESOURCE_DEFINITIONS, kube.VALIDATING_WEBHOOK_CONFIGURATIONS)
        self.targets = [injector.Target(resource, "things") for resource in resources]
        config = {"clientConfig": {"url": "https://webhooks.test"}}
        values: Sequence[dict[str, Any]] = (
            {"spec": {"conversion": {"strategy": "Webhook", "webhook": config}}},
            {"webhooks": [{"name": "a", **config}]},
        )
        for target, value in zip(self.targets, values, strict=True):
            metadata = {"name": "things", "uid": "1"}
            self._store(target.resource, copy.deepcopy({"metadata": metadata, **value}))

    def bundle(self) -> bytes:
        """What both configurations show; what one of them shows alone is trusted by nobody."""
        shown = []
        for target in self.targets:
            value = self._objects[target.resource.plural, "things"]
            (config,) = injector.client_configs(target, value)
            shown.append(base64.b64decode(config.get("caBundle", "")))
        common = [
            one
            for one in authority.read_bundle(shown[0])
            if authority.fingerprint(one) in map(authority.fingerprint, _read(shown[1]))
        ]
        return authority.write_bundle(common)

    async def get(self, resource: kube.Resource, name: str, **_: Any) -> Any:
        if (resource.plural, name) not in self._objects:
            raise kube.NotFoundError({"code": 404, "message": name})
        return copy.deepcopy(self._objects[resource.plural, name])

    async def list(self, resource: kube.Resource, **_: Any) -> Any:
        found = [value for (plural, _), value in self._objects.items() if plural == resource.plural]
        return kube.Listing(tuple(copy.deepcopy(found)), "1")

    async def create(self, resource: kube.Resource, body: Any, **_: Any) -> Any:
        return self._store(resource, copy.deepcopy(body))

    replace = create

    async def delete(self, resource: kube.Resource, name: str, **_: Any) -> None:
        del self._objects[resource.plural, name]

    async def apply(self, resource: kube.Resource, body: Any, **_: Any) -> Any:
        found = self._objects.get((resource.plural, body["metadata"]["name"]), {})
        return self._store(resource, _merged(found, body))

    def _store(self, resource: kube.Resource, value: Any) -> Any:
        value["metadata"]["resourceVersion"] = str(next(self._versions))
        self._objects[resource.plural, value["metadata"]["name"]] = value
        return copy.deepcopy(value)


def _read(pem: bytes) -> Sequence[Any]:
    return authority.read_bundle(pem) if pem else ()


def _merged(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}
    if isinstance(old, list) and isinstance(new, list):
        return [_merged(a, b) for a, b in zip(old, new, strict=True)]
    return copy.deepcopy(new)


MODES: Final[Sequence[type[Mode]]] = (
    OwnDirectory,
    OwnDirectoryAlone,
    GivenPair,
    GivenPairOfNewAuthorities,
    ForgottenPair,
    SharedSecret,
)


def lived(
    mode: type[Mode],
    folder: pathlib.Path,
    *,
    step: dt.timedelta,
    seed: int,
    tell: Callable[[], None] = lambda: None,
) -> Outcome:
    """Take a way to keep certificates through two years."""
    rng = random.Random(seed)  # noqa: S311 - a choice
    clock = Clock()
    return asyncio.run(_live(mode(clock, folder, rng), clock, rng, step=step, tell=tell))


async def _live(
    mode: Mode, clock: Clock, rng: random.Random, *, step: dt.timedelta, tell: Callable[[], None]
) -> Outcome:
    found = mode.outcome
    await mode.start()
    for number in range(YEARS // step):
        begin = number * step.total_seconds()
        clock.seconds = begin
        if rng.random() < JUMP_CHANCE:
            found.jumps += 1
            clock.skew = rng.choice((-HOUR, dt.timedelta(), HOUR))
        mode.happen()
        remembered = [(begin, mode.trusted())]
        for seconds in LOOKS:
            clock.seconds = begin + seconds
            remembered = [one for one in remembered if clock.seconds - one[0] <= HOLD_SECONDS]
            remembered.append((clock.seconds, mode.trusted()))
            _connect(mode, clock, remembered)
            found.unready += bool(await mode.look())
            remembered.append((clock.seconds, mode.trusted()))
            _connect(mode, clock, remembered)
        tell()
    return found


def _connect(mode: Mode, clock: Clock, remembered: Sequence[tuple[float, bytes]]) -> None:
    found, pair = mode.outcome, mode.pair
    found.certificates.add(authority.fingerprint(pair.certificate))
    found.authorities.add(pair.certificate.issuer.rfc4514_string())
    for bundle in {bundle for _, bundle in remembered}:
        for when in {clock.true(), clock.wall()}:
            found.handshakes += 1
            found.refused += [
                f"{clock.true():%Y-%m-%d %H:%M:%S} (clock {clock.skew}): {reason}"
                for reason in _refusals(bundle, pair, when)
            ]


def _refusals(bundle: bytes, pair: authority.Pair, when: dt.datetime) -> Iterator[str]:
    """Why a client does not accept a certificate at a time."""
    store = verification.Store(authority.read_bundle(bundle))
    verifier = (
        verification.PolicyBuilder().store(store).time(when).build_server_verifier(DNSName(HOST))
    )
    try:
        verifier.verify(pair.certificate, [])
    except verification.VerificationError as error:
        yield str(error)
