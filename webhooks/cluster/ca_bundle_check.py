"""Checks whether the API server trusts the served certificate. Shell: the cluster, a connection.

Every few seconds the configurations that call this server are observed (caBundle and host name),
and a connection of its own checks whether a client with that CA bundle succeeds. If the API server
is unavailable, the last observation stays valid.
"""

import asyncio
import base64
import binascii
import dataclasses
import ssl
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from typing import Final

import structlog

from certs import injector, tls_contexts
from controllers import kube
from schemagen import Api
from schemagen.problems import JSON
from webhooks.cluster import configuration, install

OBSERVED_EVERY_SECONDS: Final = 5.0
HANDSHAKE_SECONDS: Final = 2.0

log = structlog.get_logger("webhooks")


@dataclasses.dataclass(frozen=True)
class Caller:
    """How a configuration calls a webhook.

    Attributes:
        target: ``validatingwebhookconfigurations/agents.proompteng.ai``.
        host: Host name that the certificate must contain.
        port: Port that is called.
        bundle: PEM of the trusted CAs; empty: the system roots of the API server.
    """

    target: str
    host: str
    port: int
    bundle: str


def callers(target: injector.Target, value: JSON) -> Iterator[Caller]:
    """Yield how a CRD or a webhook configuration calls webhooks."""
    for config in injector.client_configs(target, value):
        yield Caller(str(target), *_address(config), _bundle(config))


def _address(config: JSON) -> tuple[str, int]:
    service = configuration.service_of(config)
    if service is not None:
        return service.host, service.port
    parts = urllib.parse.urlsplit(config["url"])
    return parts.hostname or "", parts.port or configuration.HTTPS_PORT


def _bundle(config: JSON) -> str:
    try:
        return base64.b64decode(config.get("caBundle") or "").decode("ascii", "replace")
    except binascii.Error:
        return "not PEM"


class Trust:
    """Observes callers and checks that they trust this server.

    Args:
        client: Needs get on the API's CRDs and webhook configurations.
        api: The served API.
        address: Host and port of the listener.
    """

    def __init__(self, client: kube.Client, api: Api, address: tuple[str, int]) -> None:
        self.client = client
        self._address = address
        self._targets = install.targets(api)
        self.callers: frozenset[Caller] = frozenset()
        """The last observation."""
        self._unobserved = ""
        self.reason = ""
        """Why a caller would not trust this server; empty if all do or none is known."""

    async def watch(self) -> None:
        """Observe and check periodically."""
        while True:
            await self.observe_once()
            await asyncio.sleep(OBSERVED_EVERY_SECONDS)

    async def observe_once(self) -> None:
        """Observe and check once."""
        try:
            self.callers = frozenset([item async for item in self._observed()])
            self._unobserved = ""
        except (kube.KubeError, OSError, TimeoutError) as error:
            if str(error) != self._unobserved:
                log.warning("failed to observe the caBundle", reason=str(error))
            self._unobserved = str(error)
        # The host and port that a caller uses may differ from the listener's: connect to itself.
        reasons = [await why_not(item, self._address) for item in sorted(self.callers, key=str)]
        reason = next(filter(None, reasons), "")
        if reason != self.reason:
            log.warning("trust changed", reason=reason or "every caller trusts this server")
        self.reason = reason

    async def _observed(self) -> AsyncIterator[Caller]:
        for target in self._targets:
            try:
                value = await self.client.get(target.resource, target.name)
            except kube.NotFoundError:
                continue
            for item in callers(target, value):
                yield item


async def why_not(caller: Caller, address: tuple[str, int]) -> str:
    """Return why a caller does not trust the server at an address; empty if it does."""
    reason = await handshake_error(caller.bundle, caller.host, address)
    return (
        f"{caller.target} does not trust the certificate served for {caller.host}: {reason}"
        if reason
        else ""
    )


async def handshake_error(bundle: str, host: str, address: tuple[str, int]) -> str:
    """Return why a client that trusts a bundle cannot connect to a host; empty if it can."""
    try:
        tls = tls_contexts.trusting_context(bundle)
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            _, writer = await asyncio.open_connection(*address, ssl=tls, server_hostname=host)
    except (ssl.SSLError, OSError, TimeoutError) as error:
        return _text(error)
    writer.close()
    return ""


def _text(error: Exception) -> str:
    message = getattr(error, "verify_message", "")
    return message or str(error) or type(error).__name__
