"""A proxy between controllers and a real API server that breaks what passes, as planned.

Shell: HTTP by aiohttp, plain on loopback towards the controllers. Each controller has a port of
its own; whoever connects is the user of the kubeconfig that the proxy was given. JSON only.
"""

import asyncio
import collections
import contextlib
import itertools
import json
import os
import pathlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import aiohttp
import orjson
from aiohttp import web

from controllers.kube.auth import discovery
from tests.support import faults, kube_calls
from tests.support.faults import CrashAt, Dealt, Fault, Plan, Turn, Write
from tests.support.kube_calls import Call
from tests.support.upstream import MIB, Answer, Upstream, passed_on


class Proxy:
    """The way to one API server; to be opened by ``async with``."""

    def __init__(self, kubeconfig: str | os.PathLike[str]) -> None:
        self._kubeconfig = kubeconfig
        self._stack = contextlib.AsyncExitStack()
        self._upstream: Upstream | None = None
        self.ports: dict[str, Port] = {}

    async def __aenter__(self) -> Self:
        upstream = Upstream(await discovery.kubeconfig(self._kubeconfig)())
        self._upstream = await self._stack.enter_async_context(upstream)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def open(
        self,
        name: str = "controller",
        plan: Plan = faults.QUIET,
        *,
        on_crash: Callable[[], object] = lambda: None,
    ) -> "Port":
        """Listen for a controller.

        Args:
            name: Of the port, for reports.
            plan: What happens to its requests.
            on_crash: Ends the controller, at once; also an attribute of the port.
        """
        assert self._upstream is not None, "expected an open proxy: `async with`"
        port = Port(name, plan, self._upstream, on_crash)
        self.ports[name] = await self._stack.enter_async_context(port)
        return port

    def quiet(self) -> None:
        """No more faults at any port."""
        for port in self.ports.values():
            port.quiet()

    def report(self) -> str:
        """Those of all ports, in one line."""
        return "; ".join(port.report() for port in self.ports.values())


