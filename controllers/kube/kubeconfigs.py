"""kubeconfig files to an `access.Access`, by `kubernetes.aio.config`. Shell: reads files.

`kubernetes.aio.config` merges the files and does OIDC, GCP and basic authentication. Certificates,
token files and impersonation are read here: it leaves private keys in temporary files, reads a
token file once, fails on a context without a user, and forgets ``as`` (acting with more rights
than the file says).
"""

import base64
import binascii
import dataclasses
import os
import pathlib
import ssl
import time
from collections.abc import Callable
from typing import Any

import yaml
from kubernetes.aio import client, config
from kubernetes.aio.config import kube_config

from controllers.kube import access, errors, exec_plugins
from controllers.kube.errors import JSON

# As client-go: k8s.io/client-go/transport/token_source.go.
_TOKEN_FILE_SECONDS = 60.0


async def load(paths: str, context: str | None) -> access.Access:
    """Return the access that a context describes.

    Args:
        paths: Files parted by ``os.pathsep``; those that do not exist are passed over.
        context: The context's name; None is the current one.

    Raises:
        ConfigurationError: No such file or context, or something in it is unusable.
    """
    merger = _merge(paths)
    try:
        entries = _Entries.of(merger.config, context)
        tls = entries.tls()
        credentials = await _credentials(entries, tls, merger, context)
    except (config.ConfigException, OSError, ValueError, KeyError, TypeError) as error:
        raise errors.ConfigurationError(
            f"expected a usable {f'context {context!r}' if context else 'current context'} in "
            f"{paths}: {error}"
        ) from error
    return access.Access(
        server=str(entries.cluster["server"]).rstrip("/"),
        tls=tls,
        server_hostname=entries.cluster.get("tls-server-name"),
        proxy=entries.cluster.get("proxy-url"),
        credentials=credentials,
    )


def _merge(paths: str) -> kube_config.KubeConfigMerger:
    present = [path for path in paths.split(os.pathsep) if pathlib.Path(path).expanduser().exists()]
    if not present:
        raise errors.ConfigurationError(
            f"expected a kubeconfig at {paths}, got no such file: pass its path or set KUBECONFIG"
        )
    for path in present:
        try:
            content = yaml.safe_load(pathlib.Path(path).expanduser().read_bytes())
        except (OSError, yaml.YAMLError) as error:
            # PyYAML quotes the line at fault, which may hold a key.
            where = getattr(error, "problem_mark", None) or getattr(error, "strerror", "")
            raise errors.ConfigurationError(
                f"expected YAML that can be read in the kubeconfig {path}, got an error "
                f"{_place(where)}"
            ) from None
        if not isinstance(content, dict):
            raise errors.ConfigurationError(
                f"expected a mapping in the kubeconfig {path}, got {type(content).__name__}"
            )
    paths = os.pathsep.join(present)
    return kube_config.KubeConfigMerger(paths)  # type: ignore[no-untyped-call] # has no types


def _place(where: Any) -> str:
    return f"at line {where.line + 1}" if hasattr(where, "line") else f"({where})"


@dataclasses.dataclass(frozen=True, slots=True)
class _Entries:
    """A context's cluster and user, and the directories that their relative paths start from."""

    cluster: JSON
    cluster_directory: pathlib.Path
    user: JSON
    user_directory: pathlib.Path

    @classmethod
    def of(cls, merged: Any, context: str | None) -> "_Entries":
        chosen = merged["contexts"].get_with_name(context or merged["current-context"])
        names = chosen.value["context"]
        cluster = merged["clusters"].get_with_name(names["cluster"])
        user = None
        if names.get("user"):
            user = merged["users"].get_with_name(names["user"])
        return cls(
            cluster.value["cluster"],
            pathlib.Path(cluster.path).resolve().parent,
            (user.value.get("user") or {}) if user else {},
            pathlib.Path(user.path if user else cluster.path).resolve().parent,
        )

    def tls(self) -> ssl.SSLContext:
        certificate = _material(self.user, "client-certificate", self.user_directory)
        key = _material(self.user, "client-key", self.user_directory)
        if (certificate is None) != (key is None):
            raise ValueError("expected both or none of client-certificate and client-key, got one")
        return access.tls_context(
            ca_pem=_material(self.cluster, "certificate-authority", self.cluster_directory),
            verify=not self.cluster.get("insecure-skip-tls-verify", False),
            certificate=(certificate, key) if certificate and key else None,
        )

    def plugin_cluster(self) -> JSON:
        """What an exec plugin learns of the cluster (client.authentication.k8s.io/v1 Cluster)."""
        authority = _material(self.cluster, "certificate-authority", self.cluster_directory)
        given = {
            "server": self.cluster["server"],
            "tls-server-name": self.cluster.get("tls-server-name"),
            "insecure-skip-tls-verify": self.cluster.get("insecure-skip-tls-verify"),
            "certificate-authority-data": base64.b64encode(authority or b"").decode(),
            "proxy-url": self.cluster.get("proxy-url"),
            "config": _plugin_config(self.cluster),
        }
        return {key: value for key, value in given.items() if value}


