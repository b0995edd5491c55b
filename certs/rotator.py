"""A replica's certificate rotation: shell of ``rotation``. Shell: cluster, files, clocks.

It reads the state periodically, serves a certificate of the active CA, reports that in a Lease of
its own, and takes the next step when one is due. ``tests/support/rotation_model.py`` explores the
order of its reads and writes: the state is read before the configurations, and again before one of
them is written; a new replica announces what it will serve before it reads which CA signs; a
serving replica changes its certificate before it reports it.
"""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import logging
import os
import pathlib
from collections.abc import Callable, Collection, Sequence
from typing import Final

from certs import (
    authority,
    expiry,
    expiry_report,
    injector,
    replica_leases,
    rotation,
    rotation_secret,
)
from certs.directory import files, renewal
from controllers import kube

_MIN_LIFETIME: Final = dt.timedelta(hours=1)
_IN_SYNC_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Settings:
    """Rotation timing settings.

    Attributes:
        hold_seconds: How long a new CA is published before it signs.
        lease_seconds: A replica whose Lease was not renewed for this long is considered dead.
        period_seconds: Reconcile interval.
        lifetimes: Validity of issued certificates.
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


class _RetryError(Exception):
    """Another replica changed the state: retry."""


class Rotator:
    """Rotates the certificates of a replica.

    Args:
        client: Needs get, create and update on the Secret, all verbs on Leases in its namespace,
            get and patch on the targets, and create on Events.
        secret_name: Namespace and name of the Secret.
        targets: Objects whose caBundle is managed.
        names: DNS names and IP addresses of the serving certificate.
        directory: Directory of the serving certificate, which workers read.
        identity: Unique name of this replica.
        settings: Rotation timing settings.
        served: Returns the fingerprints of the certificates that this replica's workers serve.
        recorder: Emits Events, if set.
        now: Aware UTC time.
        clock: Monotonic seconds that include suspend.
    """

    def __init__(
        self,
        client: kube.Client,
        secret_name: tuple[str, str],
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
        self._namespace, self._name = secret_name
        self._directory = directory
        self._settings = settings or Settings()
        self._now, self._clock = now, clock
        self._leases = replica_leases.ReplicaLeases(
            client,
            secret_name,
            identity,
            names,
            lease_seconds=self._settings.lease_seconds,
            now=now,
            clock=clock,
        )
        self.served = served
        self._recorder = recorder
        self._monitor = expiry_report.ExpiryMonitor(self._announce)
        self._known: rotation_secret.Stored | None = None
        self._raw: kube.JSON = {}
        self._leaf: _Leaf | None = None
        self._confirmed: tuple[int, float] | None = None
        self._is_in_sync = False
        self._reported = ""
        self._is_resumed, self._reconciled_at = True, clock()

    @property
    def bundle_pem(self) -> bytes:
        """The CA bundle that clients trust."""
        return b"" if self._known is None else self._known.bundle_pem

    @property
    def is_in_sync(self) -> bool:
        """Whether every configuration had the published bundle at the last reconcile."""
        return self._is_in_sync

    async def wait_until_valid(self) -> None:
        """Return immediately: certificates issued here are valid, or are reissued."""

    async def publish(self) -> None:
        """Wait until every installed configuration has the published bundle.

        Raises:
            kube.KubeError: The API server refused a request.
            TimeoutError: They did not have it within a minute.
        """
        async with asyncio.timeout(_IN_SYNC_SECONDS):
            while True:
                with contextlib.suppress(_RetryError, kube.ConflictError):
                    await self.reconcile()
                    if self._is_in_sync:
                        return
                await asyncio.sleep(_POLL_SECONDS)

    @property
    def names(self) -> Collection[str]:
        """DNS names and IP addresses of the serving certificate."""
        return self._names

    def unready(self) -> str:
        """Return why this replica is not ready after a suspend; empty if it is.

        The other replicas may have rotated without it; it is ready once it serves a certificate of
        the active CA again. An unavailable API server does not matter, an expired certificate does.
        """
        if self._is_resumed and not self._was_suspended():
            return self._monitor.unready()
        return "suspended for longer than its Lease duration: certificates must be checked first"

    def _was_suspended(self) -> bool:
        return self._clock() - self._reconciled_at > self._settings.lease_seconds

    def status(self) -> expiry_report.Status | None:
        """Return the certificate status, if known."""
        if self._known is None or self._leaf is None:
            return None
        ends = self._known.active.certificate.not_valid_after_utc
        return expiry_report.Status(
            leaf_not_after=self._leaf.pair.certificate.not_valid_after_utc.timestamp(),
            authority_not_after=ends.timestamp(),
            generation=self._leaf.generation,
            is_bundle_in_sync=self._is_in_sync,
            is_rotating=self._known.state.is_rotating,
        )

    async def start(self) -> None:
        """Write a serving certificate of the shared CA to the directory.

        Raises:
            kube.KubeError: The API server refused a request.
            TimeoutError: It did not succeed within two lease durations.
        """
        async with asyncio.timeout(2 * self._settings.lease_seconds + 30):
            while self._leaf is None:
                try:
                    await self._serve(await self._read())
                except (_RetryError, kube.ConflictError, kube.UnreachableError):
                    await asyncio.sleep(self._settings.period_seconds / 10)

    async def keep(self) -> None:
        """Reconcile until cancelled."""
        while True:
            await self.reconcile_once()
            await asyncio.sleep(self._settings.period_seconds)

    async def reconcile_once(self) -> None:
        """Reconcile and log a failure once; the next call retries."""
        try:
            await self.reconcile()
            self._reported = ""
        except (_RetryError, kube.ConflictError):
            pass
        except (kube.KubeError, authority.CertificateError, OSError) as error:
            if str(error) != self._reported:
                _log.warning("certificate rotation failed, retrying: %s", error)
            self._reported = str(error)
        # Also while the API server is unavailable: that is when nothing is renewed.
        self._check_validity()

    def _check_validity(self) -> None:
        current = {}
        if self._leaf is not None:
            current["serving certificate"] = self._leaf.pair.certificate
        if self._known is not None:
            current["CA of the serving certificate"] = self._known.active.certificate
        self._monitor.check(current, self._now())

    async def reconcile(self) -> None:
        """Observe, and take a step if one is due."""
        self._is_resumed = self._is_resumed and not self._was_suspended()
        self._reconciled_at = self._clock()
        current = await self._read()
        current = await self._serve(current)
        view = await self._view(current)
        step = rotation.decide(current.state, view, self._settings.hold_seconds)
        if isinstance(step, rotation.Inject):
            await self._inject(current, step.targets)
        elif isinstance(step, rotation.Advance):
            await self._advance(current, step)

    async def leave(self) -> None:
        """Delete this replica's Lease."""
        await self._leases.delete()

    # --- the state ------------------------------------------------------------------------------

    async def _read(self) -> rotation_secret.Stored:
        """Return the current state, restoring it if it is missing, corrupt or outdated."""
        try:
            raw = await self._client.get(kube.SECRETS, self._name, namespace=self._namespace)
        except kube.NotFoundError:
            return await self._restore(None)
        try:
            current = rotation_secret.read(raw)
        except rotation_secret.CorruptError as error:
            _log.warning("%s", error)
            return await self._restore(raw)
        if self._is_older(current):
            _log.warning("Secret %s is older than a revision seen before, restoring it", self._name)
            return await self._restore(raw)
        self._known, self._raw = current, raw
        return current

    def _is_older(self, current: rotation_secret.Stored) -> bool:
        known = self._known
        if known is None or current.state.revision > known.state.revision:
            return False
        return current.state != known.state or current.bundle_pem != known.bundle_pem

    async def _restore(self, raw: kube.JSON | None) -> rotation_secret.Stored:
        known = self._known
        if known is None:
            if await self._leases.has_others():
                raise _RetryError  # they know the stored state
            known = rotation_secret.first(self._new_authority)
        metadata = None if raw is None else raw["metadata"]
        body = rotation_secret.secret(known, self._namespace, self._name, metadata)
        try:
            if raw is None:
                self._raw = await self._client.create(kube.SECRETS, body)
            else:
                self._raw = await self._client.replace(kube.SECRETS, body)
        except (kube.AlreadyExistsError, kube.ConflictError, kube.NotFoundError) as error:
            raise _RetryError from error
        self._known = known
        return known

    def _new_authority(self, generation: rotation.Generation) -> authority.Pair:
        """Create a CA for the names of all replicas; unconstrained if one reports none."""
        others = self._leases.others_names
        return authority.new_authority(
            f"{self._name} {generation}",
            now=self._now(),
            lifetime=self._settings.lifetimes.authority,
            names=() if others is None else {*self._names, *others},
        )

    def _leaf_names(self, issuer: authority.Pair) -> list[str]:
        """Return the names that a CA may sign for; a CA that may sign none is being replaced."""
        permitted = [name for name in self._names if authority.permits(issuer.certificate, name)]
        return permitted or [*self._names]

    async def _advance(self, current: rotation_secret.Stored, step: rotation.Advance) -> None:
        after = current.advanced(step.state, self._new_authority)
        if len(step.state.published) > len(current.state.published):
            after = dataclasses.replace(after, done=current.wish(self._raw) or current.done)
        body = rotation_secret.secret(after, self._namespace, self._name, self._raw["metadata"])
        self._raw = await self._client.replace(kube.SECRETS, body)
        self._known = after
        _log.info("%s: active %d, published %s", step.reason, after.state.active, after.state)
        published = ", ".join(map(str, after.state.published))
        note = f"CA {after.state.active} signs; published: {published}"
        self._announce("Normal", step.reason, note)

    def _announce(self, kind: expiry_report.EventType, reason: str, note: str) -> None:
        """Emit an Event on the Secret."""
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

    # --- the serving certificate ----------------------------------------------------------------

    async def _serve(self, current: rotation_secret.Stored) -> rotation_secret.Stored:
        """Serve a certificate of the active CA and report it; return the latest state."""
        slept = self._leases.unrenewed_seconds > self._settings.lease_seconds
        if self._leaf is None or slept:
            await self._leases.renew(current.state.active)
            again = await self._read()
            if again.state.active != current.state.active:
                raise _RetryError
            current = again
        if self._needs_leaf(current):
            self._issue(current)
        leaf = self._leaf
        is_served = leaf is not None and {*self.served()} == {
            authority.fingerprint(leaf.pair.certificate)
        }
        self._is_resumed = self._is_resumed or is_served
        generation = leaf.generation if leaf is not None and is_served else self._leases.announced
        is_old = self._leases.unrenewed_seconds > self._settings.lease_seconds / 4
        if generation is not None and (generation != self._leases.announced or is_old):
            await self._leases.renew(generation)
        return current

    def _needs_leaf(self, current: rotation_secret.Stored) -> bool:
        leaf = self._leaf
        if leaf is None or leaf.generation != current.state.active:
            return True
        if leaf.bundle_pem != current.bundle_pem:
            return True
        reason = renewal.why_reissue(
            leaf.pair.certificate,
            current.active.certificate,
            self._leaf_names(current.active),
            self._now(),
        )
        return reason is not None

    def _issue(self, current: rotation_secret.Stored) -> None:
        leaf, now, names = self._leaf, self._now(), self._leaf_names(current.active)
        is_good = (
            leaf is not None
            and leaf.generation == current.state.active
            and not renewal.why_reissue(
                leaf.pair.certificate, current.active.certificate, names, now
            )
        )
        if leaf is None or not is_good:
            left = current.active.certificate.not_valid_after_utc - now
            # Clients trust no certificate of an expired CA; one that is valid by itself is served
            # until the next CA signs.
            lifetime = min(self._settings.lifetimes.leaf, max(left, _MIN_LIFETIME))
            pair = authority.issue_server(current.active, names, now=now, lifetime=lifetime)
        else:
            pair = leaf.pair  # only the bundle changed
        files.install(self._directory, pair, current.bundle_pem)
        self._leaf = _Leaf(current.state.active, pair, current.bundle_pem)

    # --- the configurations ---------------------------------------------------------------------

    async def _view(self, current: rotation_secret.Stored) -> rotation.View:
        shown = await self._shown(current)
        self._is_in_sync = all(shown.values())
        if not self._is_in_sync:
            self._confirmed = None
        elif self._confirmed is None or self._confirmed[0] != current.state.revision:
            self._confirmed = current.state.revision, self._clock()
        since = self._confirmed[1] if self._confirmed is not None else self._clock()
        return rotation.View(
            shown,
            await self._leases.serving(),
            self._clock() - since if self._confirmed is not None else 0.0,
            self._is_due(current),
            not expiry.is_valid(current.active.certificate, self._now()),
        )

    async def _shown(self, current: rotation_secret.Stored) -> dict[str, bool]:
        encoded = injector.encode(current.bundle_pem)
        # Concurrently: with a slow API server, a reconcile must not outlast the Lease.
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

    def _is_due(self, current: rotation_secret.Stored) -> bool:
        if current.wish(self._raw):
            return True
        issuer = current.active.certificate
        if not all(authority.permits(issuer, name) for name in self._names):
            return True
        return expiry.is_due(current.active.certificate, self._now())

    async def _inject(self, current: rotation_secret.Stored, names: Sequence[str]) -> None:
        for target in self._targets:
            if str(target) in names:
                await injector.inject_one(
                    self._client, target, current.bundle_pem, self._is_current
                )

    async def _is_current(self) -> bool:
        """Return whether the Secret is unchanged since it was read."""
        raw = await self._client.get(kube.SECRETS, self._name, namespace=self._namespace)
        return bool(raw["metadata"]["resourceVersion"] == self._raw["metadata"]["resourceVersion"])


def new_identity() -> str:
    """Return a unique name for this process: in a cluster, its pod's name with a random suffix."""
    return f"{os.uname().nodename.lower()[:40].strip('.-')}-{os.urandom(4).hex()}"
