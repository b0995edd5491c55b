"""The operator's settings of Temporal: credentials, namespaces, task queues. Shell: files.

Under ``temporal`` in the file of ``--settings``. Credentials are files, such as a mounted Secret,
read before each call, so that keys and certificates can be rotated.
"""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from controllers.runs.runtimes.base import Code, RuntimeFault
from crds.admission import patterns

DEFAULT_NAMESPACE: Final = "default"


class Tls(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """TLS settings for Temporal's frontend.

    Attributes:
        ca_file: PEM of its CAs, if not the system's.
        cert_file: PEM of the client certificate, for mutual TLS.
        key_file: PEM of its key.
        server_name: Name in the server's certificate, if not the address's.
    """

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""

    def __post_init__(self) -> None:
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("expected certFile and keyFile, got only one of them")


class Settings(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """The operator's settings.

    Attributes:
        namespace: Default namespace of runs.
        namespaces: Patterns of namespaces that runs may use; by default only the above.
        task_queues: Patterns of task queues that runs may use; by default all.
        tls: Whether to use TLS, or its settings; an API key is never sent without TLS.
        api_key_file: File with the API key.
    """

    namespace: str = DEFAULT_NAMESPACE
    namespaces: tuple[str, ...] | None = None
    task_queues: tuple[str, ...] = ("*",)
    tls: Tls | bool = False
    api_key_file: str = ""

    @property
    def access(self) -> "Access":
        """The namespaces and task queues that runs may use."""
        own = (self.namespace,) if self.namespaces is None else self.namespaces
        return Access(own, self.task_queues)

    def credentials(self) -> "Credentials":
        """Read the current credentials.

        Raises:
            OSError: A file cannot be read.
        """
        tls = self.tls if isinstance(self.tls, Tls) else Tls()
        key = _content(self.api_key_file)
        return Credentials(
            is_tls=self.tls is not False or key is not None,
            ca=_content(tls.ca_file),
            certificate=_content(tls.cert_file),
            key=_content(tls.key_file),
            server_name=tls.server_name,
            api_key=None if key is None else key.decode("utf-8", "replace").strip(),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Access:
    """Patterns of what runs may use, in which ``*`` matches any text; by default all."""

    namespaces: Sequence[str] = ("*",)
    task_queues: Sequence[str] = ("*",)

    def check(self, namespace: str, task_queue: str) -> None:
        """Check that both are allowed.

        Raises:
            RuntimeFault: One is not allowed.
        """
        _check("namespace", namespace, self.namespaces)
        _check("task queue", task_queue, self.task_queues)

    def has_namespace(self, namespace: str) -> bool:
        """Return whether runs may use a namespace."""
        return patterns.matching((namespace,), self.namespaces) is not None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Credentials of a connection; a change opens a new connection."""

    is_tls: bool = False
    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = dataclasses.field(default=None, repr=False)
    server_name: str = ""
    api_key: str | None = dataclasses.field(default=None, repr=False)


def of(settings: Mapping[str, Any]) -> Settings:
    """Read the operator's settings.

    Raises:
        ValueError: They are invalid; says what was expected where.
    """
    given = settings.get("temporal", {})
    try:
        chosen = msgspec.convert(given, Settings)
    except msgspec.ValidationError as error:
        raise ValueError(f"settings: temporal: {error}") from error
    if chosen.tls is False and chosen.api_key_file and "tls" in given:
        raise ValueError("settings: temporal.tls: expected true with apiKeyFile, got false")
    try:
        chosen.credentials()
    except OSError as error:
        raise ValueError(
            f"settings: temporal: expected to read {error.filename}, got {error.strerror}"
        ) from error
    return chosen


def _content(path: str) -> bytes | None:
    return pathlib.Path(path).read_bytes() if path else None


def _check(what: str, name: str, allowed: Sequence[str]) -> None:
    if patterns.matching((name,), allowed) is None:
        raise RuntimeFault(
            Code.DENIED,
            f"expected a Temporal {what} that the operator allows "
            f"({', '.join(allowed) or 'none'}), got {name[:64]!r}",
        )