class Port:
    """Where one controller connects.

    Attributes:
        url: Its address.
        writes: All that was written, in the order in which it was answered or lost.
        dealt: The faults of the plan that took effect.
        crashed: Set by the plan's crash. From then on nobody is answered here, so that nothing
            lands of what a cancelled task does at its end, until ``revive``, ``quiet`` or a new
            plan. What was under way at that moment may land later, as after a real crash.
    """

    def __init__(
        self, name: str, plan: Plan, upstream: Upstream, on_crash: Callable[[], object]
    ) -> None:
        self.name, self.on_crash, self.url = name, on_crash, ""
        self.writes: list[Write] = []
        self.dealt: list[Dealt]
        self.crashed = asyncio.Event()
        self._upstream = upstream
        self._calm, self._thawed = asyncio.Event(), asyncio.Event()
        self._frozen_at = 0
        self._working: set[asyncio.Task[web.StreamResponse]] = set()
        self._runner = _runner(self._handle)
        self.plan = plan

    @property
    def plan(self) -> Plan:
        """What happens; a new one counts requests and writes from the first again."""
        return self._plan

    @plan.setter
    def plan(self, plan: Plan) -> None:
        self._plan = plan
        self.dealt = []
        self._ordinals = collections.Counter[tuple[str, str]]()
        self._written = 0
        self._calm.clear()
        self.revive()

    @property
    def is_quiet(self) -> bool:
        """Whether there are no more faults."""
        return self._calm.is_set()

    def quiet(self) -> None:
        """No more faults; what is delayed, held or silent ends at once."""
        self._calm.set()
        self.revive()

    def revive(self) -> None:
        """Answer again after a crash."""
        self.crashed.clear()

    def report(self) -> str:
        """One line: the seed, and the plan that deals again what was dealt, as Python."""
        again = faults.replay(self._plan, self.dealt)
        return f"{self.name}: seed {self._plan.seed} dealt {len(self.dealt)} faults: {again!r}"

    def kubeconfig(self, directory: pathlib.Path) -> pathlib.Path:
        """Write one that leads here."""
        names = {"cluster": self.name, "user": "nobody"}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": self.name,
            "contexts": [{"name": self.name, "context": names}],
            "clusters": [{"name": self.name, "cluster": {"server": self.url}}],
            "users": [{"name": "nobody", "user": {}}],
        }
        path = directory / f"{self.name}.kubeconfig"
        path.write_text(json.dumps(content))
        return path

    @contextlib.asynccontextmanager
    async def frozen(self) -> AsyncIterator[int]:
        """A stale API server: watches and lists stay as they are now; gets and writes go on.

        At the end come all events that were held, in order. The value is the resourceVersion.
        """
        self._frozen_at = await self._upstream.revision()
        self._thawed.clear()
        try:
            yield self._frozen_at
        finally:
            self._frozen_at = 0
            self._thawed.set()

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = "http://{}:{}".format(*self._runner.addresses[0][:2])
        return self

    async def __aexit__(self, *error: object) -> None:
        self._calm.set()
        self._thawed.set()
        await asyncio.gather(*self._working, return_exceptions=True)
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if self.crashed.is_set():
            return _dropped(request)
        call = Call.of(request.method, request.raw_path)
        self._ordinals[call.verb, call.resource] += 1
        turn = Turn(call.verb, call.resource, self._ordinals[call.verb, call.resource])
        self._written += call.is_counted
        written = self._written if call.is_counted else 0
        kind = _Watch if call.verb in kube_calls.WATCHES else _Passage
        passage = kind(self, self._upstream, request=request, call=call, turn=turn, written=written)
        if isinstance(passage, _Watch):
            return await passage.carry_out()
        # What has arrived is carried out, even if its client is gone.
        work = asyncio.ensure_future(passage.carry_out(await request.read()))
        self._working.add(work)
        work.add_done_callback(self._working.discard)
        return await asyncio.shield(work)

    # What a passage asks of its port.

    def fault(self, turn: Turn) -> Fault | None:
        """What happens now to a request, or at a step of a watch."""
        if not self.is_quiet:
            return self._plan.fault(turn)
        return faults.Pass(1) if turn.verb in kube_calls.WATCHES else None

    def crash(self, written: int) -> CrashAt | None:
        """The crash, if it is to be at this write."""
        crash = None if self.is_quiet else self._plan.crash
        return crash if crash is not None and crash.n == written else None

    def past(self, call: Call, fault: Fault | None) -> int:
        """The revision that a list is to be of; 0 is the present."""
        if call.verb not in {"list", "watchlist"} or call.is_exact:
            return 0
        found = self._frozen_at
        if not found and isinstance(fault, faults.Past):
            found = self._upstream.earlier(call, fault.changes)
        return found if found > call.revision else 0

    def note(self, turn: Turn, fault: Fault) -> None:
        """Note that a fault takes effect."""
        self.dealt.append(Dealt(turn, fault))

    async def rest(self, seconds: float) -> None:
        """Wait, but not longer than until it is quiet."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._calm.wait()

    async def until_thawed(self, revision: int) -> None:
        """Wait while a revision lies in the future of a stale API server."""
        while 0 < self._frozen_at < revision:
            await self._thawed.wait()

    def end(self, last: asyncio.BaseTransport | None) -> None:
        """End the controller, and all of its connections.

        Args:
            last: The one that is to end only after all that was written to it.
        """
        self.on_crash()
        assert self._runner.server is not None
        for connection in self._runner.server.connections:
            if connection.transport is not None and connection.transport is last:
                connection.transport.close()
            elif connection.transport is not None:
                connection.transport.abort()


class _Passage:
    """One request on its way, and its answer."""

    def __init__(
        self,
        port: Port,
        upstream: Upstream,
        *,
        request: web.Request,
        call: Call,
        turn: Turn,
        written: int,
    ) -> None:
        self._port, self._upstream, self._request = port, upstream, request
        self._call, self._turn, self._written = call, turn, written
        self._crash = port.crash(written)
        self._fault = port.fault(turn) if self._crash is None else None

    async def carry_out(self, body: bytes = b"") -> web.StreamResponse:
        await self._delay("before")
        answer = None
        if self._reaches_server:
            answer = await self._past() or await self._forward(body)
        if self._call.verb in kube_calls.WRITES:
            self._record(body, answer)
        if self._crash is not None:
            return await self._end(self._crash, answer)
        if self._port.crashed.is_set():
            return _dropped(self._request)
        return await self._back(answer)

    @property
    def _reaches_server(self) -> bool:
        if self._crash is not None:
            return self._crash.when != "before"
        return self._fault != faults.Drop("before") and not isinstance(self._fault, faults.Refuse)

    async def _delay(self, when: faults.When) -> None:
        if isinstance(self._fault, faults.Delay) and self._fault.when == when:
            self._port.note(self._turn, self._fault)
            await self._port.rest(self._fault.seconds)

    async def _past(self) -> Answer | None:
        """The list as it was, if the fault is that; None also where that is forgotten."""
        revision = self._port.past(self._call, self._fault)
        if not revision:
            return None
        target = self._call.listed_at(revision)
        answer = await self._upstream.answer("GET", target, self._request.headers)
        if answer is None or not answer.is_good:
            return None
        if isinstance(self._fault, faults.Past):
            self._port.note(self._turn, self._fault)
        return answer

    async def _forward(self, body: bytes) -> Answer | None:
        """The API server's answer; None where there is none."""
        request = self._request
        answer = await self._upstream.answer(
            request.method, request.raw_path, request.headers, body
        )
        if answer is not None and answer.is_good:
            self._upstream.note(self._call, kube_calls.metadata(answer.body).revision)
        return answer

    async def _back(self, answer: Answer | None) -> web.StreamResponse:
        match self._fault:
            case faults.Drop():
                self._port.note(self._turn, self._fault)
                return _dropped(self._request)
            case faults.Refuse():
                self._port.note(self._turn, self._fault)
                return _refused(self._fault, self._call)
            case faults.Fail() if answer is not None and answer.is_good:
                self._port.note(self._turn, self._fault)
                return web.json_response(kube_calls.lost_write(), status=500)
        await self._delay("after")
        return _dropped(self._request) if answer is None else answer.response()

    async def _end(self, crash: CrashAt, answer: Answer | None) -> web.StreamResponse:
        # From here on nobody else is answered.
        self._port.crashed.set()
        if crash.when != "after_ack" or answer is None:
            self._port.end(None)
            return web.Response()
        response = answer.response()
        with contextlib.suppress(ConnectionError):
            await response.prepare(self._request)
            await response.write_eof()
        self._port.end(self._request.transport)
        return response

    def _record(self, body: bytes, answer: Answer | None) -> None:
        call, name = self._call, self._call.name
        if not name and call.verb == "create":
            name = (
                kube_calls.metadata(body).name
                or kube_calls.metadata(answer.body if answer else b"").name
            )
        write = Write(
            ordinal=self._written,
            verb=call.verb,
            path=call.path,
            resource=call.resource,
            namespace=call.namespace,
            name=name,
            status=answer.status if answer else None,
            fault=self._crash or self._fault,
        )
        self._port.writes.append(write)


