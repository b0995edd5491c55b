"""Contents of a certificate directory: ca.crt, ca.key, tls.crt, tls.key. Pure."""

import dataclasses
import pathlib
from collections.abc import Mapping

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certs import authority

CA_CERTIFICATE, CA_KEY = "ca.crt", "ca.key"
CERTIFICATE, KEY = "tls.crt", "tls.key"
NAMES = (CA_CERTIFICATE, CA_KEY, CERTIFICATE, KEY)


class FileError(authority.CertificateError):
    """A certificate directory is unusable as it is."""


class NotYetValidError(FileError):
    """The pair of the directory is good but not valid yet.

    Attributes:
        bundle: The content of the directory.
    """

    def __init__(self, message: str, bundle: "Bundle") -> None:
        super().__init__(message)
        self.bundle = bundle


@dataclasses.dataclass(frozen=True, slots=True)
class Bundle:
    """A served pair and the CA bundle that clients trust."""

    server: authority.Pair
    ca_pem: bytes | None
    """None if the directory has no ca.crt: whoever provided the pair knows its CA."""


@dataclasses.dataclass(frozen=True, slots=True)
class Contents:
    """The existing files of the four, read consistently.

    Attributes:
        exposed: File modes of keys that others than the owner can read, by name.
    """

    directory: pathlib.Path
    files: Mapping[str, bytes] = dataclasses.field(repr=False)
    exposed: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def check_companions(self) -> None:
        """Check that no file lacks the one that belongs to it.

        Raises:
            FileError: One does.
        """
        for name, companion in ((CERTIFICATE, KEY), (KEY, CERTIFICATE), (CA_KEY, CA_CERTIFICATE)):
            if name in self.files and companion not in self.files:
                raise FileError(
                    f"expected {companion} beside {self.directory / name}, got none: add it, "
                    f"or remove {name} to have a new pair created"
                )
        if self.files.keys() == {CA_CERTIFICATE}:
            raise FileError(
                f"expected {CA_KEY}, or {CERTIFICATE} with {KEY}, beside "
                f"{self.directory / CA_CERTIFICATE}, got none: add them, or remove it to "
                "have a new CA created"
            )

    def check_modes(self) -> None:
        """Check that only the owner can read the keys.

        Raises:
            FileError: Others can.
        """
        for name, mode in self.exposed.items():
            path = self.directory / name
            raise FileError(
                f"expected a key readable only by its owner at {path}, got mode {mode:04o}: "
                f"chmod 600 {path}"
            )

    def pair(self) -> authority.Pair:
        """Return the served pair, whatever its validity.

        Raises:
            FileError: It is not a certificate with its key.
        """
        certificate_pem, key_pem = self.files[CERTIFICATE], self.files[KEY]
        try:
            authority.check_pair(certificate_pem, key_pem)
        except authority.CertificateError as error:
            raise self.unusable(f"{CERTIFICATE} and {KEY}", error) from error
        return authority.Pair(certificate_pem, key_pem)

    def ca_pem(self) -> bytes | None:
        """Return the CA bundle, if there is one.

        Raises:
            FileError: It is not one of certificates.
        """
        pem = self.files.get(CA_CERTIFICATE)
        if pem is not None:
            try:
                authority.read_bundle(pem)
            except authority.CertificateError as error:
                raise self.unusable(CA_CERTIFICATE, error) from error
        return pem

    def own_authority(self) -> authority.Pair:
        """Return the CA with its key.

        Raises:
            FileError: It is not a certificate with its elliptic-curve key.
        """
        pair = authority.Pair(self.files[CA_CERTIFICATE], self.files[CA_KEY])
        try:
            authority.check_pair(pair.certificate_pem, pair.key_pem)
            key = serialization.load_pem_private_key(pair.key_pem, password=None)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise authority.CertificateError(  # noqa: TRY301 - one way out for both checks
                    f"expected an elliptic-curve key, got {type(key).__name__}"
                )
        except authority.CertificateError as error:
            raise self.unusable(f"{CA_CERTIFICATE} and {CA_KEY}", error) from error
        return pair

    def unusable(self, names: str, error: Exception) -> FileError:
        """Return the error that files cannot be used as they are."""
        return FileError(
            f"{error}, at {names} in {self.directory}: replace them, or remove them to have new "
            "ones created"
        )
