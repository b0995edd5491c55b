"""Health and metrics endpoints, apart from the serving port. Shell: a socket."""

import contextlib
from collections.abc import AsyncIterator, Callable

import prometheus_client
from aiohttp import web

from controllers.process import addresses


@contextlib.asynccontextmanager
async def listening(
    host: str,
    port: int,
    registry: prometheus_client.CollectorRegistry,
    unready: Callable[[], str],
) -> AsyncIterator[str]:
    """Serve ``/livez``, ``/readyz`` and ``/metrics`` inside the context; yields the base URL.

    Args:
        host: Address to listen on.
        port: 0 picks a free one.
        registry: Metrics registry.
        unready: Returns why this process is not ready; empty if it is.
    """

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        reason = unready()
        return web.Response(status=503 if reason else 200, text=f"{reason or 'ok'}\n")

    async def shown(_: web.Request) -> web.Response:
        return web.Response(
            body=prometheus_client.generate_latest(registry),
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
        yield addresses.url("http", *address[:2])
    finally:
        await runner.cleanup()
