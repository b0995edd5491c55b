"""Finds a cluster's connection settings: kubeconfig files or a pod's service account.

Shell: reads files and the environment. Configuration and authentication come from
`kubernetes.aio.config`, imported lazily: it takes as long as everything else together.
"""

import dataclasses
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
        from controllers.kube.auth import kubeconfigs  # noqa: PLC0415 - imports kubernetes.aio: 0.2 s

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
    from controllers.kube.auth import kubeconfigs  # noqa: PLC0415 - imports kubernetes.aio: 0.2 s

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
        from kubernetes.aio import client, config  # noqa: PLC0415 - imports 0.2 s of models
        from kubernetes.aio.config import incluster_config  # noqa: PLC0415 - imports 0.2 s of models

        configuration = client.Configuration()
        loader = incluster_config.InClusterConfigLoader(  # type: ignore[no-untyped-call] # has no types
            token_filename=str(directory / "token"),
            cert_filename=str(directory / "ca.crt"),
            environ=environment,
        )
        try:
            loader.load_and_set(configuration)  # type: ignore[no-untyped-call] # has no types
        except (config.ConfigException, OSError) as error:
            raise errors.ConfigurationError(
                f"expected a pod's service account at {directory} and KUBERNETES_SERVICE_HOST and "
                f"_PORT in the environment: {error}; outside of a cluster, set KUBECONFIG"
            ) from error
        return of_configuration(configuration)

    return load


def environment() -> Source:
    """Return the source for this environment: KUBECONFIG, else the pod's, else the home's."""
    return in_cluster() if is_in_cluster() else kubeconfig()


def is_in_cluster() -> bool:
    """Return whether ``environment`` uses a pod's service account."""
    return not os.environ.get("KUBECONFIG") and bool(os.environ.get("KUBERNETES_SERVICE_HOST"))


def of_configuration(configuration: Any) -> access.Access:
    """Return the settings of a ``kubernetes.aio.client.Configuration``.

    Its ``refresh_api_key_hook`` is called for each request.
    """
    certificate = None
    if configuration.cert_file:
        certificate = (access.read(configuration.cert_file), access.read(configuration.key_file))
    ca_pem = configuration.ca_cert_data
    if configuration.ssl_ca_cert:
        ca_pem = access.read(configuration.ssl_ca_cert)
    return access.Access(
        server=configuration.host.rstrip("/"),
        tls=access.tls_context(
            ca_pem=ca_pem.encode() if isinstance(ca_pem, str) else ca_pem,
            verify=configuration.verify_ssl,
            certificate=certificate,
        ),
        server_hostname=configuration.tls_server_name,
        proxy=configuration.proxy,
        credentials=_Hooked(configuration),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Hooked:
    configuration: Any = dataclasses.field(repr=False)

    async def identity(self) -> access.Identity:
        try:
            key = await self.configuration.get_api_key_with_prefix("BearerToken", "authorization")
        except Exception as error:
            # A hook may fail in any way: a missing token file, a network error, a bug.
            raise errors.ConfigurationError(f"failed to renew the token: {error}") from error
        return access.Identity(access.bearer(key.split(maxsplit=1)[-1]) if key else ())

    async def renew(self, refused: access.Identity) -> access.Identity:
        del refused  # the hook decides when to renew
        return await self.identity()
