"""One replica's part in keeping certificates: shell of ``rotation``. Shell: cluster, files, clocks.

It reads the state again and again, serves a leaf of the authority that signs, says so in a Lease of
its own, and takes the next step when there is one. The order of its reads and writes is what
``tests/support/rotation_model.py`` explores: the state is read before the configurations, and once
more before one of them is written; a new replica announces what it will serve before it reads what
signs; one that serves changes its leaf before it says so.
"""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import logging
import os
import pathlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from certs import authority, expiry, files, injector, monitor, rotation, stored
from controllers import kube

FIELD_MANAGER: Final = "kubewright-certs"
_FORGOTTEN_LEASES: Final = 10  # lease times after which a dead replica's Lease is removed
_SHORTEST_LIFETIME: Final = dt.timedelta(hours=1)
_IN_SYNC_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Settings:
    """How long.

    Attributes:
        hold_seconds: A new authority is published so long before it signs.
        lease_seconds: A replica that has not renewed its Lease for so long is none.
        period_seconds: Between two looks.
        lifetimes: Of leaves and authorities.
    """

    hold_seconds: float = 60.0
    lease_seconds: float = 60.0
    period_seconds: float = 2.0
    lifetimes: authority.Lifetimes = dataclasses.field(default_factory=authority.Lifetimes)


@dataclasses.dataclass(frozen=True)
class _Leaf:
    generation: rotation.Generation
    pair: authority.Pair
    bundle_pem: bytes


class _AgainError(Exception):
    """Somebody else was faster: look again."""


