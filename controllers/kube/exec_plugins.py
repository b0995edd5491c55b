"""Credentials from a kubeconfig's exec plugin (aws, gke-gcloud-auth-plugin, kubelogin...).

Shell: runs the plugin. `kubernetes.aio`'s own logs a failed plugin and goes on as nobody, has no
deadline, and takes a certificate once and for ever; so the plugin is run here.
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import os
import pathlib
import ssl
from collections.abc import Callable
from typing import Any

import orjson

from controllers.kube import access, errors
from controllers.kube.errors import JSON

DEADLINE_SECONDS = 60.0
# A token that expires while its request is on the way is as good as none.
_SKEW = dt.timedelta(seconds=10)
_MAX_EXCERPT = 256


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclasses.dataclass(slots=True)
class ExecPlugin:
    """Runs the plugin when its credentials are missing, expired or refused."""

    config: JSON = dataclasses.field(repr=False)
    """The ``exec`` stanza of the user."""
    directory: pathlib.Path
    """Where the kubeconfig lies: a command with a slash is relative to it."""
    cluster: JSON = dataclasses.field(repr=False)
    """What the plugin gets as ``spec.cluster`` if it wants that."""
    tls: ssl.SSLContext = dataclasses.field(repr=False)
    """The connection's settings, which get the certificate if the plugin returns one."""
    now: Callable[[], dt.datetime] = _utc_now
    _current: access.Identity | None = None
    _expires: dt.datetime | None = None
    _running: asyncio.Lock = dataclasses.field(default_factory=asyncio.Lock, repr=False)

    async def identity(self) -> access.Identity:
        """Return what the plugin said; ask it first if that is nothing yet or has expired."""
        async with self._running:
            if self._current is None or self._is_expired():
                return await self._ask()
            return self._current

    async def renew(self, refused: access.Identity) -> access.Identity:
        """Ask the plugin again, once for all the requests that were refused together."""
        async with self._running:
            if self._current is None or self._current == refused:
                return await self._ask()
            return self._current

    def _is_expired(self) -> bool:
        return self._expires is not None and self._expires - _SKEW <= self.now()

    async def _ask(self) -> access.Identity:
        status = parse(await self._run(), self.config)
        if "clientCertificateData" in status:
            access.load_certificate(
                self.tls, status["clientCertificateData"].encode(), status["clientKeyData"].encode()
            )
        stamp = status.get("expirationTimestamp")
        self._expires = dt.datetime.fromisoformat(stamp) if stamp else None
        self._current = access.Identity(
            access.bearer(status["token"]) if status.get("token") else (),
            self._current.generation + 1 if self._current else 0,
        )
        return self._current

    async def _run(self) -> bytes:
        arguments = command(self.config, self.directory)
        try:
            process = await asyncio.create_subprocess_exec(
                *arguments,
                env=os.environ | environment(self.config, self.cluster),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            hint = self.config.get("installHint") or "install it or put it on the PATH"
            raise errors.ConfigurationError(
                f"could not run the kubeconfig's exec plugin {arguments[0]!r}: "
                f"{error.strerror}; {hint}"
            ) from error
        return await _finish(process, arguments[0])


async def _finish(process: asyncio.subprocess.Process, name: str) -> bytes:
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            output, complaint = await process.communicate()
    except TimeoutError as error:
        raise errors.ConfigurationError(
            f"expected the exec plugin {name!r} to answer within {DEADLINE_SECONDS:.0f} s, "
            "got nothing: run it by hand to see what it waits for"
        ) from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        said = complaint.decode(errors="replace").strip()[-_MAX_EXCERPT:]
        raise errors.ConfigurationError(
            f"the exec plugin {name!r} ended with status {process.returncode}: {said}"
        )
    return output


def command(config: JSON, directory: pathlib.Path) -> list[str]:
    """Return the command line of a plugin.

    Raises:
        ConfigurationError: The stanza names no command, or one that must talk to a person.
    """
    name = config.get("command")
    if not name:
        raise errors.ConfigurationError("expected `command` in the user's exec stanza, got none")
    if config.get("interactiveMode") == "Always":
        raise errors.ConfigurationError(
            f"the exec plugin {name!r} wants a terminal (interactiveMode: Always), and a library "
            "has none: log in by hand and use interactiveMode IfAvailable or Never"
        )
    path = str(directory / name) if "/" in name else str(name)
    return [path, *(str(argument) for argument in config.get("args") or ())]


def environment(config: JSON, cluster: JSON) -> dict[str, str]:
    """Return what a plugin's environment has besides ours."""
    spec: JSON = {"interactive": False}
    if config.get("provideClusterInfo"):
        spec["cluster"] = cluster
    info = {"apiVersion": config.get("apiVersion"), "kind": "ExecCredential", "spec": spec}
    stated = {entry["name"]: str(entry["value"]) for entry in config.get("env") or ()}
    return stated | {"KUBERNETES_EXEC_INFO": orjson.dumps(info).decode()}


def parse(output: bytes, config: JSON) -> JSON:
    """Return the ``status`` of a plugin's ExecCredential, checked to hold credentials."""
    name = config.get("command")
    try:
        credential: Any = orjson.loads(output)
    except orjson.JSONDecodeError as error:
        # The output may hold a token: it is not for showing.
        raise errors.ConfigurationError(
            f"expected an ExecCredential as JSON from the exec plugin {name!r}, got {len(output)} "
            "bytes of something else"
        ) from error
    if not isinstance(credential, dict) or not isinstance(credential.get("status"), dict):
        raise errors.ConfigurationError(
            f"expected `status` in the ExecCredential of the exec plugin {name!r}, got none"
        )
    if credential.get("apiVersion") != config.get("apiVersion"):
        raise errors.ConfigurationError(
            f"expected an ExecCredential of {config.get('apiVersion')} from the exec plugin "
            f"{name!r}, got {credential.get('apiVersion')}"
        )
    status: JSON = credential["status"]
    pair = {"clientCertificateData", "clientKeyData"} & status.keys()
    if len(pair) == 1 or not (pair or status.get("token")):
        raise errors.ConfigurationError(
            "expected a token, or clientCertificateData with clientKeyData, in the status of the "
            f"exec plugin {name!r}, got {sorted(status)}"
        )
    return status
