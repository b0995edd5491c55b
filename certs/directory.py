"""One server's certificate of a directory: renewed, followed, handed over. Shell: files, clocks.

The directory holds somebody else's pair (cert-manager's, or one's own), or an authority made here
with its leaf. What is served stands in another directory, which workers read: a new pair gets there
when its clients trust it (see ``handover``), and what cannot be used never does.
"""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import logging
import pathlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from cryptography import x509

from certs import authority, expiry, files, handover, injector, monitor
from controllers import kube

PERIOD_SECONDS: Final = 1.0
# The old authority is trusted for so long after the new pair is served here: the kubelets of other
# replicas write one and the same Secret within two minutes.
RETIREMENT_SECONDS: Final = 600.0
# A pair that ends within this time is not worth waiting for.
_LAST_MOMENT: Final = dt.timedelta(minutes=1)
_log = logging.getLogger(__name__)

Publish: TypeAlias = Callable[[bytes], Awaitable[bool]]
"""Writes a bundle wherever clients read it; whether any of them had another one.

Raises ``injector.ForeignBundleError`` where somebody else writes it.
"""

_Stamps: TypeAlias = list[tuple[int, int] | None]


class DirectoryKeeper:
    """Keeps what is served valid and trusted.

    Args:
        source: The directory of the pair, and of its authority where that is made here.
        names: DNS names and addresses of a leaf that is made here.
        directory: What is served; workers read it there.
        lifetimes: Of what is made.
        hold_seconds: How long a client may go on trusting a bundle that it has read.
        publish: How clients are made to trust an authority; None where nobody can.
        announce: Takes events.
        now: Aware UTC time.
        clock: Seconds that never go back, and count while the machine sleeps.
    """

    def __init__(
        self,
        source: pathlib.Path,
        names: Sequence[str],
        directory: pathlib.Path,
        *,
        lifetimes: authority.Lifetimes | None = None,
        hold_seconds: float = 60.0,
        publish: Publish | None = None,
        announce: monitor.Announce = monitor.announce_nothing,
        now: Callable[[], dt.datetime] = kube.utc_now,
        clock: Callable[[], float] = kube.boot_seconds,
    ) -> None:
        self._source, self._names, self._directory = source, names, directory
        self._lifetimes, self._hold_seconds = lifetimes, hold_seconds
        self._publish = publish
        self._now, self._clock = now, clock
        self._monitor = monitor.ExpiryMonitor(announce)
        self._served: files.Bundle | None = None
        self._published: bytes | None = None
        """The bundle that was written last."""
        self._published_at = self._served_at = float("-inf")
        self._refused: tuple[str, _Stamps] | None = None
        self._failures = 0

    async def start(self) -> None:
        """Have a pair to serve; one whose time is still to come is, and fails readiness.

        Raises:
            CertificateError: There is none that can be used, or made.
        """
        self._serve(self._first())
        self._check()

    async def wait_until_valid(self) -> None:
        """Wait for the time of what is served, or for another pair."""
        while self._has_not_begun():
            await asyncio.sleep(PERIOD_SECONDS)
            try:
                found = self._first()
                if found != self._served:
                    self._serve(found)
            except (authority.CertificateError, OSError) as error:
                self._refuse(error)
            self._check()

    def _first(self) -> files.Bundle:
        try:
            return files.load_or_create(self._source, self._names, self._now(), self._lifetimes)
        except files.NotYetValidError as error:
            return error.bundle

    @property
    def names(self) -> set[str]:
        """The DNS names and addresses that the served pair is valid for."""
        return set() if self._served is None else files.covered(self._served.server.certificate)

    async def publish(self) -> None:
        """Make clients trust what is served, if anybody can.

        Raises:
            kube.KubeError: The API server said no.
        """
        if self._publish is None or self._served is None or self._served.ca_pem is None:
            return
        try:
            await self._write_bundle(self._served.ca_pem)
        except injector.ForeignBundleError as error:
            _log.info("caBundles are left to cert-manager: %s", error)

    async def leave(self) -> None:
        """There is nothing to leave behind, and nothing to take away."""

    async def keep(self) -> None:
        """Look and act until cancelled."""
        while True:
            try:
                await self.reconcile_once()
            except Exception:  # noqa: BLE001 - the next look must be made, before something expires
                _log.exception("certificates not looked after")
            await asyncio.sleep(PERIOD_SECONDS)

    async def reconcile_once(self) -> None:
        """Look once, and do what is due; what cannot be used is refused, and tried again."""
        try:
            found = files.load(self._source, self._names, self._now(), self._lifetimes)
            if found == self._served:
                await self._settle(found)
            else:
                await self._hand_over(found)
        except (authority.CertificateError, kube.KubeError, OSError, TimeoutError) as error:
            is_served = isinstance(error, files.NotYetValidError) and error.bundle == self._served
            if not is_served:  # of what is served, `_check` says it
                self._refuse(error)
        else:
            self._refused = None
        self._check()

    def unready(self) -> str:
        """Why every call would fail; nothing if they need not."""
        return self._monitor.unready()

    def status(self) -> monitor.Status | None:
        """What is known at the moment."""
        if self._served is None:
            return None
        issuer = _issuer(self._served)
        return monitor.Status(
            leaf_not_after=self._served.server.certificate.not_valid_after_utc.timestamp(),
            authority_not_after=(
                None if issuer is None else issuer.not_valid_after_utc.timestamp()
            ),
            reload_failures=self._failures,
        )

    # --- a new pair -----------------------------------------------------------------------------

    async def _hand_over(self, found: files.Bundle) -> None:
        """Serve a pair that differs from what is served, when its clients trust it."""
        self._check_bundle(found)
        view, step = self._view(found), "serve"
        if view.can_publish and found.ca_pem is not None:
            step = handover.decide(view, self._hold_seconds)
        if step != "serve":
            try:
                await self._write_bundle(self._both(found))
            except injector.ForeignBundleError as error:
                _log.info("%s", error)
                view = dataclasses.replace(view, can_publish=False)
            else:
                return
        self._serve(found)
        self._tell_served(found, view)

    def _check_bundle(self, found: files.Bundle) -> None:
        """Refuse a pair beside a ca.crt of another authority: somebody is still copying files."""
        served = self._served
        if _is_consistent(found) or served is None or not _is_consistent(served):
            return
        if not self._has_ended():
            raise files.FileError(
                f"expected {files.CA_CERTIFICATE} in {self._source} to verify "
                f"{files.CERTIFICATE}, got one of another authority: put the "
                f"{files.CA_CERTIFICATE} of its authority there"
            )

    def _view(self, found: files.Bundle) -> handover.View:
        trusted = None if self._served is None else self._served.ca_pem
        can_publish = found.ca_pem is not None and (
            self._publish is not None or self._is_overlapping(found.ca_pem)
        )
        is_published = can_publish and self._published == self._both(found)
        return handover.View(
            is_trusted=trusted is not None and files.verifies(trusted, found.server),
            can_publish=can_publish,
            published_seconds=self._clock() - self._published_at if is_published else None,
            has_ended=self._has_ended(),
        )

    def _is_overlapping(self, ca_pem: bytes) -> bool:
        """Whether a new ca.crt verifies what is served, too: its readers can be waited for."""
        return self._served is not None and files.verifies(ca_pem, self._served.server)

    def _both(self, found: files.Bundle) -> bytes:
        """The bundle of a new pair beside that of the served one."""
        trusted = None if self._served is None else self._served.ca_pem
        return handover.union(found.ca_pem or b"", trusted or b"")

    def _tell_served(self, found: files.Bundle, view: handover.View) -> None:
        ends = expiry.time_text(found.server.certificate.not_valid_after_utc)
        text = f"a new certificate is served, valid until {ends}"
        if not view.is_trusted and not view.can_publish:
            text += (
                ", at once: caBundles are not written from here, and clients that do not trust its "
                "authority yet are refused"
            )
        _log.info("%s", text)
        self._monitor.announce("Normal", "CertificateServed", text)

    async def _settle(self, served: files.Bundle) -> None:
        """Have clients trust what is served, and after some time nothing else."""
        published = self._published
        if published is None or served.ca_pem is None or published == served.ca_pem:
            return
        with contextlib.suppress(injector.ForeignBundleError):
            if not handover.includes(published, served.ca_pem):
                await self._write_bundle(handover.union(served.ca_pem, published))
            elif self._clock() - self._served_at >= RETIREMENT_SECONDS:
                await self._write_bundle(served.ca_pem)

    async def _write_bundle(self, bundle: bytes) -> None:
        was_shown = self._publish is None or not await self._publish(bundle)
        if self._published != bundle or not was_shown:
            self._published, self._published_at = bundle, self._clock()

    def _serve(self, found: files.Bundle) -> None:
        files.install(self._directory, found.server, found.ca_pem)
        self._served, self._served_at = found, self._clock()

    # --- what is wrong --------------------------------------------------------------------------

    def _has_ended(self) -> bool:
        """Whether what is served is, or within a minute will be, accepted by nobody.

        Also what is not valid yet: it was made under a clock that was ahead.
        """
        now = self._now()
        return not all(
            expiry.is_valid(one, now) and expiry.is_valid(one, now + _LAST_MOMENT)
            for one in self._certificates().values()
        )

    def _has_not_begun(self) -> bool:
        return self._served is not None and any(
            self._now() < one.not_valid_before_utc for one in self._certificates().values()
        )

    def _certificates(self) -> dict[str, x509.Certificate]:
        if self._served is None:
            return {}
        found = {"serving certificate": self._served.server.certificate}
        issuer = _issuer(self._served)
        return (
            found if issuer is None else {**found, "authority of the serving certificate": issuer}
        )

    def _check(self) -> None:
        self._monitor.check(self._certificates(), self._now())

    def _refuse(self, error: Exception) -> None:
        """Say once what is wrong; while the files stay as they are, that is the same thing."""
        is_of_files = isinstance(error, files.FileError)
        refused = "" if is_of_files else str(error), _stamps(self._source)
        if refused != self._refused:
            self._refused = refused
            self._failures += 1
            _log.error("reload failed, keeping the previous certificate: %s", error)
            self._monitor.announce("Warning", "CertificateRefused", str(error))


def _issuer(served: files.Bundle) -> x509.Certificate | None:
    """The authority of a pair, where its bundle has it."""
    leaf, bundle = served.server.certificate, served.ca_pem
    authorities = [] if bundle is None else authority.read_bundle(bundle)
    return next((one for one in authorities if authority.is_signed_by(leaf, one)), None)


def _is_consistent(found: files.Bundle) -> bool:
    return found.ca_pem is None or files.verifies(found.ca_pem, found.server)


def _stamps(directory: pathlib.Path) -> _Stamps:
    return [files.stamp(directory / name) for name in files.NAMES]
