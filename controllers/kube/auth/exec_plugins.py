"""Credentials from a kubeconfig's exec plugin (aws, gke-gcloud-auth-plugin, kubelogin...).

Shell: runs the plugin. `kubernetes.aio` logs a failed plugin and continues unauthenticated, has no
timeout, and never renews a certificate; so the plugin is run here.
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

from controllers.kube import clocks, errors
from controllers.kube.auth import access
from controllers.kube.errors import JSON
from schemagen import yaml

DEADLINE_SECONDS = 60.0
# A token that expires while its request is in flight is useless.
_SKEW = dt.timedelta(seconds=10)
_MAX_EXCERPT = 256
_MODES = frozenset({"", "Never", "IfAvailable", "Always"})
_TEXTS = ("token", "clientCertificateData", "clientKeyData", "expirationTimestamp")


@dataclasses.dataclass(slots=True)
class ExecPlugin:
    """Runs the plugin when its credentials are missing, expired or refused."""

    config: JSON = dataclasses.field(repr=False)
    """The user's ``exec`` stanza."""
    directory: pathlib.Path
    """Directory of the kubeconfig: a command with a slash is relative to it."""
    cluster: JSON = dataclasses.field(repr=False)
    """``spec.cluster`` for the plugin, if it requests it."""
    tls: ssl.SSLContext = dataclasses.field(repr=False)
    """The connection's TLS settings, which a returned certificate is loaded into."""
    now: Callable[[], dt.datetime] = clocks.utc_now
    _current: access.Identity | None = None
    _expires: dt.datetime | None = None
    _running: asyncio.Lock = dataclasses.field(default_factory=asyncio.Lock, repr=False)

    async def identity(self) -> access.Identity:
        """Return the credentials, running the plugin if there are none or they expired."""
        async with self._running:
            if self._current is None or self._is_expired():
                return await self._refresh()
            return self._current

    async def renew(self, refused: access.Identity) -> access.Identity:
        """Run the plugin again, once for all requests that were refused together."""
        async with self._running:
            if self._current is None or self._current == refused:
                return await self._refresh()
            return self._current

    def _is_expired(self) -> bool:
        return self._expires is not None and self._expires - _SKEW <= self.now()

    async def _refresh(self) -> access.Identity:
        status = parse(await self._run(), self.config)
        if status.get("clientCertificateData"):
            access.load_certificate(
                self.tls, status["clientCertificateData"].encode(), status["clientKeyData"].encode()
            )
        self._expires = clocks.time_of(status.get("expirationTimestamp") or "")
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
        except (OSError, ValueError) as error:
            # A ValueError is raised for NUL, which arguments and variables cannot contain.
            reason = error.strerror if isinstance(error, OSError) else error
            hint = self.config.get("installHint") or "install it or put it on the PATH"
            raise errors.ConfigurationError(
                f"could not run the kubeconfig's exec plugin {arguments[0]!r}: {reason}; {hint}"
            ) from error
        return await _finish(process, arguments[0])


async def _finish(process: asyncio.subprocess.Process, name: str) -> bytes:
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            output, error_output = await process.communicate()
    except TimeoutError as error:
        raise errors.ConfigurationError(
            f"expected the exec plugin {name!r} to finish within {DEADLINE_SECONDS:.0f} s: run "
            "it manually to see what it waits for"
        ) from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        message = error_output.decode(errors="replace").strip()[-_MAX_EXCERPT:]
        raise errors.ConfigurationError(
            f"the exec plugin {name!r} exited with status {process.returncode}: {message}"
        )
    return output


def command(config: JSON, directory: pathlib.Path) -> list[str]:
    """Return a plugin's command line.

    Raises:
        ConfigurationError: The stanza is invalid, has no command, or requires a terminal.
    """
    _check(config)
    name: str = config["command"]
    if config.get("interactiveMode") == "Always":
        raise errors.ConfigurationError(
            f"expected an exec plugin that needs no terminal, got interactiveMode Always for "
            f"{name!r}: log in manually and use interactiveMode IfAvailable or Never"
        )
    # k8s.io/client-go/tools/clientcmd/loader.go: a command with a slash is relative to the
    # kubeconfig. It is made absolute, because "./plugin" would be looked up on the PATH.
    path = os.path.abspath(directory / name) if "/" in name else name  # noqa: PTH100 - of ".."
    return [path, *(config.get("args") or ())]