class Keeper:
    """A replica.

    Args:
        client: May get, create and replace the Secret, all of Leases in its namespace, get and
            patch the targets, and create Events.
        place: Namespace and name of the Secret.
        targets: Whose caBundle to write.
        names: DNS names and addresses of the leaf.
        directory: Where the leaf goes; workers read it there.
        identity: Of this replica: no other has it.
        settings: How long.
        served: Fingerprints of the leaves that this replica's workers serve now.
        recorder: Takes events; there are none without it.
        now: Aware UTC time.
        clock: Seconds that never go back, and count while the machine sleeps.
    """

    def __init__(
        self,
        client: kube.Client,
        place: tuple[str, str],
        targets: Sequence[injector.Target],
        names: Sequence[str],
        directory: pathlib.Path,
        *,
        identity: str,
        settings: Settings | None = None,
        served: Callable[[], Collection[str]] = list,
        recorder: kube.Recorder | None = None,
        now: Callable[[], dt.datetime] = kube.utc_now,
        clock: Callable[[], float] = kube.boot_seconds,
    ) -> None:
        self._client, self._targets, self._names = client, targets, names
        self._namespace, self._name = place
        self._directory, self._identity = directory, identity
        self._settings = settings or Settings()
        self._now, self._clock = now, clock
        self.served = served
        self._recorder = recorder
        self._monitor = monitor.ExpiryMonitor(self._announce)
        self._known: stored.Stored | None = None
        self._raw: kube.JSON = {}
        self._leaf: _Leaf | None = None
        self._announced: rotation.Generation | None = None
        self._renewed = float("-inf")
        self._seen: dict[str, tuple[str, float]] = {}
        # Of the other replicas that live; None where one of them does not say.
        self._others_names: set[str] | None = set()
        self._confirmed: tuple[int, float] | None = None
        self._is_in_sync = False
        self._said = ""
        self._is_back, self._looked = True, clock()

    @property
    def bundle_pem(self) -> bytes:
        """Whom clients are to believe."""
        return b"" if self._known is None else self._known.bundle_pem

    @property
    def is_in_sync(self) -> bool:
        """Whether every configuration showed what is published, when it was looked at last."""
        return self._is_in_sync

    async def wait_until_valid(self) -> None:
        """What is made here is valid, and is made anew where it is not."""

    async def publish(self) -> None:
        """Have every configuration that is there show what is published.

        Raises:
            kube.KubeError: The API server said no.
            TimeoutError: They did not within a minute.
        """
        async with asyncio.timeout(_IN_SYNC_SECONDS):
            while True:
                with contextlib.suppress(_AgainError, kube.ConflictError):
                    await self.look()
                    if self._is_in_sync:
                        return
                await asyncio.sleep(_POLL_SECONDS)

    @property
    def names(self) -> Collection[str]:
        """The DNS names and addresses of the leaf."""
        return self._names

    def unready(self) -> str:
        """Why no call should come here: it was suspended, and others may have gone on without it.

        Nothing once it serves again what signs now; that the API server does not answer is none.
        What has expired is refused by every client.
        """
        if self._is_back and not self._was_asleep():
            return self._monitor.unready()
        return "suspended for longer than its Lease lasts: certificates are looked at first"

    def _was_asleep(self) -> bool:
        return self._clock() - self._looked > self._settings.lease_seconds

    def status(self) -> monitor.Status | None:
        """What is known at the moment."""
        if self._known is None or self._leaf is None:
            return None
        ends = self._known.active.certificate.not_valid_after_utc
        return monitor.Status(
            leaf_not_after=self._leaf.pair.certificate.not_valid_after_utc.timestamp(),
            authority_not_after=ends.timestamp(),
            generation=self._leaf.generation,
            is_bundle_in_sync=self._is_in_sync,
            is_rotating=self._known.state.is_rotating,
        )

    async def start(self) -> None:
        """Have a leaf in the directory, of an authority that all replicas share.

        Raises:
            kube.KubeError: The API server said no.
            TimeoutError: Nothing came of it within two lease times.
        """
        async with asyncio.timeout(2 * self._settings.lease_seconds + 30):
            while self._leaf is None:
                try:
                    await self._serve(await self._read())
                except (_AgainError, kube.ConflictError, kube.UnreachableError):
                    await asyncio.sleep(self._settings.period_seconds / 10)

    async def keep(self) -> None:
        """Look and act until cancelled."""
        while True:
            await self.reconcile_once()
            await asyncio.sleep(self._settings.period_seconds)

    async def reconcile_once(self) -> None:
        """Look once; what goes wrong is said once, and the next look tries again."""
        try:
            await self.look()
            self._said = ""
        except (_AgainError, kube.ConflictError):
            pass
        except (kube.KubeError, authority.CertificateError, OSError) as error:
            if str(error) != self._said:
                _log.warning("certificates not looked after: %s", error)
            self._said = str(error)
        # Also while the API server does not answer: that is when nothing is renewed.
        self._check_validity()

    def _check_validity(self) -> None:
        found = {}
        if self._leaf is not None:
            found["serving certificate"] = self._leaf.pair.certificate
        if self._known is not None:
            found["authority of the serving certificate"] = self._known.active.certificate
        self._monitor.check(found, self._now())

    async def look(self) -> None:
        """Look once, and take a step if there is one."""
        self._is_back = self._is_back and not self._was_asleep()
        self._looked = self._clock()
        found = await self._read()
        found = await self._serve(found)
        view = await self._view(found)
        step = rotation.decide(found.state, view, self._settings.hold_seconds)
        if isinstance(step, rotation.Inject):
            await self._inject(found, step.targets)
        elif isinstance(step, rotation.Advance):
            await self._advance(found, step)

    async def leave(self) -> None:
        """Be no replica any more."""
        try:
            await self._client.delete(
                kube.LEASES, self._lease_name, namespace=self._namespace, deadline_seconds=2
            )
        except (kube.KubeError, OSError):
            _log.info("lease left to run out")

    # --- the state ------------------------------------------------------------------------------

    async def _read(self) -> stored.Stored:
        """The state as it is now; restored where it is gone, broken, or older than was seen."""
        try:
            raw = await self._client.get(kube.SECRETS, self._name, namespace=self._namespace)
        except kube.NotFoundError:
            return await self._restore(None)
        try:
            found = stored.read(raw)
        except stored.CorruptError as error:
            _log.warning("%s", error)
            return await self._restore(raw)
        if self._is_older(found):
            _log.warning("Secret %s is older than what was seen before", self._name)
            return await self._restore(raw)
        self._known, self._raw = found, raw
        return found

    def _is_older(self, found: stored.Stored) -> bool:
        known = self._known
        if known is None or found.state.revision > known.state.revision:
            return False
        return found.state != known.state or found.bundle_pem != known.bundle_pem

    async def _restore(self, raw: kube.JSON | None) -> stored.Stored:
        known = self._known
        if known is None:
            if await self._others():
                raise _AgainError  # they know what was stored
            known = stored.first(self._new_authority)
        metadata = None if raw is None else raw["metadata"]
        body = stored.secret(known, self._namespace, self._name, metadata)
        try:
            if raw is None:
                self._raw = await self._client.create(kube.SECRETS, body)
            else:
                self._raw = await self._client.replace(kube.SECRETS, body)
        except (kube.AlreadyExistsError, kube.ConflictError, kube.NotFoundError) as error:
            raise _AgainError from error
        self._known = known
        return known

    def _new_authority(self, generation: rotation.Generation) -> authority.Pair:
        """An authority for the names of all replicas; for any, where one does not say its own."""
        others = self._others_names
        return authority.new_authority(
            f"{self._name} {generation}",
            now=self._now(),
            lifetime=self._settings.lifetimes.authority,
            names=() if others is None else {*self._names, *others},
        )

    def _leaf_names(self, issuer: authority.Pair) -> list[str]:
        """Those of our names that an authority may sign for; one that may not is on its way out."""
        permitted = [name for name in self._names if authority.permits(issuer.certificate, name)]
        return permitted or [*self._names]

    async def _advance(self, found: stored.Stored, step: rotation.Advance) -> None:
        after = found.advanced(step.state, self._new_authority)
        if len(step.state.published) > len(found.state.published):
            after = dataclasses.replace(after, done=found.wish(self._raw) or found.done)
        body = stored.secret(after, self._namespace, self._name, self._raw["metadata"])
        self._raw = await self._client.replace(kube.SECRETS, body)
        self._known = after
        _log.info("%s: active %d, published %s", step.reason, after.state.active, after.state)
        published = ", ".join(map(str, after.state.published))
        note = f"authority {after.state.active} signs; published: {published}"
        self._announce("Normal", step.reason, note)

    def _announce(self, kind: monitor.EventType, reason: str, note: str) -> None:
        """Tell whoever describes the Secret."""
        if self._recorder is None:
            return
        regarding = kube.Regarding(
            api_version="v1",
            kind="Secret",
            name=self._name,
            namespace=self._namespace,
            uid=self._raw.get("metadata", {}).get("uid", ""),
        )
        self._recorder.event(regarding, type=kind, reason=reason, action="Rotate", note=note)

    # --- the leaf -------------------------------------------------------------------------------

    async def _serve(self, found: stored.Stored) -> stored.Stored:
        """Serve a leaf of what signs, and say so; the state as it was read last."""
        slept = self._clock() - self._renewed > self._settings.lease_seconds
        if self._leaf is None or slept:
            await self._renew(found.state.active)
            again = await self._read()
            if again.state.active != found.state.active:
                raise _AgainError
            found = again
        if self._needs_leaf(found):
            self._sign(found)
        leaf = self._leaf
        is_served = leaf is not None and {*self.served()} == {
            authority.fingerprint(leaf.pair.certificate)
        }
        self._is_back = self._is_back or is_served
        generation = leaf.generation if leaf is not None and is_served else self._announced
        is_old = self._clock() - self._renewed > self._settings.lease_seconds / 4
        if generation is not None and (generation != self._announced or is_old):
            await self._renew(generation)
        return found

    def _needs_leaf(self, found: stored.Stored) -> bool:
        leaf = self._leaf
        if leaf is None or leaf.generation != found.state.active:
            return True
        if leaf.bundle_pem != found.bundle_pem:
            return True
        reason = files.why_reissue(
            leaf.pair.certificate,
            found.active.certificate,
            self._leaf_names(found.active),
            self._now(),
        )
        return reason is not None

    def _sign(self, found: stored.Stored) -> None:
        leaf, now, names = self._leaf, self._now(), self._leaf_names(found.active)
        is_good = (
            leaf is not None
            and leaf.generation == found.state.active
            and not files.why_reissue(leaf.pair.certificate, found.active.certificate, names, now)
        )
        if leaf is None or not is_good:
            left = found.active.certificate.not_valid_after_utc - now
            # Under an authority that ran out no leaf is believed, but one that is valid by itself
            # is served until the next authority signs.
            lifetime = min(self._settings.lifetimes.leaf, max(left, _SHORTEST_LIFETIME))
            pair = authority.issue_server(found.active, names, now=now, lifetime=lifetime)
        else:
            pair = leaf.pair  # only the bundle beside it is another
        files.install(self._directory, pair, found.bundle_pem)
        self._leaf = _Leaf(found.state.active, pair, found.bundle_pem)

    # --- the replicas ---------------------------------------------------------------------------

    @property
    def _lease_name(self) -> str:
        return f"{self._name}-{self._identity}"

    async def _renew(self, generation: rotation.Generation) -> None:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": self._lease_name,
                "namespace": self._namespace,
                "labels": {stored.LABEL: self._name},
                "annotations": {
                    stored.GENERATION: str(generation),
                    stored.SERVER_NAMES: " ".join(self._names),
                },
            },
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": max(1, round(self._settings.lease_seconds)),
                "renewTime": kube.micro_time(self._now()),
            },
        }
        # Before it is sent: what others see of it may be older than that, never younger.
        renewed = self._clock()
        await self._client.apply(kube.LEASES, body, field_manager=FIELD_MANAGER, force=True)
        self._renewed, self._announced = renewed, generation

    async def _leases(self) -> list[kube.JSON]:
        found = await self._client.list(
            kube.LEASES, namespace=self._namespace, labels=f"{stored.LABEL}={self._name}"
        )
        return [*found.items]

    async def _others(self) -> bool:
        """Whether another replica lives, by what its Lease says; asked before any was watched."""
        oldest = self._now() - dt.timedelta(seconds=self._settings.lease_seconds)
        return any(
            lease["metadata"]["name"] != self._lease_name
            and (stored.time((lease.get("spec") or {}).get("renewTime")) or oldest) > oldest
            for lease in await self._leases()
        )

    async def _serving(self) -> Mapping[str, rotation.Generation]:
        """The live replicas: whose Lease was renewed lately by our own clock, not by theirs."""
        found: dict[str, rotation.Generation] = {}
        now, seen, live = self._clock(), {}, []
        for lease in await self._leases():
            name, version = lease["metadata"]["name"], lease["metadata"]["resourceVersion"]
            known = self._seen.get(name)
            since = known[1] if known is not None and known[0] == version else now
            seen[name] = version, since
            if now - since <= self._settings.lease_seconds:
                annotations = lease["metadata"].get("annotations") or {}
                generation = str(annotations.get(stored.GENERATION, ""))
                found[name] = int(generation) if generation.isdecimal() else 0
                live.append(lease)
            elif now - since > _FORGOTTEN_LEASES * self._settings.lease_seconds:
                await self._client.delete(kube.LEASES, name, namespace=self._namespace)
        self._seen = seen
        self._others_names = _server_names(live)
        return found

    # --- the configurations ---------------------------------------------------------------------

    async def _view(self, found: stored.Stored) -> rotation.View:
        shown = await self._shown(found)
        self._is_in_sync = all(shown.values())
        if not self._is_in_sync:
            self._confirmed = None
        elif self._confirmed is None or self._confirmed[0] != found.state.revision:
            self._confirmed = found.state.revision, self._clock()
        since = self._confirmed[1] if self._confirmed is not None else self._clock()
        return rotation.View(
            shown,
            await self._serving(),
            self._clock() - since if self._confirmed is not None else 0.0,
            self._is_due(found),
            not expiry.is_valid(found.active.certificate, self._now()),
        )

    async def _shown(self, found: stored.Stored) -> dict[str, bool]:
        encoded = injector.encode(found.bundle_pem)
        # Side by side: where an answer takes seconds, a look must not outlast the Lease.
        values = await asyncio.gather(*map(self._configuration, self._targets))
        return {
            str(target): injector.stanza(target, value, encoded) is None
            for target, value in zip(self._targets, values, strict=True)
            if value is not None
        }

    async def _configuration(self, target: injector.Target) -> kube.JSON | None:
        try:
            return await self._client.get(target.resource, target.name)
        except kube.NotFoundError:
            return None

    def _is_due(self, found: stored.Stored) -> bool:
        if found.wish(self._raw):
            return True
        issuer = found.active.certificate
        if not all(authority.permits(issuer, name) for name in self._names):
            return True
        return expiry.is_due(found.active.certificate, self._now())

    async def _inject(self, found: stored.Stored, names: Sequence[str]) -> None:
        for target in self._targets:
            if str(target) in names:
                await injector.inject_one(self._client, target, found.bundle_pem, self._is_current)

    async def _is_current(self) -> bool:
        """Whether the state is still the one that was read."""
        raw = await self._client.get(kube.SECRETS, self._name, namespace=self._namespace)
        return bool(raw["metadata"]["resourceVersion"] == self._raw["metadata"]["resourceVersion"])


def _server_names(leases: Sequence[kube.JSON]) -> set[str] | None:
    """The names of replicas, by their Leases; None where one does not say."""
    found = [
        (lease["metadata"].get("annotations") or {}).get(stored.SERVER_NAMES) for lease in leases
    ]
    return None if None in found else {name for text in found for name in str(text).split()}


def new_identity() -> str:
    """A name for this process that no other one has: in a cluster, its pod's and some letters."""
    return f"{os.uname().nodename.lower()[:40].strip('.-')}-{os.urandom(4).hex()}"
