"""Whether the API server trusts what is served here. Shell: the cluster, and a connection.

What each configuration that calls us says (its caBundle, and by which name it calls) is observed
every few seconds; an own connection then shows whether a client that believes it gets through. An
API server that cannot be asked changes nothing: what was observed last still counts.
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

from certs import files, injector
from controllers import kube
from schemagen import Api
from schemagen.problems import JSON
from webhooks import configuration, install

OBSERVED_EVERY_SECONDS: Final = 5.0
HANDSHAKE_SECONDS: Final = 2.0

log = structlog.get_logger("webhooks")


@dataclasses.dataclass(frozen=True)
class Caller:
    """How a configuration calls a webhook.

    Attributes:
        target: ``validatingwebhookconfigurations/agents.proompteng.ai``.
        host: The name that the certificate has to have.
        port: Where it is called.
        bundle: PEM of whom it believes; empty: the roots of its system.
    """

    target: str
    host: str
    port: int
    bundle: str


def callers(target: injector.Target, value: JSON) -> Iterator[Caller]:
    """How a CRD or a webhook configuration calls webhooks."""
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
        return "no PEM"


class Trust:
    """Observes who calls, and tries to be trusted.

    Args:
        client: Of the cluster; may get the API's CRDs and webhook configurations.
        api: The API that is served.
        address: Host and port of the listener.
    """

    def __init__(self, client: kube.Client, api: Api, address: tuple[str, int]) -> None:
        self.client = client
        self._address = address
        self._targets = install.targets(api)
        self.callers: frozenset[Caller] = frozenset()
        """As observed last."""
        self._unobserved = ""
        self.reason = ""
        """Why a caller would not trust what is served; nothing if all do, or none is known."""

    async def watch(self) -> None:
        """Observe and try, again and again."""
        while True:
            await self.look()
            await asyncio.sleep(OBSERVED_EVERY_SECONDS)

    async def look(self) -> None:
        """Observe and try once."""
        try:
            self.callers = frozenset([one async for one in self._observed()])
            self._unobserved = ""
        except (kube.KubeError, OSError, TimeoutError) as error:
            if str(error) != self._unobserved:
                log.warning("caBundle not observed", reason=str(error))
            self._unobserved = str(error)
        # One may be called by another name or port than it listens on: it is asked itself.
        reasons = [await why_not(one, self._address) for one in sorted(self.callers, key=str)]
        found = next(filter(None, reasons), "")
        if found != self.reason:
            log.warning("trust", reason=found or "every caller trusts what is served")
        self.reason = found

    async def _observed(self) -> AsyncIterator[Caller]:
        for target in self._targets:
            try:
                value = await self.client.get(target.resource, target.name)
            except kube.NotFoundError:
                continue
            for one in callers(target, value):
                yield one


async def why_not(caller: Caller, address: tuple[str, int]) -> str:
    """Why a caller does not trust who listens at an address; nothing if it does."""
    try:
        tls = files.trusting_context(caller.bundle)
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            _, writer = await asyncio.open_connection(
                *address, ssl=tls, server_hostname=caller.host
            )
    except (ssl.SSLError, OSError, TimeoutError) as error:
        return f"{caller.target} would not trust what is served as {caller.host}: {_text(error)}"
    writer.close()
    return ""


def _text(error: Exception) -> str:
    message = getattr(error, "verify_message", "")
    return message or str(error) or type(error).__name__
