"""The listener of a controller for kubelets and Prometheus. Shell: a socket."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

import prometheus_client
from aiohttp import web
from prometheus_client import core, registry

from controllers import manager
from controllers.runs import metrics


class Depth(registry.Collector):
    """How much a controller has before it, beside what it counts itself."""

    def __init__(self, watched: manager.Manager) -> None:
        self._manager = watched

    def collect(self) -> Iterator[core.Metric]:
        """The number as it is now."""
        depth = core.GaugeMetricFamily(
            "workqueue_depth", "Runs that are to be looked at.", labels=["name"]
        )
        depth.add_metric([metrics.CONTROLLER], len(self._manager.queue))
        yield depth


@contextlib.asynccontextmanager
async def listening(
    host: str, port: int, watched: manager.Manager, unready: Callable[[], str]
) -> AsyncIterator[str]:
    """Serve ``/livez``, ``/readyz`` and ``/metrics`` inside the context; its value: where.

    Args:
        host: Address to listen on.
        port: 0 takes a free one.
        watched: Whose metrics.
        unready: Why this process is not ready; empty if it is.
    """
    watched.metrics.registry.register(Depth(watched))

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        reason = unready()
        return web.Response(status=503 if reason else 200, text=f"{reason or 'ok'}\n")

    async def shown(_: web.Request) -> web.Response:
        return web.Response(
            body=watched.metrics.text(),
            headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST},
        )

    app = web.Application()
    app.add_routes(
        [web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", shown)]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        address = runner.addresses[0]
        yield f"http://{address[0]}:{address[1]}"
    finally:
        await runner.cleanup()
