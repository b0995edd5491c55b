"""The listener of a controller for kubelets and Prometheus. Shell: a socket."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

import prometheus_client
from aiohttp import web
from prometheus_client import core, registry

from controllers import manager


class Counted(registry.Collector):
    """What Prometheus sees of a controller.

    The names are those of client-go and controller-runtime, so that dashboards made for it work.
    """

    def __init__(self, watched: manager.Manager) -> None:
        self._manager = watched

    def collect(self) -> Iterator[core.Metric]:
        """The numbers as they are now."""
        leads = core.GaugeMetricFamily(
            "leader_election_master_status",
            "Whether this process leads: 1 if it does.",
            labels=["name"],
        )
        leads.add_metric([manager.LEASE], float(self._manager.elector.leads))
        yield leads
        depth = core.GaugeMetricFamily(
            "workqueue_depth", "Runs that are to be looked at.", labels=["name"]
        )
        depth.add_metric(["agentruns"], len(self._manager.queue))
        yield depth


@contextlib.asynccontextmanager
async def listening(
    host: str, port: int, collector: registry.Collector, unready: Callable[[], str]
) -> AsyncIterator[str]:
    """Serve ``/livez``, ``/readyz`` and ``/metrics`` inside the context; its value: where.

    Args:
        host: Address to listen on.
        port: 0 takes a free one.
        collector: Of the metrics.
        unready: Why this process is not ready; empty if it is.
    """
    metrics = prometheus_client.CollectorRegistry()
    metrics.register(collector)

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        reason = unready()
        return web.Response(status=503 if reason else 200, text=f"{reason or 'ok'}\n")

    async def shown(_: web.Request) -> web.Response:
        return web.Response(
            body=prometheus_client.generate_latest(metrics),
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
