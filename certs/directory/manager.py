"""Manages a serving certificate from a directory: renewal, reload, handover. Shell: files, clocks.

The directory holds an external pair (cert-manager's or the user's), or a CA created here with its
serving certificate. The served pair is stored in another directory, which workers read: a new pair
is copied there once its clients trust it (see ``handover``), an unusable one never.
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

from certs import authority, expiry, expiry_report, injector, tls_contexts
from certs.directory import files, handover, renewal
from certs.directory.contents import (
    CA_CERTIFICATE,
    CERTIFICATE,
    NAMES,
    Bundle,
    FileError,
    NotYetValidError,
)
from controllers import kube

PERIOD_SECONDS: Final = 1.0
# How long the old CA stays trusted after the new pair is served: the kubelets of other replicas
# update the same Secret within two minutes.
RETIREMENT_SECONDS: Final = 600.0
# Time before expiry from which a pair is not worth waiting for.
_LAST_MOMENT: Final = dt.timedelta(minutes=1)
_log = logging.getLogger(__name__)

Publish: TypeAlias = Callable[[bytes], Awaitable[bool]]
"""Writes a bundle to where clients read it; returns whether any of them changed.

Raises ``injector.ForeignBundleError`` if another controller writes it.
"""

_Stamps: TypeAlias = list[tuple[int, int] | None]


class DirectoryRotator:
    """Keeps the served certificate valid and trusted.

    Args:
        source: Directory of the pair, and of its CA if it is created here.
        names: DNS names and IP addresses of a certificate that is issued here.
        directory: Directory of the served pair, which workers read.
        lifetimes: Validity of issued certificates.
        hold_seconds: How long a client may use a bundle that it has read.
        publish: Publishes a CA bundle to clients; None if that is not possible.
        announce: Emits Events.
        now: Aware UTC time.
        clock: Monotonic seconds that include suspend.
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
        announce: expiry_report.Announce = expiry_report.announce_nothing,
        now: Callable[[], dt.datetime] = kube.utc_now,
        clock: Callable[[], float] = kube.boot_seconds,
    ) -> None:
        self._source, self._names, self._directory = source, names, directory
        self._lifetimes, self._hold_seconds = lifetimes, hold_seconds
        self._publish = publish
        self._now, self._clock = now, clock
        self._monitor = expiry_report.ExpiryMonitor(announce)
        self._served: Bundle | None = None
        self._published: bytes | None = None
        """The last bundle that was written."""
        self._published_at = self._served_at = float("-inf")
        self._refused: tuple[str, _Stamps] | None = None
        self._failures = 0

    async def start(self) -> None:
        """Provide a pair to serve; one that is not valid yet is served but not ready.

        Raises:
            CertificateError: No usable pair exists or can be created.
        """
        self._serve(self._load_initial())
        self._check()

    async def wait_until_valid(self) -> None:
        """Wait until the served pair is valid, or for another pair."""
        while self._has_not_begun():
            await asyncio.sleep(PERIOD_SECONDS)
            try:
                bundle = self._load_initial()
                if bundle != self._served:
                    self._serve(bundle)
            except (authority.CertificateError, OSError) as error:
                self._refuse(error)
            self._check()

    def _load_initial(self) -> Bundle:
        try:
            return files.load_or_create(self._source, self._names, self._now(), self._lifetimes)
        except NotYetValidError as error:
            return error.bundle

    @property
    def names(self) -> set[str]:
        """DNS names and IP addresses of the served certificate."""
        return set() if self._served is None else renewal.covered(self._served.server.certificate)

    async def publish(self) -> None:
        """Make clients trust the served pair, if possible.

        Raises:
            kube.KubeError: The API server refused a request.
        """
        if self._publish is None or self._served is None or self._served.ca_pem is None:
            return
        try:
            await self._write_bundle(self._served.ca_pem)
        except injector.ForeignBundleError as error:
            _log.info("leaving caBundles to cert-manager: %s", error)

    async def leave(self) -> None:
        """Do nothing: there is no Lease."""

    async def keep(self) -> None:
        """Reconcile until cancelled."""
        while True:
            try:
                await self.reconcile_once()
            except Exception:  # noqa: BLE001 - must retry before the certificate expires
                _log.exception("certificate rotation failed, retrying")
            await asyncio.sleep(PERIOD_SECONDS)

    async def reconcile_once(self) -> None:
        """Reconcile once; an unusable pair is refused and retried."""
        try:
            bundle = files.load(self._source, self._names, self._now(), self._lifetimes)
            if bundle == self._served:
                await self._retire_old_bundle(bundle)
            else:
                await self._hand_over(bundle)
        except (authority.CertificateError, kube.KubeError, OSError, TimeoutError) as error:
            is_served = isinstance(error, NotYetValidError) and error.bundle == self._served
            if not is_served:  # the served pair is reported by `_check`
                self._refuse(error)
        else:
            self._refused = None
        self._check()

    def unready(self) -> str:
        """Return why every call would fail; empty otherwise."""
        return self._monitor.unready()

    def status(self) -> expiry_report.Status | None:
        """Return the certificate status, if known."""
        if self._served is None:
            return None
        issuer = _issuer(self._served)
        return expiry_report.Status(
            leaf_not_after=self._served.server.certificate.not_valid_after_utc.timestamp(),
            authority_not_after=(
                None if issuer is None else issuer.not_valid_after_utc.timestamp()
            ),
            reload_failures=self._failures,
        )

    # --- a new pair -----------------------------------------------------------------------------

    async def _hand_over(self, bundle: Bundle) -> None:
        """Serve a new pair once its clients trust it."""
        self._check_bundle(bundle)
        view, step = self._view(bundle), "serve"
        if view.can_publish and bundle.ca_pem is not None:
            step = handover.decide(view, self._hold_seconds)
        if step != "serve":
            try:
                await self._write_bundle(self._merged_bundle(bundle))
            except injector.ForeignBundleError as error:
                _log.info("%s", error)
                view = dataclasses.replace(view, can_publish=False)
            else:
                return
        self._serve(bundle)
        self._report_served(bundle, view)

    def _check_bundle(self, bundle: Bundle) -> None:
        """Refuse a pair whose ca.crt belongs to another CA: files are still being copied."""
        served = self._served
        if _is_consistent(bundle) or served is None or not _is_consistent(served):
            return
        if not self._has_ended():
            raise FileError(
                f"expected {CA_CERTIFICATE} in {self._source} to verify "
                f"{CERTIFICATE}, got one of another CA: replace it with the "
                f"{CA_CERTIFICATE} of the certificate's CA"
            )

    def _view(self, bundle: Bundle) -> handover.View:
        trusted = None if self._served is None else self._served.ca_pem
        can_publish = bundle.ca_pem is not None and (
            self._publish is not None or self._is_overlapping(bundle.ca_pem)
        )
        is_published = can_publish and self._published == self._merged_bundle(bundle)
        return handover.View(
            is_trusted=trusted is not None and tls_contexts.verifies(trusted, bundle.server),
            can_publish=can_publish,
            published_seconds=self._clock() - self._published_at if is_published else None,
            has_ended=self._has_ended(),
        )

    def _is_overlapping(self, ca_pem: bytes) -> bool:
        """Return whether a new ca.crt also verifies the served pair: its readers are waited for."""
        return self._served is not None and tls_contexts.verifies(ca_pem, self._served.server)

    def _merged_bundle(self, bundle: Bundle) -> bytes:
        """Return the new pair's bundle merged with that of the served one."""
        trusted = None if self._served is None else self._served.ca_pem
        return handover.union(bundle.ca_pem or b"", trusted or b"")

    def _report_served(self, bundle: Bundle, view: handover.View) -> None:
        ends = expiry.time_text(bundle.server.certificate.not_valid_after_utc)
        text = f"serving a new certificate, valid until {ends}"
        if not view.is_trusted and not view.can_publish:
            text += (
                ", without waiting: caBundles are not managed here, and clients that do not trust "
                "its CA yet fail"
            )
        _log.info("%s", text)
        self._monitor.announce("Normal", "CertificateServed", text)

    async def _retire_old_bundle(self, served: Bundle) -> None:
        """Publish the bundle of the served pair, and drop the old one after some time."""
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

    def _serve(self, bundle: Bundle) -> None:
        files.install(self._directory, bundle.server, bundle.ca_pem)
        self._served, self._served_at = bundle, self._clock()

    # --- problems -------------------------------------------------------------------------------

    def _has_ended(self) -> bool:
        """Return whether the served pair has expired or will within a minute.

        A pair that is not valid yet counts too: it was issued by a clock that was ahead.
        """
        now = self._now()
        return not all(
            expiry.is_valid(certificate, now) and expiry.is_valid(certificate, now + _LAST_MOMENT)
            for certificate in self._certificates().values()
        )

    def _has_not_begun(self) -> bool:
        return self._served is not None and any(
            self._now() < certificate.not_valid_before_utc
            for certificate in self._certificates().values()
        )

    def _certificates(self) -> dict[str, x509.Certificate]:
        if self._served is None:
            return {}
        bundle = {"serving certificate": self._served.server.certificate}
        issuer = _issuer(self._served)
        return bundle if issuer is None else {**bundle, "CA of the serving certificate": issuer}

    def _check(self) -> None:
        self._monitor.check(self._certificates(), self._now())

    def _refuse(self, error: Exception) -> None:
        """Report a problem once while the files are unchanged."""
        is_of_files = isinstance(error, FileError)
        refused = "" if is_of_files else str(error), _stamps(self._source)
        if refused != self._refused:
            self._refused = refused
            self._failures += 1
            _log.error("reload failed, keeping the previous certificate: %s", error)
            self._monitor.announce("Warning", "CertificateRefused", str(error))


def _issuer(served: Bundle) -> x509.Certificate | None:
    """Return the CA of a pair, if its bundle contains it."""
    leaf, bundle = served.server.certificate, served.ca_pem
    authorities = [] if bundle is None else authority.read_bundle(bundle)
    return next(
        (certificate for certificate in authorities if authority.is_signed_by(leaf, certificate)),
        None,
    )


def _is_consistent(bundle: Bundle) -> bool:
    return bundle.ca_pem is None or tls_contexts.verifies(bundle.ca_pem, bundle.server)


def _stamps(directory: pathlib.Path) -> _Stamps:
    return [files.stamp(directory / name) for name in NAMES]
