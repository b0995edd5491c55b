"""kubeconfig files to an `access.Access`. Shell: reads files.

As kubectl does it: of several files the first current-context wins, and relative paths begin at
their file. Private keys are not written to disk, and errors do not quote credentials.
"""

import base64
import binascii
import dataclasses
import os
import pathlib
import ssl
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from controllers.kube import errors
from controllers.kube.auth import access, exec_plugins
from controllers.kube.errors import JSON
from schemagen import yaml


async def load(paths: str, context: str | None) -> access.Access:
    """Return the connection settings of a context.

    Args:
        paths: Files separated by ``os.pathsep``; missing ones are skipped, and of several entries
            with one name the first wins, as for kubectl.
        context: Name of the context; None for the current one.

    Raises:
        ConfigurationError: The file or context does not exist, or is unusable.
    """
    files = _read(paths)
    try:
        entries = _entries(files, context)
        server = _server(str(entries.cluster["server"]))
        tls = entries.tls()
        credentials = _credentials(entries, tls)
        headers = _impersonation(entries.user)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        explained = f"no {error}" if isinstance(error, KeyError) else error
        raise errors.ConfigurationError(
            f"expected a usable {f'context {context!r}' if context else 'current context'} in "
            f"{paths}, got {explained}"
        ) from error
    # Now rather than at the first request: a failing plugin is a configuration error.
    await credentials.identity()
    return access.Access(
        server=server,
        tls=tls,
        server_hostname=entries.cluster.get("tls-server-name"),
        proxy=entries.cluster.get("proxy-url"),
        credentials=credentials,
        headers=headers,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Context:
    """A context's settings other than its cluster and user.

    Attributes:
        namespace: Default namespace of commands; empty if not set.
        extensions: Extensions of other programs, by name (client-go's NamedExtension).
    """

    namespace: str = ""
    extensions: Mapping[str, JSON] = dataclasses.field(default_factory=dict, repr=False)


def context_of(paths: str, name: str | None) -> Context:
    """Return a context's settings other than its cluster and user.

    Args:
        paths: Files separated by ``os.pathsep``.
        name: Name of the context; None for the current one.

    Raises:
        ConfigurationError: The file or context does not exist, or is invalid.
    """
    files = _read(paths)
    try:
        context = _find(files, "context", name or _current(files))[1]
        extensions = {
            str(extension["name"]): extension.get("extension")
            for extension in context.get("extensions") or ()
        }
        return Context(str(context.get("namespace") or ""), extensions)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise errors.ConfigurationError(f"expected a context in {paths}, got {error}") from error


def _current(files: Sequence["_File"]) -> str | None:
    named = (file.content.get("current-context") for file in files)
    return next((current for current in named if current), None)


def _server(text: str) -> str:
    """Return an API server's URL after checking its host and port."""
    try:
        parts = urllib.parse.urlsplit(text)
        (parts.hostname or "").encode("idna")
        _ = parts.port
    except ValueError as error:  # includes UnicodeError
        raise ValueError(
            f"expected a server such as https://HOST:PORT, got {text!r}: {error}"
        ) from error
    return text.rstrip("/")


@dataclasses.dataclass(frozen=True, slots=True)
class _File:
    path: pathlib.Path
    content: JSON = dataclasses.field(repr=False)


def _read(paths: str) -> list[_File]:
    candidates = [pathlib.Path(path).expanduser() for path in paths.split(os.pathsep) if path]
    present = [_File(path, _parse(path)) for path in candidates if _exists(path)]
    if not present:
        raise errors.ConfigurationError(
            f"expected a kubeconfig at {paths}, got no such file: pass its path or set KUBECONFIG"
        )
    return present


def _exists(path: pathlib.Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a directory without permission: reading it reports the error
        return True


def _parse(path: pathlib.Path) -> JSON:
    try:
        content = yaml.load(access.read(path))
    except yaml.YAMLError as error:
        # The message may quote the content, such as a key; the line number suffices.
        raise errors.ConfigurationError(
            f"expected YAML in the kubeconfig {path}, got an error at line {error.line}"
        ) from None
    if not isinstance(content, dict):
        raise errors.ConfigurationError(
            f"expected a mapping in the kubeconfig {path}, got {type(content).__name__}"
        )
    return content


def _entries(files: Sequence[_File], context: str | None) -> "_Entries":
    names = _find(files, "context", context or _current(files))[1]
    cluster_file, cluster = _find(files, "cluster", names["cluster"])
    user_file, user = _find(files, "user", names["user"]) if names.get("user") else (files[0], {})
    return _Entries(cluster, cluster_file, user, user_file)


def _find(files: Sequence[_File], what: str, name: str | None) -> tuple[_File, JSON]:
    for file in files:
        for entry in file.content.get(f"{what}s") or ():
            if entry["name"] == name:
                return file, entry.get(what) or {}
    raise ValueError(f"no {what} named {name!r}" if name else "no current-context")


@dataclasses.dataclass(frozen=True, slots=True)
class _Entries:
    """A context's cluster and user, with their files, which relative paths refer to."""

    cluster: JSON = dataclasses.field(repr=False)
    cluster_file: _File
    user: JSON = dataclasses.field(repr=False)
    user_file: _File

    def tls(self) -> ssl.SSLContext:
        certificate = _material(self.user, "client-certificate", self.user_file.path.parent)
        key = _material(self.user, "client-key", self.user_file.path.parent)
        if (certificate is None) != (key is None):
            raise ValueError("expected both client-certificate and client-key or neither, got one")
        return access.tls_context(
            ca_pem=_material(self.cluster, "certificate-authority", self.cluster_file.path.parent),
            verify=not self.cluster.get("insecure-skip-tls-verify", False),
            certificate=(certificate, key) if certificate and key else None,
        )

    def plugin_cluster(self) -> JSON:
        """Cluster information for exec plugins (client.authentication.k8s.io/v1 Cluster)."""
        ca_pem = _material(self.cluster, "certificate-authority", self.cluster_file.path.parent)
        info = {
            "server": self.cluster["server"],
            "tls-server-name": self.cluster.get("tls-server-name"),
            "insecure-skip-tls-verify": self.cluster.get("insecure-skip-tls-verify"),
            "certificate-authority-data": base64.b64encode(ca_pem or b"").decode(),
            "proxy-url": self.cluster.get("proxy-url"),
            "config": _plugin_config(self.cluster),
        }
        return {key: value for key, value in info.items() if value}


def _credentials(entries: _Entries, tls: ssl.SSLContext) -> access.Credentials:
    directory = entries.user_file.path.parent
    if entries.user.get("exec"):
        return exec_plugins.ExecPlugin(
            entries.user["exec"], directory, entries.plugin_cluster(), tls
        )
    if entries.user.get("tokenFile"):
        return access.TokenFile(directory / entries.user["tokenFile"])
    provider = entries.user.get("auth-provider") or {}
    if provider.get("name") == "oidc":
        token = access.bearer(provider["config"]["id-token"])
        return _Oidc(access.Identity(token), entries.user_file.path)
    if provider:
        raise ValueError(
            f"the auth-provider {provider.get('name')}, which kubectl does not have since 1.26 "
            "either: use an exec plugin, such as gke-gcloud-auth-plugin or kubelogin"
        )
    return access.Fixed(_of_user(entries.user))


def _plugin_config(cluster: JSON) -> Any:
    for extension in cluster.get("extensions") or ():
        if extension.get("name") == "client.authentication.k8s.io/exec":
            return extension.get("extension")
    return None


def _material(entry: JSON, key: str, directory: pathlib.Path) -> bytes | None:
    """Return the PEM in ``key-data``, or in the file named by ``key``."""
    data = entry.get(f"{key}-data")
    if data:
        try:
            return base64.b64decode(data, validate=True)
        except binascii.Error as error:
            raise ValueError(f"expected base64 in {key}-data, got {error}") from error
    return (directory / entry[key]).read_bytes() if entry.get(key) else None


@dataclasses.dataclass(frozen=True, slots=True)
class _Oidc:
    """The ID token of the legacy OIDC provider in the kubeconfig."""

    current: access.Identity
    path: pathlib.Path

    async def identity(self) -> access.Identity:
        return self.current

    async def renew(self, refused: access.Identity) -> access.Identity:
        del refused
        raise errors.ConfigurationError(
            f"expected a valid OIDC ID token in {self.path}, got one that the API server refuses: "
            "log in again, or use an exec plugin such as kubelogin, which renews it"
        )


def _of_user(user: JSON) -> access.Identity:
    """Return what a user's entry itself says: a token, or a name and password; or nobody."""
    if user.get("token"):
        return access.Identity(access.bearer(str(user["token"])))
    if user.get("username") and user.get("password"):
        basic = base64.b64encode(f"{user['username']}:{user['password']}".encode()).decode()
        return access.Identity((("Authorization", f"Basic {basic}"),))
    return access.Identity()


def _impersonation(user: JSON) -> access.Headers:
    single = (("Impersonate-User", user.get("as")), ("Impersonate-Uid", user.get("as-uid")))
    headers = tuple((name, str(value)) for name, value in single if value)
    headers += tuple(("Impersonate-Group", str(group)) for group in user.get("as-groups") or ())
    for key, values in (user.get("as-user-extra") or {}).items():
        headers += tuple((f"Impersonate-Extra-{key}", str(value)) for value in values)
    return headers