class _Watch(_Passage):
    """A watch: its lines pass one by one, as they come."""

    def __init__(self, port: Port, upstream: Upstream, **request: Any) -> None:
        super().__init__(port, upstream, **request)
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._response = web.StreamResponse()
        self._last, self._revision = b"", self._call.revision

    async def carry_out(self, body: bytes = b"") -> web.StreamResponse:
        del body  # a GET has none
        await self._delay("before")
        if not self._reaches_server:
            return await self._back(None)
        async with contextlib.AsyncExitStack() as stack:
            initial = await self._past()
            target = self._request.raw_path
            if initial is not None:
                target = self._call.watched_from(kube_calls.metadata(initial.body).revision)
                for line in kube_calls.initial_events(initial.body):
                    self._lines.put_nowait(line)
            begun = self._upstream.request("GET", target, self._request.headers)
            try:
                upstream = await stack.enter_async_context(begun)
            except (aiohttp.ClientError, OSError):
                return _dropped(self._request)
            if upstream.status != 200:
                return (await Answer.of(upstream)).response()
            pumping = asyncio.create_task(_pump(upstream, self._lines))
            stack.callback(pumping.cancel)
            self._response.headers.extend(passed_on(upstream.headers))
            await self._response.prepare(self._request)
            await self._pass()
            return self._response

    async def _pass(self) -> None:
        """Until one side ends it, or a fault does."""
        fault = self._fault
        for step in itertools.count(1):
            if isinstance(fault, faults.WatchFault):
                for _ in range(fault.after):
                    if not await self._send(await self._next()):
                        return
                if not self._port.is_quiet and not await self._deal(
                    self._turn._replace(step=step - 1), fault
                ):
                    return
            fault = self._port.fault(self._turn._replace(step=step))

    async def _next(self) -> bytes | None:
        """The next line; empty at the end, None where the connection broke."""
        line = await self._lines.get()
        revision = kube_calls.event(line or b"").metadata.revision
        await self._port.until_thawed(revision)
        self._upstream.note(self._call, revision)
        self._revision = revision or self._revision
        return line

    async def _send(self, line: bytes | None) -> bool:
        """Whether there can be more."""
        if line is None:
            _dropped(self._request)
        elif line:
            self._last = line
            await self._response.write(line)
        return bool(line)

    async def _deal(self, turn: Turn, fault: faults.WatchFault) -> bool:
        """Whether the watch goes on."""
        if isinstance(fault, faults.Pass):
            return True
        if isinstance(fault, faults.Cut):
            return await self._cut(turn, fault)
        self._port.note(turn, fault)
        match fault:
            case faults.Duplicate():
                await self._response.write(self._last)
            case faults.Hold():
                await self._port.rest(fault.seconds)
            case faults.Silence():
                await self._port.rest(fault.seconds)
                _dropped(self._request)
            case faults.Expire():
                gone = {"type": "ERROR", "object": kube_calls.expired(self._revision)}
                await self._response.write(orjson.dumps(gone) + b"\n")
        return isinstance(fault, faults.Duplicate | faults.Hold)

    async def _cut(self, turn: Turn, fault: faults.Cut) -> bool:
        line = await self._next()
        if self._port.is_quiet or not line:
            return await self._send(line)
        self._port.note(turn, fault)
        await self._response.write(line[: int(len(line) * fault.at)])
        if not fault.is_clean:
            _dropped(self._request)
        return False


async def _pump(upstream: aiohttp.ClientResponse, lines: "asyncio.Queue[bytes | None]") -> None:
    """Read ahead, so that the API server does not give up a watch that is held."""
    try:
        while line := await upstream.content.readline():
            lines.put_nowait(line)
        lines.put_nowait(b"")
    except (aiohttp.ClientError, OSError):
        lines.put_nowait(None)


def _runner(handle: Callable[[web.Request], Any]) -> web.AppRunner:
    application = web.Application(client_max_size=64 * MIB)
    application.router.add_route("*", "/{path:.*}", handle)
    return web.AppRunner(
        application,
        access_log=None,
        handler_cancellation=True,  # a watch ends with its client
        shutdown_timeout=0.1,
        max_line_size=MIB,
        max_field_size=MIB,
    )


def _dropped(request: web.Request) -> web.StreamResponse:
    """End the connection; what is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _refused(fault: faults.Refuse, call: Call) -> web.StreamResponse:
    seconds = fault.retry_after_seconds
    headers = {} if seconds is None else {"Retry-After": str(seconds)}
    status = kube_calls.refusal(call, fault.code, seconds)
    return web.json_response(status, status=fault.code, headers=headers)
