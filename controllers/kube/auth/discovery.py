"""Finds a cluster's connection settings: kubeconfig files or a pod's service account.

Shell: reads files and the environment.
"""

import os
import pathlib
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from controllers.kube import errors
from controllers.kube.auth import access

if TYPE_CHECKING:
    from controllers.kube.auth import kubeconfigs

_SERVICE_ACCOUNT = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")

Source: TypeAlias = Callable[[], Coroutine[Any, Any, access.Access]]


def kubeconfig(path: str | os.PathLike[str] | None = None, context: str | None = None) -> Source:
    """Return a source that reads kubeconfig files.

    Args:
        path: A file, or several separated by ``os.pathsep``; None for KUBECONFIG, else
            ``~/.kube/config``.
        context: Name of the context; None for the current one.
    """

    async def load() -> access.Access:
        from controllers.kube.auth import kubeconfigs  # noqa: PLC0415 - pods need no YAML

        return await kubeconfigs.load(_paths(path), context)

    return load


def _paths(path: str | os.PathLike[str] | None) -> str:
    chosen = os.fspath(path) if path is not None else os.environ.get("KUBECONFIG")
    return chosen or "~/.kube/config"


def context(
    path: str | os.PathLike[str] | None = None, name: str | None = None
) -> "kubeconfigs.Context":
    """Return a kubeconfig context's namespace and extensions.

    Args:
        path: As for ``kubeconfig``.
        name: Name of the context; None for the current one.

    Raises:
        ConfigurationError: It does not exist.
    """
    from controllers.kube.auth import kubeconfigs  # noqa: PLC0415 - pods need no YAML

    return kubeconfigs.context_of(_paths(path), name)


def pod_namespace(directory: pathlib.Path = _SERVICE_ACCOUNT) -> str:
    """Return the namespace of the pod that this process runs in; empty outside a pod."""
    try:
        return (directory / "namespace").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def in_cluster(
    directory: pathlib.Path = _SERVICE_ACCOUNT, environment: Mapping[str, str] = os.environ
) -> Source:
    """Return a pod's source: its service account and the address in its environment.

    Args:
        directory: Mount of ``token`` and ``ca.crt``; the token is reread every minute.
        environment: Has KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT.
    """

    async def load() -> access.Access:
        token = access.TokenFile(directory / "token")
        try:
            server = _service(environment)
            ca_pem = _authority(directory / "ca.crt")
            # Now rather than at the first request: without it there is no service account.
            await token.identity()
        except errors.ConfigurationError as error:
            raise errors.ConfigurationError(
                f"expected a pod's service account at {directory} and KUBERNETES_SERVICE_HOST and "
                f"_PORT in the environment: {error}; outside of a cluster, set KUBECONFIG"
            ) from error
        return access.Access(
            server=server, tls=access.tls_context(ca_pem=ca_pem), credentials=token
        )

    return load


def _authority(path: pathlib.Path) -> bytes:
    """Return the CA that the kubelet mounts; an empty one would mean the system's roots."""
    found = access.read(path)
    if not found.strip():
        raise errors.ConfigurationError(f"expected a CA in {path}, got an empty file")
    return found


def _service(environment: Mapping[str, str]) -> str:
    """Return the API server's URL, as the kubelet tells it to pods."""
    host = environment.get("KUBERNETES_SERVICE_HOST")
    port = environment.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise errors.ConfigurationError("got no address of the API server")
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def environment() -> Source:
    """Return the source for this environment: KUBECONFIG, else the pod's, else the home's."""
    return in_cluster() if is_in_cluster() else kubeconfig()


def is_in_cluster() -> bool:
    """Return whether ``environment`` uses a pod's service account."""
    return not os.environ.get("KUBECONFIG") and bool(os.environ.get("KUBERNETES_SERVICE_HOST"))
