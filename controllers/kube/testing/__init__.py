"""An API server in this process with virtual time, for fast tests of controllers.

    @testing.virtual_time
    async def test_a_lease_expires() -> None:
        server = testing.ApiServer(widgets.api)
        async with server.client() as client:
            await client.create(WIDGETS, {...}, namespace="default")

It answers as kube-apiserver does, in its words; docs/testing.md says what it serves. Imports only
the client and schemagen; nothing imports it but tests.
"""

from controllers.kube.testing.calls import Call
from controllers.kube.testing.clock import (
    Clock,
    DeadlockError,
    VirtualLoop,
    run,
    settle,
    virtual_time,
)
from controllers.kube.testing.kinds import JOBS, PODS
from controllers.kube.testing.server import ApiServer, Fault
from controllers.kube.testing.statuses import Refusal, injected

__all__ = [
    "JOBS",
    "PODS",
    "ApiServer",
    "Call",
    "Clock",
    "DeadlockError",
    "Fault",
    "Refusal",
    "VirtualLoop",
    "injected",
    "run",
    "settle",
    "virtual_time",
]
