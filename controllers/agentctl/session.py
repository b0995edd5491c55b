"""The session shared by all commands that access a cluster. Shell: terminal, event loop."""

import asyncio
import contextlib
import dataclasses
import functools
import os
import pathlib
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from controllers import kube
from controllers.agentctl import exits, tables
from controllers.agentctl.exits import CommandError, Exit
from controllers.kube.auth import access, discovery

if TYPE_CHECKING:
    from controllers.kube.auth import kubeconfigs

USER_AGENT = "agentctl"
"""Also the field manager of writes."""
DEFAULT_NAMESPACE: Final = "agents"
EXTENSION: Final = "agentctl"
"""Extension of a kubeconfig's context: ``{"workspaces": FOLDER}``."""


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The cluster selected by the user.

    Attributes:
        kubeconfig: The file; None to choose as kubectl does.
        context: Context name; empty for the current one.
    """

    kubeconfig: pathlib.Path | None = None
    context: str = ""

    def client(self, user_agent: str = USER_AGENT) -> kube.Client:
        """Return an unopened client."""
        return kube.Client(self.source(), on_warning=warn, user_agent=user_agent)

    def tables(self) -> kube.Client:
        """Return a client that requests meta.k8s.io/v1 Tables; only its ``body`` is usable."""

        async def source() -> access.Access:
            base = await self.source()()
            # API servers use the first Accept header; the client's own follows.
            headers = (("Accept", tables.ACCEPT), *base.headers)
            return dataclasses.replace(base, headers=headers)

        return kube.Client(source, on_warning=warn, user_agent=USER_AGENT)

    def namespace(self, given: str) -> str:
        """Return the given namespace, or else the context's, the pod's, or ``agents``."""
        if given:
            return given
        if self._is_pod:
            return discovery.pod_namespace() or DEFAULT_NAMESPACE
        return self._context.namespace or DEFAULT_NAMESPACE

    def workspaces(self) -> pathlib.Path | None:
        """Return the directory of local workspaces that ``agentctl dev`` noted in the context."""
        noted = None if self._is_pod else self._context.extensions.get(EXTENSION)
        folder = noted.get("workspaces") if isinstance(noted, dict) else None
        return pathlib.Path(folder) if isinstance(folder, str) else None

    @property
    def _is_pod(self) -> bool:
        return self.kubeconfig is None and not self.context and discovery.is_in_cluster()

    @functools.cached_property
    def _context(self) -> "kubeconfigs.Context":
        """The context; empty if unreadable, which the client reports."""
        try:
            return discovery.context(self.kubeconfig, self.context or None)
        except kube.KubeError:
            from controllers.kube.auth import kubeconfigs  # noqa: PLC0415 - already imported

            return kubeconfigs.Context()

    def source(self) -> discovery.Source:
        """Return where the connection's settings come from."""
        if self.kubeconfig is None and not self.context:
            return discovery.environment()
        return discovery.kubeconfig(self.kubeconfig, self.context or None)


Work: TypeAlias = Callable[[kube.Client], Coroutine[Any, Any, Exit]]


def run(cluster: Cluster, work: Work) -> Exit:
    """Run work with a client; return the exit code."""

    async def with_client() -> Exit:
        async with cluster.client() as client:
            return await work(client)

    return attempt(lambda: asyncio.run(with_client()))


def attempt(act: Callable[[], Exit]) -> Exit:
    """Run a command; print an error as a message; return the exit code."""
    try:
        return act()
    except (CommandError, kube.KubeError) as error:
        complain(*exits.lines_of(error))
        return exits.code_of(error)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader has exited (`| head`); Python would report the error again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK


def complain(*lines: str) -> None:
    """Print an error message on standard error."""
    say(*(f"agentctl: {line}" if not line.startswith(" ") else line for line in lines))


def warn(text: str) -> None:
    """Print a warning of the API server."""
    say(f"warning: {text}")


def say(*lines: str) -> None:
    """Print progress and notes, which are not output, on standard error."""
    with contextlib.suppress(BrokenPipeError):
        sys.stderr.write("".join(f"{line}\n" for line in lines))
        sys.stderr.flush()


def show(text: str) -> None:
    """Write to standard output, and flush."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    sys.stdout.flush()
