"""What every command that talks to a cluster does around its work. Shell: terminal, event loop."""

import asyncio
import contextlib
import dataclasses
import os
import pathlib
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from controllers import kube
from controllers.agentctl import exits, tables
from controllers.agentctl.exits import CommandError, Exit
from controllers.kube import access, sources

USER_AGENT = "agentctl"
"""Also the field manager of what is written."""


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
