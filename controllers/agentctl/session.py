"""What every command that talks to a cluster does around its work. Shell: terminal, event loop."""

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
from controllers.kube import access, sources

if TYPE_CHECKING:
    from controllers.kube import kubeconfigs

USER_AGENT = "agentctl"
"""Also the field manager of what is written."""
DEFAULT_NAMESPACE: Final = "agents"
EXTENSION: Final = "agentctl"
"""Of a kubeconfig's context: ``{"workspaces": FOLDER}``."""


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Which cluster, as the user named it.

    Attributes:
        kubeconfig: The file; None is as kubectl has it.
        context: One of its contexts; empty is the current one.
    """

    kubeconfig: pathlib.Path | None = None
    context: str = ""

    def client(self, user_agent: str = USER_AGENT) -> kube.Client:
        """A client of it, to be opened."""
        return kube.Client(self._source(), on_warning=warn, user_agent=user_agent)

    def tables(self) -> kube.Client:
        """A client that is answered in tables (meta.k8s.io/v1 Table); it gives bodies only."""

        async def source() -> access.Access:
            found = await self._source()()
            # An API server takes the first Accept; the client's own follows.
            headers = (("Accept", tables.ACCEPT), *found.headers)
            return dataclasses.replace(found, headers=headers)

        return kube.Client(source, on_warning=warn, user_agent=USER_AGENT)

    def namespace(self, given: str) -> str:
        """The namespace that was given, else the context's, else the pod's, else ``agents``."""
        if given:
            return given
        if self._is_pod:
            return sources.pod_namespace() or DEFAULT_NAMESPACE
        return self._context.namespace or DEFAULT_NAMESPACE

    def workspaces(self) -> pathlib.Path | None:
        """Where this machine carries out the cluster's runs, as ``agentctl dev`` notes it."""
        noted = None if self._is_pod else self._context.extensions.get(EXTENSION)
        folder = noted.get("workspaces") if isinstance(noted, dict) else None
        return pathlib.Path(folder) if isinstance(folder, str) else None

    @property
    def _is_pod(self) -> bool:
        return self.kubeconfig is None and not self.context and sources.is_in_cluster()

    @functools.cached_property
    def _context(self) -> "kubeconfigs.Context":
        """What the context says; nothing where it cannot be read, of which the client complains."""
        try:
            return sources.context(self.kubeconfig, self.context or None)
        except kube.KubeError:
            from controllers.kube import kubeconfigs  # noqa: PLC0415 - was imported just now

            return kubeconfigs.Context()

    def _source(self) -> sources.Source:
        if self.kubeconfig is None and not self.context:
            return sources.environment()
        return sources.kubeconfig(self.kubeconfig, self.context or None)


Work: TypeAlias = Callable[[kube.Client], Coroutine[Any, Any, Exit]]


def run(cluster: Cluster, work: Work) -> Exit:
    """Work with a client; the exit code."""

    async def with_client() -> Exit:
        async with cluster.client() as client:
            return await work(client)

    return attempt(lambda: asyncio.run(with_client()))


def attempt(act: Callable[[], Exit]) -> Exit:
    """Act; the exit code. What goes wrong is said in a sentence."""
    try:
        return act()
    except (CommandError, kube.KubeError) as error:
        complain(*exits.lines_of(error))
        return exits.code_of(error)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Who read has seen enough (`| head`); Python would complain of it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK


def complain(*lines: str) -> None:
    """Say what is wrong, on standard error."""
    say(*(f"agentctl: {line}" if not line.startswith(" ") else line for line in lines))


def warn(text: str) -> None:
    """Pass a warning of the API server on."""
    say(f"warning: {text}")


def say(*lines: str) -> None:
    """Say something that is not the command's output, on standard error."""
    with contextlib.suppress(BrokenPipeError):
        sys.stderr.write("".join(f"{line}\n" for line in lines))
        sys.stderr.flush()


def show(text: str) -> None:
    """Write to standard output, at once."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    sys.stdout.flush()