def _check(config: Any) -> None:
    """Check that kubectl would accept the stanza."""
    if not isinstance(config, dict):
        raise _unusable("a mapping at the user's `exec`", config)
    for field in ("command", "apiVersion"):
        if not isinstance(config.get(field), str) or not config[field]:
            raise _unusable(f"`{field}` as a string in the user's exec stanza", config.get(field))
    args = config.get("args") or []
    if not isinstance(args, list) or not all(isinstance(item, str) for item in args):
        raise _unusable("a list of strings at `args` in the user's exec stanza", args)
    env = config.get("env") or []
    if not isinstance(env, list) or not all(_is_variable(item) for item in env):
        raise _unusable("a list of `name` and `value` at `env` in the user's exec stanza", None)
    mode = config.get("interactiveMode") or ""
    if not isinstance(mode, str) or mode not in _MODES:
        raise _unusable("interactiveMode Never, IfAvailable or Always", mode)


def _is_variable(entry: Any) -> bool:
    """Return whether an entry has a variable's name, and a string or no value."""
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        return False
    return bool(entry["name"]) and isinstance(entry.get("value") or "", str)


def _unusable(expected: str, value_: Any) -> errors.ConfigurationError:
    # args may contain a secret.
    got = "none" if value_ is None else f"{type(value_).__name__}"
    got = repr(value_)[:_MAX_EXCERPT] if isinstance(value_, str) else got
    return errors.ConfigurationError(f"expected {expected}, got {got}")


def environment(config: JSON, cluster: JSON) -> dict[str, str]:
    """Return the variables that are added to a plugin's environment."""
    spec: JSON = {"interactive": False}
    if config.get("provideClusterInfo"):
        spec["cluster"] = cluster
    info = {"apiVersion": config.get("apiVersion"), "kind": "ExecCredential", "spec": spec}
    variables = {entry["name"]: entry.get("value") or "" for entry in config.get("env") or ()}
    return variables | {"KUBERNETES_EXEC_INFO": orjson.dumps(info).decode()}


def parse(output: bytes, config: JSON) -> JSON:
    """Return the ``status`` of a plugin's ExecCredential, checked to hold credentials."""
    name = config.get("command")
    credential = _decoded(output)
    if not isinstance(credential, dict):
        # The output may contain a token: do not show it.
        raise errors.ConfigurationError(
            f"expected an ExecCredential as JSON or YAML from the exec plugin {name!r}, got "
            f"{len(output)} bytes of something else"
        )
    status = credential.get("status")
    if not isinstance(status, dict):
        raise errors.ConfigurationError(
            f"expected `status` in the ExecCredential of the exec plugin {name!r}, got none"
        )
    if credential.get("apiVersion") != config.get("apiVersion"):
        raise errors.ConfigurationError(
            f"expected an ExecCredential of {config.get('apiVersion')} from the exec plugin "
            f"{name!r}, got {credential.get('apiVersion')}"
        )
    if problem := _problem(status):
        raise errors.ConfigurationError(
            f"expected {problem}, in the status of the exec plugin {name!r}"
        )
    return status


def _decoded(output: bytes) -> Any:
    """Decode like client-go: JSON or YAML; None if it is neither."""
    try:
        return orjson.loads(output)
    except orjson.JSONDecodeError:
        pass
    try:
        return yaml.load(output)
    except (yaml.YAMLError, RecursionError):
        return None


def _problem(status: JSON) -> str:
    """Return what is wrong with the credentials; empty if they are usable."""
    for field in _TEXTS:
        if not isinstance(status.get(field) or "", str):
            return f"a string at {field}, got {type(status[field]).__name__}"
    stamp = status.get("expirationTimestamp")
    if stamp and clocks.time_of(stamp) is None:
        return f"a time such as 2026-01-02T03:04:05Z at expirationTimestamp, got {stamp[:64]!r}"
    token = (status.get("token") or "").strip()
    if not token.isprintable():
        return "a single-line token, got one with control characters"
    pair = [field for field in ("clientCertificateData", "clientKeyData") if status.get(field)]
    if len(pair) == 1 or not (pair or token):
        return f"a token, or clientCertificateData with clientKeyData, got {sorted(status)}"
    return ""