async def _credentials(
    entries: _Entries, tls: ssl.SSLContext, merger: Any, context: str | None
) -> access.Credentials:
    identity: access.Credentials
    if entries.user.get("exec"):
        identity = exec_plugins.ExecPlugin(
            entries.user["exec"], entries.user_directory, entries.plugin_cluster(), tls
        )
    elif entries.user.get("tokenFile"):
        identity = _TokenFile(entries.user_directory / entries.user["tokenFile"])
    else:
        loader = _AuthenticationOnly(  # type: ignore[no-untyped-call] # has no types
            merger.config,
            active_context=context,
            # A refresh token may be good for one use only: lost, the user must log in again.
            config_persister=lambda _: merger.save_changes(),
        )
        identity = _Upstream(loader)
    await identity.headers()
    impersonation = _impersonation(entries.user)
    return _Impersonating(identity, impersonation) if impersonation else identity


def _plugin_config(cluster: JSON) -> Any:
    for extension in cluster.get("extensions") or ():
        if extension.get("name") == "client.authentication.k8s.io/exec":
            return extension.get("extension")
    return None


def _material(entry: JSON, key: str, directory: pathlib.Path) -> bytes | None:
    """Return the PEM of ``key-data``, or of the file that ``key`` names."""
    data = entry.get(f"{key}-data")
    if data:
        try:
            return base64.b64decode(data, validate=True)
        except binascii.Error as error:
            raise ValueError(f"expected base64 in {key}-data, got {error}") from error
    return (directory / entry[key]).read_bytes() if entry.get(key) else None


@dataclasses.dataclass(slots=True)
class _TokenFile:
    """A token that somebody else renews in a file; it is read again every minute."""

    path: pathlib.Path
    monotonic: Callable[[], float] = time.monotonic
    _headers: access.Headers = dataclasses.field(default=(), repr=False)
    _read_again: float = 0.0

    async def headers(self, *, renew: bool = False) -> access.Headers:
        if renew or not self._headers or self.monotonic() >= self._read_again:
            self._headers = access.bearer(access.read(self.path).decode())
            self._read_again = self.monotonic() + _TOKEN_FILE_SECONDS
        return self._headers


class _AuthenticationOnly(kube_config.KubeConfigLoader):
    """The loader without its handling of certificates, which writes keys to temporary files."""

    def _load_cluster_info(self) -> None:
        pass


@dataclasses.dataclass(frozen=True, slots=True)
class _Upstream:
    """What `kubernetes.aio` makes of the user: a token, OIDC, GCP, user name and password."""

    loader: Any = dataclasses.field(repr=False)

    async def headers(self, *, renew: bool = False) -> access.Headers:
        del renew  # the loader renews by the token's own expiry, each time it loads
        configuration = client.Configuration()
        await self.loader.load_and_set(configuration)
        value = configuration.api_key.get("BearerToken")
        return (("Authorization", value.strip()),) if value else ()


@dataclasses.dataclass(frozen=True, slots=True)
class _Impersonating:
    """Somebody's credentials, acting as somebody else (``as`` of the user)."""

    identity: access.Credentials
    impersonation: access.Headers

    async def headers(self, *, renew: bool = False) -> access.Headers:
        return await self.identity.headers(renew=renew) + self.impersonation


def _impersonation(user: JSON) -> access.Headers:
    single = (("Impersonate-User", user.get("as")), ("Impersonate-Uid", user.get("as-uid")))
    headers = tuple((name, str(value)) for name, value in single if value)
    headers += tuple(("Impersonate-Group", str(group)) for group in user.get("as-groups") or ())
    for key, values in (user.get("as-user-extra") or {}).items():
        headers += tuple((f"Impersonate-Extra-{key}", str(value)) for value in values)
    return headers
