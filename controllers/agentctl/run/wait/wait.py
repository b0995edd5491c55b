"""Implements ``agentctl run wait``. Shell: the cluster, the terminal."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Final

import rich.console
import rich.markup

from controllers import kube
from controllers.agentctl import durations, kind_names, session
from controllers.agentctl.exits import CommandError, Exit
from controllers.agentctl.run.wait import wait_conditions
from controllers.runs import projections

_TICK_SECONDS: Final = 1.0


def run(
    cluster: session.Cluster, namespace: str, name: str, wish: wait_conditions.Target, timeout: str
) -> Exit:
    """Wait for a run; return the exit code."""

    def act() -> Exit:
        seconds = durations.timeout(timeout, waits=True)

        async def work(client: kube.Client) -> Exit:
            value = await client.get(projections.RUNS, name, namespace=namespace)
            verdict = await until(client, projections.of(projections.Run, value), wish, seconds)
            session.show(f"{kind_names.reference(projections.RUNS, name)} {verdict.text}")
            return verdict.code

        return session.run(cluster, work)

    return session.attempt(act)


async def until(
    client: kube.Client,
    run: projections.Run,
    wish: wait_conditions.Target,
    timeout_seconds: float | None,
) -> wait_conditions.Verdict:
    """Watch a run until there is a verdict, reporting its state meanwhile.

    Raises:
        CommandError: The wait timed out.
    """
    seen, verdict = run, None
    try:
        with _telling() as tell:
            async with asyncio.timeout(timeout_seconds), _closing_watch(client, run) as states:
                async for state in states:
                    verdict = wait_conditions.verdict(state, run.metadata.uid, wish)
                    if verdict is not None or state is None:
                        break
                    seen = state
                    tell(state)
    except TimeoutError:
        pass
    if verdict is not None:
        return verdict
    name, namespace = run.metadata.name, run.metadata.namespace
    raise CommandError(
        f"expected {name} {_WISHES[wish]} within {timeout_seconds:g} s, but it is "
        f"{wait_conditions.state_line(seen, kube.utc_now())}; "
        f"see `agentctl explain {name} -n {namespace}`",
        Exit.TIMEOUT,
    )


_WISHES: Final = {"succeeded": "to succeed", "ended": "to end", "running": "to run"}


def _closing_watch(
    client: kube.Client, run: projections.Run
) -> contextlib.aclosing[AsyncGenerator[projections.Run | None, None]]:
    return contextlib.aclosing(watch_run(client, run))


async def watch_run(
    client: kube.Client, run: projections.Run
) -> AsyncGenerator[projections.Run | None, None]:
    """Yield a run's state on each change and once a second; None once it is deleted.

    Disconnects and an unavailable API server are retried.
    """
    changed = asyncio.Event()
    store: kube.Store[projections.Run] = kube.Store()
    selection = kube.Selection(
        namespace=run.metadata.namespace, fields=f"metadata.name={run.metadata.name}"
    )
    reflector = kube.Reflector(
        client,
        projections.RUNS,
        projections.Run,
        store,
        lambda _: changed.set(),
        selection=selection,
    )
    following = asyncio.ensure_future(reflector.run())
    try:
        while True:
            changed.clear()
            if (unreadable := reflector.unreadable.get(run.key)) is not None:
                raise CommandError(
                    f"expected {projections.RUNS.kind} {run.key} to be readable: "
                    f"{unreadable.problem}"
                )
            yield store.get(run.key) if reflector.synced.is_set() else run
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await changed.wait()
            if following.done():
                following.result()
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


@contextlib.contextmanager
def _telling() -> Iterator[Callable[[projections.Run], None]]:
    """Yield a function that reports state, on one updated line on a terminal, else line by line."""
    console = rich.console.Console(stderr=True, highlight=False)
    if console.is_terminal:
        with console.status("waiting") as line:
            yield lambda run: line.update(
                rich.markup.escape(
                    f"{run.metadata.name}: {wait_conditions.state_line(run, kube.utc_now())}"
                )
            )
        return
    said = ""

    def tell(run: projections.Run) -> None:
        nonlocal said
        line = f"{run.metadata.name}: {wait_conditions.state_line(run, None)}"
        if line != said:
            session.say(line)
        said = line

    yield tell
